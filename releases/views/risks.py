"""Risks: the seed's eight views as they are now, one risk, and what checks may do on a host."""

from typing import Any

import django_filters
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from releases import permissions
from releases.engine import clock, risk_rounds
from releases.models import Environment, Host, Project, Risk, RiskRound, RiskState, Seen, User
from releases.permissions import Need, member_required, signed_in
from releases.risks import consent, looking
from releases.risks.registry import by_kind
from releases.risks.seed import VIEW, VIEWS
from releases.views import risk_context
from releases.views.risk_forms import AcceptForm, LooksForm, OwnerForm
from releases.views.risk_words import EVENTS, SHAPES

PAGE = 50


def _environments(request: HttpRequest) -> QuerySet[Environment]:
    return permissions.visible(Environment, signed_in(request))


def _people(request: HttpRequest) -> QuerySet[User]:
    return User.objects.filter(memberships__project__in=permissions.visible_projects(signed_in(request))).distinct()


class RiskFilter(django_filters.FilterSet):
    """Which view, what was seen, what became of it, whose, where."""

    view = django_filters.ChoiceFilter(
        label=gettext_lazy("View"), choices=lambda: [(view.key, str(view.title)) for view in VIEWS]
    )
    seen = django_filters.ChoiceFilter(label=gettext_lazy("Seen"), choices=Seen.choices)
    state = django_filters.ChoiceFilter(label=gettext_lazy("State"), choices=RiskState.choices)
    kind = django_filters.ChoiceFilter(
        label=gettext_lazy("Check"), choices=lambda: [(kind, check.title) for kind, check in by_kind().items()]
    )
    owner = django_filters.ModelChoiceFilter(label=gettext_lazy("Owner"), queryset=_people)  # type: ignore[arg-type]
    environment = django_filters.ModelChoiceFilter(label=gettext_lazy("Environment"), queryset=_environments)  # type: ignore[arg-type]

    class Meta:
        model = Risk
        fields: list[str] = []


@require_GET
@member_required
def risks(request: HttpRequest) -> HttpResponse:
    """A project's eight views; with a filter, a list of what it finds."""
    user = signed_in(request)
    projects = list(permissions.visible_projects(user).order_by("name", "pk"))
    wanted = request.GET.get("project", "")
    project = next((one for one in projects if str(one.pk) == wanted), projects[0] if projects and not wanted else None)
    if projects and project is None:
        raise Http404
    context: dict[str, Any] = {"projects": projects, "project": project}
    if project is not None:
        context |= _of_project(request, project)
    return render(request, "releases/risks/risks.html", context)


def _of_project(request: HttpRequest, project: Project) -> dict[str, Any]:
    done = RiskRound.objects.filter(project=project).first()
    rows = Risk.objects.filter(project=project, is_gone=False).select_related("environment", "host", "owner")
    found = RiskFilter(request.GET, risk_context.worst_first(rows.defer("evidence")), request=request)
    is_filtered = any(request.GET.get(name) for name in found.filters)
    context: dict[str, Any] = {
        "counts": risk_context.tally(risk_context.counted(project)),
        "round": done,
        "is_busy": risk_rounds.is_busy(done, clock.now()),
        "filter": found,
        "is_filtered": is_filtered,
        "hosts": _switches(project),
        "may_operate": permissions.may(signed_in(request), Need.OPERATE, project.pk),
    }
    if is_filtered:
        page = Paginator(found.qs, PAGE).get_page(request.GET.get("page"))
        return context | {"page_obj": page, "entries": [risk_context.shown(row) for row in page]}
    return context | {"views": risk_context.eight_views(project, bool(done and done.ended_at))}


def _switches(project: Project) -> dict[str, int]:
    """How many hosts there are, and on how many checks are switched on."""
    rows = list(Host.objects.filter(environment__project=project).values_list("looks__digest", flat=True))
    return {"all": len(rows), "on": sum(bool(digest) for digest in rows)}


@require_GET
@member_required
def risk(request: HttpRequest, number: int) -> HttpResponse:
    """One risk: evidence, mend, what the check does, what happened, and what a person may do."""
    return risk_page(request, number)


def risk_page(request: HttpRequest, number: int, status: int = 200, **forms_given: Any) -> HttpResponse:
    """The page, with a form that was refused in place of its empty one."""
    user = signed_in(request)
    found = permissions.get(Risk, user, Need.VIEW, "project", "environment", "host", "owner", pk=number)
    check = by_kind().get(found.kind)
    target = next((one for one in check.targets(found.project) if one.key == found.target), None) if check else None
    events = Paginator(found.events.select_related("by"), PAGE).get_page(request.GET.get("page"))
    context = {
        **risk_context.shown(found),
        "view": VIEW[found.view],
        "seed_rows": [row for row in VIEW[found.view].rows if check and row.key in check.rows],
        "evidence": risk_context.evidence_of(found),
        "mend": risk_context.mend_of(found),
        "does": risk_context.what_it_does(check, check.does(target)) if check and target else None,
        "page_obj": events,
        "events": [{"event": one, "word": EVENTS[one.kind], "shape": SHAPES[Seen(one.seen)]} for one in events],
        "may_operate": permissions.may(user, Need.OPERATE, found.project_id),
        "may_manage": permissions.may(user, Need.MANAGE, found.project_id),
        "accept_form": forms_given.get("accept_form") or AcceptForm(risk=found),
        "owner_form": forms_given.get("owner_form") or OwnerForm(risk=found),
    }
    return render(request, "releases/risks/risk.html", context, status=status)


@require_GET
@member_required
def host_risks(request: HttpRequest, number: int) -> HttpResponse:
    """What checks look at on a host; each command is shown before anybody lets it run."""
    return host_page(request, number)


def host_page(request: HttpRequest, number: int, form: LooksForm | None = None) -> HttpResponse:
    """The page, with a form that was refused in place of its own."""
    user = signed_in(request)
    found = permissions.get(Host, user, Need.VIEW, "environment__project", "looks", pk=number)
    looks = consent.looks_of(found)
    context = {
        "host": found,
        "looks": looks,
        "form": form or LooksForm(looks=looks),
        "is_on": consent.is_on(found),
        "digest": consent.digest_of(found),
        "checks": [risk_context.what_it_does(check, does) for check, does in consent.commands(found)],
        "seconds": int(looking.PATIENCE),
        "may_manage": permissions.may(user, Need.MANAGE, found.environment.project_id),
    }
    return render(request, "releases/risks/host.html", context, status=400 if form else 200)
