"""What runs where."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from releases import lifecycle, permissions
from releases.engine import clock
from releases.models import Backup, Deployment, DeployWindow, Environment, Outage, Step
from releases.permissions import Need, member_required, signed_in
from releases.probes.clock import downtime
from releases.views import first_deploy
from releases.views.offers import undoable_there
from releases.views.risk_context import for_dashboard
from releases.way_back import put_back

SHOWN = 5


@require_GET
@member_required
def dashboard(request: HttpRequest) -> HttpResponse:
    """Every environment: what runs there and since when, its last five deployments, lock, next window."""
    user, now = signed_in(request), clock.now()
    environments = list(_environments(permissions.visible(Environment, user)))
    recent = _recent(environments)
    cards = [_card(environment, recent[environment.pk], now) for environment in environments]
    operable = permissions.projects(user, Need.OPERATE)
    for card in cards:
        theirs = card["lock"] is not None and card["lock"].holder_id != user.pk
        card["may_take_over"] = theirs and card["environment"].project_id in operable
    numbers = [environment.pk for environment in environments]
    undoes, parts = undoable_there(user, numbers), put_back(numbers)
    for card in cards:
        card["undoes"], card["parts"] = undoes.get(card["environment"].pk), parts.get(card["environment"].pk, {})
    _count_steps(card["active"] for card in cards)
    context = {
        "cards": cards,
        "undoable": set(undoes.values()),
        "deployments": _loaded(permissions.visible(Deployment, user)).order_by("-pk")[:7],
        "backups": permissions.visible(Backup, user).select_related("environment", "service").order_by("-pk")[:4],
        "risks": for_dashboard({environment.project_id for environment in environments}),
        "budgets": [_month(environment, recent_month, now) for environment, recent_month in _months(environments, now)],
        "may_operate": bool(operable),
        "way": first_deploy.for_dashboard(user),
        "active_state": next((card["active"].status for card in cards if card["active"]), ""),
    }
    return render(request, "releases/dashboard.html", context)


def _environments(rows: QuerySet[Environment]) -> QuerySet[Environment]:
    return (
        rows.select_related("project", "lock__holder")
        .annotate(newest=_newest(SHOWN), succeeded=_newest(1, status=lifecycle.SUCCEEDED, only_service=None))
        .prefetch_related(
            Prefetch("windows", DeployWindow.objects.select_related("environment")),
            "probes__service",
            Prefetch("probes__outages", Outage.objects.filter(ended_at__isnull=True), to_attr="open_outages"),
        )
        .order_by("project", "-is_production", "position", "pk")
    )


def _newest(count: int, **wanted: str | None) -> ArraySubquery:
    """Numbers of the last started deployments of each environment: an index reaches them, however many there are."""
    rows = Deployment.objects.of_software().filter(environment=OuterRef("pk"), started_at__isnull=False, **wanted)
    return ArraySubquery(rows.order_by("-pk").values("pk")[:count])


def _loaded(rows: QuerySet[Deployment]) -> QuerySet[Deployment]:
    return rows.select_related("release", "environment", "requested_by", "plan", "only_service").defer("plan__content")


def _recent(environments: list[Environment]) -> dict[int, list[Deployment]]:
    """The last started deployments of each environment and the newest one that succeeded, newest first."""
    numbers = {number for environment in environments for number in (*environment.newest, *environment.succeeded)}  # type: ignore[attr-defined]
    found: dict[int, list[Deployment]] = defaultdict(list)
    for deployment in _loaded(Deployment.objects.filter(pk__in=numbers)).order_by("-pk"):
        found[deployment.environment_id].append(deployment)
    return found


def _card(environment: Environment, recent: list[Deployment], now: datetime) -> dict[str, Any]:
    lock = getattr(environment, "lock", None)
    active = next((d for d in recent if d.is_active), None)
    return {
        "environment": environment,
        "current": next((d for d in recent if d.status == lifecycle.SUCCEEDED and not d.only_service_id), None),
        "active": active,
        "downtime": downtime(active, now) if active and active.downtime_opened_at else None,
        "last": list(reversed(recent[:SHOWN])),
        "lock": lock if lock and lock.expires_at > now else None,
        "window": environment.next_window(now),
        "window_open": _is_open(environment, now),
        "probes": [{"probe": probe, "outage": next(iter(probe.open_outages), None)} for probe in _probes(environment)],
    }


def _probes(environment: Environment) -> list[Any]:
    return list(environment.probes.all())


def _is_open(environment: Environment, now: datetime) -> bool:
    window = environment.next_window(now)
    return window is not None and window[0] <= now


def _count_steps(active: Iterable[Deployment | None]) -> None:
    """Give each active deployment how many of its steps passed, and of how many."""
    shown = {deployment.pk: deployment for deployment in active if deployment}
    counts: dict[int, list[str]] = defaultdict(list)
    for number, status in Step.objects.filter(deployment__in=shown).values_list("deployment", "status"):
        counts[number].append(status)
    for number, deployment in shown.items():
        passed = sum(status in lifecycle.STEP_PASSED for status in counts[number])
        deployment.progress = f"{passed} / {len(counts[number])}"  # type: ignore[attr-defined]


def _months(environments: list[Environment], now: datetime) -> list[tuple[Environment, list[Deployment]]]:
    """The deployments of this month by environment, production ones only."""
    production = [environment for environment in environments if environment.is_production]
    found: dict[int, list[Deployment]] = defaultdict(list)
    if production:
        first = production[0].local(now).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        for row in Deployment.objects.filter(environment__in=production, started_at__gte=first):
            found[row.environment_id].append(row)
    return [(environment, found[environment.pk]) for environment in production]


def _month(environment: Environment, rows: list[Deployment], now: datetime) -> dict[str, Any]:
    down = sum(row.downtime_measured or 0 for row in rows)
    allowed = environment.downtime_budget * max(len(rows), 1)
    return {
        "environment": environment,
        "month": environment.local(now),
        "count": len(rows),
        "down": down,
        "allowed": allowed,
        "lost": sum(row.lost_requests or 0 for row in rows),
        "state": "failed" if down > allowed else "waiting" if down >= 0.8 * allowed else "running",
    }
