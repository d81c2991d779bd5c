"""The text of a wiki page as the page shows it: HTML, and live blocks filled with what is so now."""

import logging
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from releases.models import Project, WikiPage, WikiRedirect
from releases.models.choices import in_reader_language
from releases.views.blocks import blocks
from releases.wiki import markup

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Leaf:
    """A page in the tree of its project."""

    pk: int
    slug: str
    parent: int | None
    kind: str
    title_ko: str
    title_en: str
    archived: bool
    depth: int = 0

    @property
    def title(self) -> str:
        """The title in the reader's language."""
        return in_reader_language(self.title_ko, self.title_en)


@dataclass
class Tree:
    """The pages of a project, read once for breadcrumbs, children and links. Archived ones are known, not listed."""

    project: Project
    leaves: dict[int, Leaf] = field(default_factory=dict)

    @classmethod
    def of(cls, project: Project) -> "Tree":
        """Read the tree: one query."""
        rows = project.wiki_pages.order_by("position", "pk").values_list(
            "pk", "slug", "parent", "kind", "title_ko", "title_en", "archived_at"
        )
        return cls(project, {row[0]: Leaf(*row[:6], archived=row[6] is not None) for row in rows})

    def children(self, parent: int | None) -> list[Leaf]:
        """The pages right below one, in their order."""
        return [leaf for leaf in self.leaves.values() if leaf.parent == parent and not leaf.archived]

    def above(self, page: int) -> list[Leaf]:
        """From the top down to the page above this one."""
        found: list[Leaf] = []
        number = self.leaves[page].parent if page in self.leaves else None
        while number is not None and len(found) < len(self.leaves):
            found.insert(0, self.leaves[number])
            number = self.leaves[number].parent
        return found

    def in_order(self) -> list[Leaf]:
        """Every page that is not archived, each behind the one it stands below, with its depth."""
        below: dict[int | None, list[Leaf]] = {}
        for leaf in self.leaves.values():
            if not leaf.archived:
                below.setdefault(leaf.parent, []).append(leaf)
        return list(self._walk(below, None, 0))

    def _walk(self, below: dict[int | None, list[Leaf]], parent: int | None, depth: int) -> list[Leaf]:
        found: list[Leaf] = []
        for leaf in below.get(parent, []):
            values = {**vars(leaf), "depth": depth}
            found += [Leaf(**values), *self._walk(below, leaf.pk, depth + 1)]
        return found

    @cached_property
    def _by_reference(self) -> dict[str, Leaf]:
        found: dict[str, Leaf] = {}
        for leaf in self.leaves.values():
            for name in (leaf.title_ko, leaf.title_en, leaf.slug):
                found.setdefault(name.casefold(), leaf)
        return found

    @cached_property
    def _old(self) -> dict[str, int]:
        return dict(WikiRedirect.objects.filter(project=self.project).values_list("slug", "page"))

    def find(self, reference: str) -> tuple[str, str] | None:
        """The address and title of the page that a title, short name or earlier short name means."""
        wanted = reference.strip().casefold()
        leaf = self._by_reference.get(wanted) or self.leaves.get(self._old.get(wanted, 0))
        return (page_address(self.project.pk, leaf.slug), leaf.title) if leaf and wanted else None


def page_address(project: int, slug: str) -> str:
    """Where a page is."""
    return reverse("releases:wiki_page", args=[project, slug])


def shown(text: str, tree: Tree, request: HttpRequest, page: WikiPage | None = None) -> dict[str, Any]:
    """What the template of a text needs: `pieces` and `headings`."""
    rendered = markup.render(text, tree.find)
    seen: set[str] = set()
    pieces = []
    for piece in rendered.pieces:
        pieces.append(_piece(piece, piece.live in seen, tree.project, request, page))
        seen.add(piece.live)
    return {"pieces": pieces, "headings": rendered.headings}


def _piece(
    piece: markup.Piece, again: bool, project: Project, request: HttpRequest, page: WikiPage | None
) -> dict[str, Any]:
    if not piece.live:
        return {"html": piece.html}
    written = piece.written if page is not None else 0
    found: dict[str, Any] = {"name": piece.live, "written": written, "page": page}
    block = blocks().get(piece.live)
    if block is None:
        return found | {"problem": "unknown"}
    found |= {"title": block.title(), "again": again}
    if again:
        return found
    html = _filled(piece.live, project, request)
    return found | ({"html": html} if html is not None else {"problem": "failed"})


def _filled(name: str, project: Project, request: HttpRequest) -> SafeString | None:
    """The HTML of a block; None where it failed, which is our fault and goes to our log."""
    block = blocks()[name]
    try:
        with transaction.atomic():  # a failed query must not spoil the rest of the page
            context = {"project": project, "title": block.title(), **block.context(project)}
            return render_to_string(block.template, context, request)
    except Exception:
        log.exception("live block %s of project %s failed", name, project.pk)
        return None
