"""The pages on which people see GPU endpoints: all of them with what they cost, and one with its history."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.core.paginator import Paginator
from django.db.models import Case, Exists, IntegerField, OuterRef, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from releases import permissions
from releases.endpoints import costs
from releases.engine import clock
from releases.models import AuditEvent, EndpointState, Environment, GpuEndpoint, User
from releases.permissions import Need, member_required, signed_in
from releases.views import gpu_charts, gpu_spec_diff
from releases.views.audit_words import WORDS

PAGE: Final = 20  # retired ones at once
PROOFS: Final = 20
EVENTS: Final = 30
OTHERS: Final = 10  # endpoints that it can be compared with
ORDER: Final = ("active", "standby", "testing", "creating", "retained", "failed", "retiring")
PARTS: Final = ("environment__project", "account", "release", "deployment", "previous", "retired_by")


@require_GET
@member_required
def endpoints(request: HttpRequest) -> HttpResponse:
    """Every endpoint that lives, by environment, with what it costs; below, those that were retired."""
    user = signed_in(request)
    rows = permissions.visible(GpuEndpoint, user).select_related(*PARTS, "environment__gpu")
    living = list(_sorted(rows.exclude(state=EndpointState.RETIRED)))
    environments = list(_environments(user))
    spent = _spent(environments)
    retired = Paginator(rows.filter(state=EndpointState.RETIRED).order_by("-retired_at"), PAGE)
    groups = {environment.pk: _group(environment, spent) for environment in environments}
    for row in living:
        groups[row.environment_id]["rows"].append(_line(row, spent))
    context = {
        "groups": groups.values(),
        "page_obj": retired.get_page(request.GET.get("page")),
        "may_manage": permissions.may_somewhere(user, Need.MANAGE),
        "section": "gpu",
    }
    return render(request, f"releases/gpu/endpoints.html{_part(request)}", context)


def _environments(user: User) -> QuerySet[Environment]:
    """Those that ever had an endpoint: also what a retired one cost counts against the budget."""
    known = permissions.visible(Environment, user).filter(
        Exists(GpuEndpoint.objects.filter(environment=OuterRef("pk")))
    )
    return known.select_related("project", "gpu").order_by("project", "position", "pk")


def _sorted(rows: QuerySet[GpuEndpoint]) -> QuerySet[GpuEndpoint]:
    """Who has the traffic first, what ends last."""
    cases = [When(state=state, then=Value(place)) for place, state in enumerate(ORDER)]
    order = Case(*cases, default=Value(len(ORDER)), output_field=IntegerField())
    return rows.order_by(order, "-pk")


def _spent(environments: Iterable[Environment]) -> dict[tuple[str, int], tuple[Decimal, Decimal]]:
    """USD of today and this month: by ("endpoint", number) and by ("environment", number), as the guard counts them.

    Four queries a time zone.
    """
    now = clock.now()
    zones: dict[str, list[Environment]] = {}
    for environment in environments:
        zones.setdefault(environment.zone, []).append(environment)
    found: dict[tuple[str, int], list[Decimal]] = {}
    for there in zones.values():
        for place, since in enumerate((costs.day_begins(there[0], now), costs.month_begins(there[0], now))):
            for where, endpoint, amount in costs.spent_each(there, since):
                for key in (("endpoint", endpoint), ("environment", where)):
                    found.setdefault(key, [Decimal(0), Decimal(0)])[place] += amount
    return {key: (amounts[0], amounts[1]) for key, amounts in found.items()}


def _group(environment: Environment, spent: dict[tuple[str, int], tuple[Decimal, Decimal]]) -> dict[str, Any]:
    rules = getattr(environment, "gpu", None)
    day, month = spent.get(("environment", environment.pk), (Decimal(0), Decimal(0)))
    limits = ((_("Today"), day, rules and rules.budget_day), (_("This month"), month, rules and rules.budget_month))
    return {
        "environment": environment,
        "rows": [],
        "budgets": [_budget(name, amount, limit) for name, amount, limit in limits],
    }


def _budget(name: str, amount: Decimal, limit: Decimal | None) -> dict[str, Any]:
    state = "" if not limit or amount < limit * Decimal("0.8") else "failed" if amount >= limit else "waiting"
    return {"name": name, "amount": amount, "limit": limit, "state": state}


def _line(row: GpuEndpoint, spent: dict[tuple[str, int], tuple[Decimal, Decimal]]) -> dict[str, Any]:
    day, month = spent.get(("endpoint", row.pk), (Decimal(0), Decimal(0)))
    worst = row.worst_hour
    return {"endpoint": row, "today": day, "month": month, "worst_day": None if worst is None else worst * 24}


@require_GET
@member_required
def endpoint(request: HttpRequest, number: int) -> HttpResponse:
    """One endpoint: what it does now, what it costs, how it answered, what it is beside another one."""
    user = signed_in(request)
    found = permissions.get(GpuEndpoint, user, Need.VIEW, *PARTS, "environment__gpu", "order_by", pk=number)
    context: dict[str, Any] = {"endpoint": found, "spent": _line(found, _spent([found.environment])), "section": "gpu"}
    context["members"] = found.seen.get("members", [])
    if part := _part(request):
        return render(request, f"releases/gpu/endpoint.html{part}", context)
    return render(request, "releases/gpu/endpoint.html", context | _history(request, found))


def _part(request: HttpRequest) -> str:
    """The part that a page asks for again by itself."""
    return "#seen" if "HX-Request" in request.headers else ""


def _history(request: HttpRequest, found: GpuEndpoint) -> dict[str, Any]:
    """What does not change from one moment to the next."""
    user, project = signed_in(request), found.environment.project_id
    is_retired = Case(When(state=EndpointState.RETIRED, then=Value(1)), default=Value(0), output_field=IntegerField())
    rows = found.environment.gpu_endpoints.exclude(pk=found.pk).select_related("release")
    others = list(rows.order_by(is_retired, "-pk")[:OTHERS])  # what is kept is not crowded out by what is gone
    proofs = list(found.proofs.select_related("attempt__step").order_by("-at")[:PROOFS])
    return {
        "charts": gpu_charts.of(found, clock.now()),
        "proofs": proofs,
        "starts": gpu_charts.cold_starts(proofs, ZoneInfo(found.environment.zone)),
        "diff": gpu_spec_diff.between(found, gpu_spec_diff.other(found, others, request.GET.get("beside", ""))),
        "others": others,
        "events": _events(found),
        "may_operate": permissions.may(user, Need.OPERATE, project),
        "may_manage": permissions.may(user, Need.MANAGE, project),
    }


def _events(row: GpuEndpoint) -> list[dict[str, Any]]:
    """What was done with it, newest first."""
    rows = AuditEvent.objects.filter(target_type="gpuendpoint", target_id=str(row.pk)).order_by("-sequence")[:EVENTS]
    return [
        {
            "at": event.at,
            "who": event.actor_name,
            "what": WORDS.get(event.action, event.action),
            "why": event.detail.get("reason") or event.detail.get("problem") or "",
        }
        for event in rows
    ]
