"""The rules by which an environment rolls a deployment back by itself: which one is broken, and by what."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import QuerySet

from releases import lifecycle
from releases.models import Deployment, DeploymentKind, Environment, Outage, Phase, Probe, Recovery, Rule
from releases.probes.clock import downtime

FAILURES: Final = 3  # health checks in a row
LONGEST: Final = timedelta(days=1)  # that an environment may watch
# A check that looked and found something wrong. What broke before it could look says nothing about the release.
CHECKS: Final = {"http_check": Rule.PAGE, "watch_logs": Rule.LOG}
FOUND: Final = frozenset({lifecycle.FAILED, lifecycle.TIMED_OUT})


@dataclass(frozen=True)
class Broken:
    """One broken rule; `facts` fill the sentence that tells it (Recovery.because)."""

    rule: Rule
    facts: dict[str, Any]


def watched(now: datetime) -> list[Deployment]:
    """The deployments that may be rolled back by a rule now: of each environment the newest, at most."""
    automatic = Environment.objects.exclude(automatic_rollback=Environment.Automatic.OFF)
    started = Deployment.objects.filter(
        environment__in=automatic.filter(rollback_runbook__isnull=False), started_at__isnull=False
    )
    newest = started.order_by("environment_id", "-started_at").distinct("environment_id").values("pk")
    rows = Deployment.objects.filter(pk__in=newest, kind=DeploymentKind.DEPLOY, recoveries__isnull=True)
    halted = set(unclear().values_list("deployment__environment", flat=True))
    return [
        row
        for row in rows.select_related("environment", "plan")
        if row.environment_id not in halted and _is_in_time(row, now)
    ]


def unclear() -> QuerySet[Recovery]:
    """Recoveries by a rule that no person has cleared yet: until then, no rule of their environment counts."""
    return Recovery.objects.exclude(rule=Rule.PERSON).filter(rollback__started_at__isnull=False, cleared_at=None)


def watched_until(deployment: Deployment) -> datetime | None:
    """Until when (UTC) the rules may still undo an ended deployment; None when they can't or it has not ended."""
    environment = deployment.environment
    off = environment.automatic_rollback == Environment.Automatic.OFF or environment.rollback_runbook_id is None
    if off or deployment.kind != DeploymentKind.DEPLOY or deployment.finished_at is None:
        return None
    return deployment.finished_at + timedelta(minutes=environment.rollback_minutes)


def _is_in_time(deployment: Deployment, now: datetime) -> bool:
    until = watched_until(deployment)
    return until is None or now <= until


def broken(deployment: Deployment, now: datetime) -> Broken | None:
    """The first of the environment's rules that the deployment breaks at `now` (database clock); None: it breaks none.

    What a person has cancelled is that person's, and nothing is undone that never changed anything.
    """
    environment = deployment.environment
    if deployment.is_active:
        return _over_budget(deployment, now) if environment.rollback_on_downtime else None
    if deployment.status == lifecycle.CANCELLED or deployment.finished_at is None:
        return None
    found = _failed_check(deployment)
    if found is None and environment.rollback_on_health:
        found = _fails_in_a_row(deployment)
    return found


def _over_budget(deployment: Deployment, now: datetime) -> Broken | None:
    found, budget = downtime(deployment, now), deployment.environment.downtime_budget
    if found.running_since is None or found.seconds <= budget:
        return None
    return Broken(Rule.DOWNTIME, {"seconds": round(found.seconds), "budget": budget})


def _failed_check(deployment: Deployment) -> Broken | None:
    environment = deployment.environment
    wanted = {Rule.PAGE: environment.rollback_on_page, Rule.LOG: environment.rollback_on_log}
    steps = deployment.steps.filter(phase__in=[Phase.VERIFY, Phase.FINISH], action__in=CHECKS, status__in=FOUND)
    for step in steps.order_by("position"):
        if wanted[CHECKS[step.action]]:
            titles = {"title_ko": step.title_ko, "title_en": step.title_en}
            return Broken(CHECKS[step.action], {"step": step.number, **titles})
    return None


def _fails_in_a_row(deployment: Deployment) -> Broken | None:
    """A service that was well before the deployment, and whose last answers after the downtime all failed."""
    since = deployment.downtime_closed_at or deployment.finished_at
    ill_before = Outage.objects.filter(ended_at__isnull=True, started_at__lt=deployment.started_at).values("probe")
    probes = Probe.objects.filter(environment=deployment.environment_id, enabled=True).exclude(pk__in=ill_before)
    for probe in probes.select_related("service"):
        last = list(probe.results.filter(at__gt=since).order_by("-at").values_list("ok", flat=True)[:FAILURES])
        if len(last) == FAILURES and not any(last):
            return Broken(Rule.HEALTH, {"service": probe.service.name, "number": FAILURES})
    return None
