"""Deployments: the list, a new one, the page of one and its live part."""

import uuid
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from releases import lifecycle, permissions
from releases.engine import prepare, wake
from releases.engine.errors import Conflict, EngineError
from releases.models import Deployment, Environment, Membership, Release, Status, User
from releases.permissions import Need, actor, member_required, signed_in
from releases.views import deployment_context
from releases.views.offers import undoable

PAGE = 50


def _environments(request: HttpRequest) -> QuerySet[Environment]:
    return permissions.visible(Environment, signed_in(request))


class ListFilter(django_filters.FilterSet):
    """Where, and how it stands."""

    environment = django_filters.ModelChoiceFilter(label=gettext_lazy("Environment"), queryset=_environments)  # type: ignore[arg-type]
    status = django_filters.ChoiceFilter(
        label=gettext_lazy("Status"), choices=[(status, Status(status).label) for status in lifecycle.DEPLOYMENT]
    )

    class Meta:
        model = Deployment
        fields: list[str] = []


class OfProject(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A choice that names its project."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.project.name} · {obj}"


class NewDeployment(forms.Form):
    """Release and environment. The key makes one press of the button one deployment, however often it arrives."""

    release = OfProject(label=gettext_lazy("Release"), queryset=Release.objects.none())
    environment = OfProject(label=gettext_lazy("Environment"), queryset=Environment.objects.none())
    idempotency_key = forms.CharField(max_length=64, min_length=8, widget=forms.HiddenInput)

    def __init__(self, user: User, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        projects = Membership.objects.filter(user=user, can_operate=True).values("project")
        releases = Release.objects.filter(project__in=projects).select_related("project")
        environments = Environment.objects.filter(project__in=projects).select_related("project", "runbook")
        for name, rows in (("release", releases), ("environment", environments)):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - declared above
            field.queryset = rows


@require_GET
@member_required
def deployments(request: HttpRequest) -> HttpResponse:
    """Every deployment of one's projects, newest first."""
    rows = permissions.visible(Deployment, signed_in(request)).order_by("-pk")
    rows = rows.select_related("environment", "release", "requested_by", "plan", "only_service").defer("plan__content")
    found = ListFilter(request.GET, rows, request=request)
    page = Paginator(found.qs, PAGE).get_page(request.GET.get("page"))
    may_operate = permissions.may_somewhere(signed_in(request), Need.OPERATE)
    context = {"page_obj": page, "filter": found, "may_operate": may_operate}
    context["undoable"] = undoable(signed_in(request), page)
    return render(request, "releases/deployments.html", context)


@require_http_methods(["GET", "POST"])
@member_required
def new_deployment(request: HttpRequest) -> HttpResponse:
    """Choose release and environment; the plan is built and shown before anything runs."""
    user = signed_in(request)
    may = permissions.may_somewhere(user, Need.OPERATE)
    if request.method == "POST" and not may:
        raise PermissionDenied(_("You may not run deployments in any project; ask a manager of it."))
    given = request.POST if request.method == "POST" else None
    first = {name: request.GET.get(name) for name in ("release", "environment")}
    form = NewDeployment(user, given, initial={**first, "idempotency_key": uuid.uuid4().hex})
    if form.is_bound and form.is_valid() and (made := _prepared(request, form)):
        return redirect("releases:deployment", made.pk)
    context = {"form": form, "may": may, "section": "deployments"}
    return render(request, "releases/new_deployment.html", context, status=422 if form.is_bound else 200)


def _prepared(request: HttpRequest, form: NewDeployment) -> Deployment | None:
    """The draft; None when it can't be made, with the reason and its mend at the field."""
    user, data = signed_in(request), form.cleaned_data
    release, environment = data["release"], data["environment"]
    try:
        made, is_new = prepare.prepare(release, environment, user, actor(request), data["idempotency_key"])
    except Conflict as error:
        form.add_error(None, str(error))
        return None
    except EngineError as error:
        form.add_error("release" if release.project_id != environment.project_id else "environment", str(error))
        return None
    if is_new:
        wake.send("check_hosts", environment.pk)
    return made


@require_GET
@member_required
def deployment(request: HttpRequest, number: int) -> HttpResponse:
    """A draft with its reasons, consents and plan; a started one with its clock, steps and logs."""
    return render(request, "releases/deployment.html", deployment_context.build(request, number))


@require_GET
@member_required
def live(request: HttpRequest, number: int) -> HttpResponse:
    """The live part of that page alone, for a refresh."""
    return render(request, "releases/deployment.html#live", deployment_context.build(request, number))
