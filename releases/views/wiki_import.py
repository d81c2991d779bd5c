"""A Markdown document becomes pages: first shown as the tree it would make, then made."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from releases import permissions
from releases.engine import wiki as verbs
from releases.models import WikiRedirect
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import done, once
from releases.views.secret_fields import TICK
from releases.views.wiki_forms import ImportForm
from releases.wiki import importing, seed


@require_http_methods(["GET", "POST"])
@member_required
@once
def import_pages(request: HttpRequest) -> HttpResponse:
    """The form, the preview of what it would make, and the making."""
    user = signed_in(request)
    projects = permissions.visible_projects(user).filter(pk__in=permissions.projects(user, Need.MANAGE))
    form = ImportForm(
        request.POST or None, request.FILES or None, projects=projects, initial={"project": projects.first()}
    )
    if request.method == "GET" or not form.is_valid():
        context = {"form": form, "may_manage": projects.exists()}
        return render(request, "releases/wiki/import.html", context, status=400 if form.errors else 200)
    project, text = form.cleaned_data["project"], form.cleaned_data["text"]
    permissions.require(user, Need.MANAGE, project.pk)
    drafts = importing.split(text, seed.english(), name=_("Imported document"))
    if "make" not in request.POST:
        old = WikiRedirect.objects.filter(project=project).values_list("slug", flat=True)
        there = {*project.wiki_pages.values_list("slug", flat=True), *old}
        context = {"drafts": drafts, "there": there, "project": project, "document": text}
        context["tick"] = TICK if form.insisted else ""
        return render(request, "releases/wiki/import_preview.html", context)
    made, _there = verbs.import_pages(project, drafts, actor(request), form.insisted or [])
    done(request, ngettext("%s page was made.", "%s pages were made.", len(made)) % len(made))
    return redirect(f"{reverse('releases:wiki')}?project={project.pk}")
