"""Verbs of the wiki: write, restore, move, put away. Nothing is ever lost: each wording is a revision of its own."""

from collections.abc import Mapping, Sequence
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from releases import audit
from releases.audit import Actor
from releases.engine import clock
from releases.engine.errors import Conflict, EngineError
from releases.engine.insisting import put_on_record
from releases.models import Project, WikiPage, WikiRedirect, WikiRevision
from releases.risks.secrets_scanner import Found
from releases.wiki.addresses import slug_of, unused
from releases.wiki.importing import Draft

TEXTS: Final = ("title_ko", "title_en", "body_ko", "body_en")


class EditConflict(Conflict):
    """Somebody saved another text since the one that was edited; `newest` is it."""

    def __init__(self, newest: WikiRevision) -> None:
        super().__init__(_("Somebody saved another text meanwhile. Yours is kept below, theirs is kept on the page."))
        self.newest = newest


def create_page(
    project: Project,
    texts: Mapping[str, str],
    slug: str,
    parent: WikiPage | None,
    kind: str,
    actor: Actor,
    insisted: Sequence[Found] = (),
) -> WikiPage:
    """Add a page with its first revision. An empty `slug` is made from the title.

    `insisted`: what a person said is no secret. Raises EngineError where the address is taken.
    """
    with transaction.atomic():
        _one_at_a_time(project.pk)
        taken, title = _taken(project), texts.get("title_ko") or texts.get("title_en") or ""
        wanted = slug or unused(slug_of(title) or "page", taken)
        if wanted in taken:
            raise EngineError(_("Another page has this short name, or had it; choose another one."))
        _parent_of(project, parent)
        page = WikiPage.objects.create(
            project=project, slug=wanted, parent=parent, kind=kind, position=_last(project, parent), **_only(texts)
        )
        _keep(page, _("first text"), actor)
        put_on_record(actor, page, insisted)
        audit.record(actor, "wiki.create", page, slug=page.slug)
    return page


def save_page(
    page: WikiPage,
    texts: Mapping[str, str],
    kind: str,
    base: int,
    note: str,
    actor: Actor,
    insisted: Sequence[Found] = (),
) -> WikiPage:
    """Keep new texts as the revision after `base`. The same texts and kind are not kept twice.

    `insisted`: what a person said is no secret; that counts for a text that is there already, too.
    Raises EditConflict when another revision was saved since `base`, EngineError on an archived page.
    """
    with transaction.atomic():
        held = _held(page)
        changes = {**_only(texts), "kind": kind}
        if all(getattr(held, name) == value for name, value in changes.items()):
            put_on_record(actor, held, insisted)
            return held
        if held.number != base:
            raise EditConflict(held.revisions.get(number=held.number))
        _write(held, changes, note, actor)
        put_on_record(actor, held, insisted)
        audit.record(actor, "wiki.save", held, revision=held.number, note=note)
    return held


def restore_revision(page: WikiPage, number: int, actor: Actor) -> WikiPage:
    """Bring back what a revision said, as a new revision. Raises EngineError where there is none of that number."""
    with transaction.atomic():
        held = _held(page)
        old = held.revisions.filter(number=number).first()
        if old is None:
            raise EngineError(_("This page has no such revision; open its history again."))
        texts = {name: getattr(old, name) for name in TEXTS}
        if all(getattr(held, name) == value for name, value in texts.items()):
            raise EngineError(_("The page says exactly this already."))
        _write(held, texts, _("restored revision %s") % number, actor)
        audit.record(actor, "wiki.restore", held, revision=held.number, restored=number)
    return held


def move_page(page: WikiPage, slug: str, parent: WikiPage | None, position: int, actor: Actor) -> WikiPage:
    """Give a page another address or place. Its old address leads to it from then on.

    Raises EngineError where the address is taken or the page would come to stand below itself.
    """
    with transaction.atomic():
        # Two moves that are right by themselves could put two pages below each other.
        _one_at_a_time(page.project_id)
        held = _held(page)
        above = _parent_of(held.project, parent)
        if held.pk in above:
            raise EngineError(_("A page can't stand below itself; choose another place."))
        before = held.slug
        if slug != before:
            if slug in _taken(held.project, besides=held):
                raise EngineError(_("Another page has this short name, or had it; choose another one."))
            WikiRedirect.objects.filter(page=held, slug=slug).delete()
            WikiRedirect.objects.create(project=held.project, slug=before, page=held)
        held.slug, held.parent, held.position = slug, parent, position
        held.save(update_fields=["slug", "parent", "position", "updated_at"])
        audit.record(actor, "wiki.move", held, slug=slug, before=before, parent=parent.slug if parent else "")
    return held


def archive_page(page: WikiPage, actor: Actor) -> None:
    """Put a page away; it keeps its address and history. Raises EngineError while it has pages below it."""
    with transaction.atomic():
        held = _held(page)
        if held.children.filter(archived_at=None).exists():
            raise EngineError(_("Pages stand below it; move or archive them first."))
        held.archived_at = clock.now()
        held.save(update_fields=["archived_at", "updated_at"])
        audit.record(actor, "wiki.archive", held)


def unarchive_page(page: WikiPage, actor: Actor) -> None:
    """Take an archived page back; below a page that is archived it comes to stand at the top."""
    with transaction.atomic():
        held = _locked(page)
        if held.archived_at is None:
            raise EngineError(_("This page is not archived."))
        if held.parent is not None and held.parent.archived_at is not None:
            held.parent = None
        held.archived_at = None
        held.save(update_fields=["archived_at", "parent", "updated_at"])
        audit.record(actor, "wiki.unarchive", held)


def import_pages(
    project: Project, drafts: Sequence[Draft], actor: Actor, insisted: Sequence[Found] = ()
) -> tuple[list[WikiPage], list[str]]:
    """Make a page of each draft, first as it was written, then with its live blocks; (made, titles that are there).

    A page that has a draft's short name, or had it before it was moved, is left as it is.
    `insisted`: what a person said is no secret.
    """
    made: list[WikiPage] = []
    there: list[str] = []
    with transaction.atomic():
        _one_at_a_time(project.pk)
        # An address that a page had leads to that page: it was moved, not removed.
        known = {old.slug: old.page for old in WikiRedirect.objects.filter(project=project).select_related("page")}
        known |= {page.slug: page for page in project.wiki_pages.all()}
        for draft in drafts:
            if draft.slug in known:
                there.append(draft.title)
                continue
            known[draft.slug] = _import(project, draft, known, actor)
            made.append(known[draft.slug])
        put_on_record(actor, project, insisted)
        audit.record(actor, "wiki.import", project, pages=len(made), there=len(there))
    return made, there


def _import(project: Project, draft: Draft, known: Mapping[str, WikiPage], actor: Actor) -> WikiPage:
    page = WikiPage.objects.create(
        project=project,
        slug=draft.slug,
        parent=known.get(draft.parent),
        kind=draft.kind,
        position=draft.position,
        title_ko=draft.title,
        body_ko=draft.written,
    )
    _keep(page, _("as it was written"), actor)
    if (draft.text, draft.title_en, draft.body_en) != (draft.written, "", ""):
        changes = {"body_ko": draft.text, "title_en": draft.title_en, "body_en": draft.body_en}
        live = _("tables replaced by live ones: %s") % len(draft.replaced)
        _write(page, changes, live if draft.replaced else _("its English title"), actor)
    return page


def _one_at_a_time(project: int) -> None:
    """Until the transaction ends, nobody else changes which pages there are and where they stand."""
    Project.objects.select_for_update(no_key=True).get(pk=project)


def _held(page: WikiPage) -> WikiPage:
    held = _locked(page)
    if held.archived_at is not None:
        raise EngineError(_("This page is archived; take it back before you change it."))
    return held


def _locked(page: WikiPage) -> WikiPage:
    return (
        WikiPage.objects.select_for_update(of=("self",), no_key=True)
        .select_related("project", "parent")
        .get(pk=page.pk)
    )


def _write(page: WikiPage, changes: Mapping[str, str], note: str, actor: Actor) -> None:
    for name, value in changes.items():
        setattr(page, name, value)
    page.number += 1
    page.save()
    _keep(page, note, actor)


def _keep(page: WikiPage, note: str, actor: Actor) -> None:
    texts = {name: getattr(page, name) for name in TEXTS}
    WikiRevision.objects.create(page=page, number=page.number, note=note[:300], created_by=actor.user, **texts)


def _only(texts: Mapping[str, str]) -> dict[str, str]:
    """The four texts, with the line ends that forms bring made plain."""
    return {name: texts.get(name, "").replace("\r\n", "\n") for name in TEXTS}


def _taken(project: Project, besides: WikiPage | None = None) -> set[str]:
    pages, old = WikiPage.objects.filter(project=project), WikiRedirect.objects.filter(project=project)
    if besides is not None:
        pages, old = pages.exclude(pk=besides.pk), old.exclude(page=besides)
    return {*pages.values_list("slug", flat=True), *old.values_list("slug", flat=True)}


def _parent_of(project: Project, parent: WikiPage | None) -> set[int]:
    """The numbers of the pages from `parent` up to the top. Raises EngineError for one that can hold no page."""
    if parent is not None and (parent.project_id != project.pk or parent.archived_at is not None):
        raise EngineError(_("Choose a page of the same project that is not archived."))
    places = dict(WikiPage.objects.filter(project=project).values_list("pk", "parent"))
    above: set[int] = set()
    number = parent.pk if parent else None
    while number is not None and number not in above:
        above.add(number)
        number = places.get(number)
    return above


def _last(project: Project, parent: WikiPage | None) -> int:
    newest = WikiPage.objects.filter(project=project, parent=parent).order_by("-position").first()
    return newest.position + 1 if newest else 0
