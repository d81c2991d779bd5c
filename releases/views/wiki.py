"""The wiki read: the tree of a project, a page, its history."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import F, Max
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from releases import permissions
from releases.models import Project, WikiPage, WikiRedirect, WikiRevision
from releases.permissions import Need, member_required, signed_in
from releases.runbooks import diff
from releases.views.wiki_text import Tree, page_address, shown

PAGE = 50
NEWEST = 8


@require_GET
@member_required
def wiki(request: HttpRequest) -> HttpResponse:
    """The pages of a project as a tree (`?project=`, else the one written in last), and what changed last."""
    user = signed_in(request)
    projects = list(permissions.visible_projects(user).annotate(written=Max("wiki_pages__updated_at")).order_by("name"))
    wanted = request.GET.get("project", "")
    written = [project for project in projects if project.written]
    newest = max(written, key=lambda project: project.written, default=projects[0] if projects else None)
    project = next((one for one in projects if str(one.pk) == wanted), newest)
    context: dict[str, Any] = {"projects": projects, "project": project, "page_obj": [], "recent": []}
    if project is not None:
        tree = Tree.of(project)
        rows = WikiRevision.objects.filter(page__project=project, page__archived_at=None, number=F("page__number"))
        context |= {
            "page_obj": Paginator(tree.in_order(), PAGE).get_page(request.GET.get("page")),
            "archived": [leaf for leaf in tree.leaves.values() if leaf.archived],
            "recent": rows.select_related("page__project", "created_by").order_by("-pk")[:NEWEST],
            "may_write": permissions.may(user, Need.OPERATE, project.pk),
            "may_manage": permissions.may(user, Need.MANAGE, project.pk),
        }
    return render(request, "releases/wiki/index.html", context)


@require_GET
@member_required
def page(request: HttpRequest, number: int, slug: str) -> HttpResponse:
    """One page as it is now; an address it had leads on to it."""
    user = signed_in(request)
    project = permissions.get(Project, user, Need.VIEW, pk=number)
    found = project.wiki_pages.filter(slug=slug).first()
    if found is None:
        old = WikiRedirect.objects.filter(project=project, slug=slug).select_related("page").first()
        if old is None:
            raise Http404
        return redirect(page_address(project.pk, old.page.slug), permanent=False)
    tree = Tree.of(project)
    context = {
        "page": found,
        "project": project,
        "above": tree.above(found.pk),
        "children": tree.children(found.pk),
        "last": found.revisions.select_related("created_by").first(),
        "text": shown(found.body(), tree, request, found),
        **language_of(found),
        "may_write": permissions.may(user, Need.OPERATE, project.pk),
        "may_manage": permissions.may(user, Need.MANAGE, project.pk),
    }
    return render(request, "releases/wiki/page.html", context)


def language_of(page: WikiPage | WikiRevision) -> dict[str, str]:
    """The language that the shown text is in, and that of the reader where it is missing."""
    own = "ko" if (get_language() or "ko").startswith("ko") else "en"
    other = "en" if own == "ko" else "ko"
    empty = not (page.body_ko if own == "ko" else page.body_en)
    missing = empty and bool(page.body())
    return {"lang": other if missing else own, "missing": own if missing else ""}


@require_GET
@member_required
def history(request: HttpRequest, number: int) -> HttpResponse:
    """Every revision; two compared (`?old=&new=`, else the newest with the one before), one read (`?shown=`)."""
    user = signed_in(request)
    found = permissions.get(WikiPage, user, Need.VIEW, "project", pk=number)
    rows = found.revisions.select_related("created_by").defer("body_ko", "body_en")
    page_obj = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    new = _revision(found, request.GET.get("new", "")) or found.revisions.get(number=found.number)
    old = _revision(found, request.GET.get("old", "")) or found.revisions.filter(number__lt=new.number).first()
    read = _revision(found, request.GET.get("shown", ""))
    context = {
        "page": found,
        "project": found.project,
        "page_obj": page_obj,
        "old": old,
        "new": new,
        "hunks": compared(old, new) if old else [],
        "read": read,
        "text": shown(read.body(), Tree.of(found.project), request) if read else None,
        "lang": language_of(read)["lang"] if read else "",
        "may_write": permissions.may(user, Need.OPERATE, found.project_id) and not found.archived_at,
    }
    return render(request, "releases/wiki/history.html", context)


def _revision(page: WikiPage, number: str) -> WikiRevision | None:
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return None
    return page.revisions.select_related("created_by").filter(number=int(number)).first()


def compared(old: WikiRevision | WikiPage, new: WikiRevision | WikiPage) -> list[dict[str, object]]:
    """The lines that differ between two wordings, titles first, by language."""
    kinds = {"-": "del", "+": "add", "same": "same"}
    parts = (
        (_("Korean"), f"{old.title_ko}\n{old.body_ko}", f"{new.title_ko}\n{new.body_ko}"),
        (_("English"), f"{old.title_en}\n{old.body_en}", f"{new.title_en}\n{new.body_en}"),
    )
    return [
        {
            "title": _("%(language)s, from line %(line)s") % {"language": language, "line": hunk.new},
            "lines": [{"number": li.number, "kind": kinds[li.kind], "text": str(li.text)} for li in hunk.lines],
        }
        for language, before, after in parts
        for hunk in diff.diff_versions(before, after)
    ]
