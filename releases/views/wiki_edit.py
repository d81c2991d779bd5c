"""The wiki written: a new page, an edit with its preview, a move, and what managers put away."""

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from releases import permissions
from releases.engine import wiki as verbs
from releases.engine.errors import EngineError
from releases.models import Project, User, WikiPage
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import done, once, refusal, verb
from releases.views.wiki import compared
from releases.views.wiki_forms import NewPageForm, PlaceForm, TextForm
from releases.views.wiki_text import Tree, page_address, shown

BOTH = ("body_ko", "body_en")


def writable(user: User) -> QuerySet[Project]:
    """The projects in whose wiki the person may write."""
    return permissions.visible_projects(user).filter(pk__in=permissions.projects(user, Need.OPERATE)).order_by("name")


@require_http_methods(["GET", "POST"])
@member_required
@once
def new_page(request: HttpRequest) -> HttpResponse:
    """Write a page that is not there yet."""
    projects = writable(signed_in(request))
    pages = WikiPage.objects.filter(project__in=projects, archived_at=None)
    first = {"project": request.GET.get("project") or projects.first(), "parent": request.GET.get("parent")}
    form = NewPageForm(request.POST or None, projects=projects, pages=pages, initial=first)
    context = {"form": form, "title": _("New page"), "page": None, "projects": projects}
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        if "preview" not in request.POST:
            return _made(request, form, context)
        context["previews"] = _previews(form, Tree.of(values["project"]), request)
    return render(request, "releases/wiki/edit.html", context, status=400 if form.errors else 200)


def _made(request: HttpRequest, form: NewPageForm, context: dict[str, object]) -> HttpResponse:
    values = form.cleaned_data
    project = values["project"]
    permissions.require(signed_in(request), Need.OPERATE, project.pk)
    try:
        page = verbs.create_page(
            project,
            form.texts(),
            values["slug"],
            values["parent"],
            values["kind"],
            actor(request),
            form.insisted or [],
        )
    except EngineError as error:
        form.add_error(None, str(error))
        return render(request, "releases/wiki/edit.html", context, status=409)
    return redirect(page_address(project.pk, page.slug))


@require_http_methods(["GET", "POST"])
@member_required
def edit_page(request: HttpRequest, number: int) -> HttpResponse:
    """Write the next revision; `preview` shows it first. Where somebody was quicker, both texts are shown."""
    page = permissions.get(WikiPage, signed_in(request), Need.OPERATE, "project", pk=number)
    texts = {"body_ko": page.body_ko, "body_en": page.body_en, "base": page.number}
    form = TextForm(request.POST or None, instance=page, initial=texts)
    context = {"form": form, "title": _("Edit the page"), "page": page, "project": page.project}
    if request.method == "POST" and form.is_valid():
        if "preview" in request.POST:
            context["previews"] = _previews(form, Tree.of(page.project), request)
        else:
            return _saved(request, form, context)
    return render(request, "releases/wiki/edit.html", context, status=400 if form.errors else 200)


def _saved(request: HttpRequest, form: TextForm, context: dict[str, object]) -> HttpResponse:
    values, page = form.cleaned_data, form.instance
    base = values["base"] or 0
    try:
        saved = verbs.save_page(
            page, form.texts(), values["kind"], base, values["note"], actor(request), form.insisted or []
        )
    except verbs.EditConflict as conflict:
        mine = WikiPage(**form.texts())
        context |= {"conflict": str(conflict), "newest": conflict.newest, "hunks": compared(conflict.newest, mine)}
        form.data = {**form.data, **form.texts(), "base": str(conflict.newest.number)}  # they have seen it now
        return render(request, "releases/wiki/edit.html", context, status=409)
    except EngineError as error:
        form.add_error(None, str(error))
        return render(request, "releases/wiki/edit.html", context, status=409)
    return redirect(page_address(saved.project_id, saved.slug))


def _previews(form: TextForm, tree: Tree, request: HttpRequest) -> list[dict[str, object]]:
    return [
        {"lang": name[-2:], **shown(form.texts()[name], tree, request)} for name in BOTH if form.texts()[name].strip()
    ]


@require_http_methods(["GET", "POST"])
@member_required
@once
def move_page(request: HttpRequest, number: int) -> HttpResponse:
    """Give a page another address or another place in the tree."""
    page = permissions.get(WikiPage, signed_in(request), Need.OPERATE, "project", pk=number)
    pages = page.project.wiki_pages.filter(archived_at=None).exclude(pk=page.pk)
    form = PlaceForm(request.POST or None, instance=page, pages=pages)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            moved = verbs.move_page(page, values["slug"], values["parent"], values["position"], actor(request))
        except EngineError as error:
            form.add_error(None, str(error))
        else:
            return redirect(page_address(moved.project_id, moved.slug))
    title = _("Move %s") % page.title()
    back = page_address(page.project_id, WikiPage.objects.values_list("slug", flat=True).get(pk=page.pk))
    context = {"form": form, "title": title, "back": back, "section": "wiki"}
    return render(request, "releases/form.html", context, status=400 if form.errors else 200)


@verb
def restore_page(request: HttpRequest, number: int) -> HttpResponse:
    """Bring back an old revision as a new one."""
    page = permissions.get(WikiPage, signed_in(request), Need.OPERATE, "project", pk=number)
    wanted = request.POST.get("revision", "")
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 10):
        return refusal(request, _("Say which revision to bring back."), 400)
    verbs.restore_revision(page, int(wanted), actor(request))
    done(request, _("Revision %s is the page's text again, as a new revision.") % wanted)
    return redirect(page_address(page.project_id, page.slug))


@verb
def archive_page(request: HttpRequest, number: int) -> HttpResponse:
    """Put a page away."""
    page = permissions.get(WikiPage, signed_in(request), Need.MANAGE, "project", pk=number)
    verbs.archive_page(page, actor(request))
    done(request, _("%s is archived. Its text and history stay.") % page.title())
    return redirect(page_address(page.project_id, page.slug))


@verb
def unarchive_page(request: HttpRequest, number: int) -> HttpResponse:
    """Take a page back."""
    page = permissions.get(WikiPage, signed_in(request), Need.MANAGE, "project", pk=number)
    verbs.unarchive_page(page, actor(request))
    done(request, _("%s is back.") % page.title())
    return redirect(page_address(page.project_id, page.slug))
