"""The rules by which an environment rolls a deployment back by itself: which one is broken, and by what."""

from collections.abc import Iterable
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
    started = Deployment.objects.of_software().filter(
        environment__in=automatic.filter(rollback_runbook__isnull=False), started_at__isnull=False
    )
    newest = started.order_by("environment_id", "-started_at").distinct("environment_id").values("pk")
    rows = Deployment.objects.filter(pk__in=newest, kind=DeploymentKind.DEPLOY).select_related("environment", "plan")
    halted = set(Recovery.objects.uncleared().values_list("deployment__environment", flat=True))
    return [
        row
        for row in rows.prefetch_related("recoveries__rollback")
        if row.environment_id not in halted and _is_in_time(row, now) and not is_settled(row, row.recoveries.all())
    ]


def is_settled(deployment: Deployment, recoveries: Iterable[Recovery]) -> bool:
    """The rules have had their say: one of its recoveries is under way or has run, or ended since the deployment did.

    One that Cloud Wiki itself took back (all was well again, a person went on) settles nothing.
    """
    ended = deployment.finished_at or deployment.started_at
    return any(
        recovery.ended_at is None
        or recovery.has_run
        or (ended is not None and recovery.ended_at > ended and not recovery.is_taken_back)
        for recovery in recoveries
    )


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
    if deployment.cancel_requested_at is not None or not _has_changed_something(deployment):
        return None
    if environment.rollback_on_downtime and (found := _over_budget(deployment, now)):
        return found
    if deployment.is_active or deployment.finished_at is None:
        return None
    if found := _failed_check(deployment):
        return found
    return _fails_in_a_row(deployment) if environment.rollback_on_health else None


def still_holds(recovery: Recovery, now: datetime) -> bool:
    """Whether a rule's recovery, not yet begun, is still wanted: the rule is on, and still broken."""
    deployment = recovery.deployment
    if deployment.environment.automatic_rollback == Environment.Automatic.OFF:
        return False
    if recovery.rule == Rule.DOWNTIME and deployment.cancel_requested_at and deployment.cancelled_by_id is None:
        return True  # it is being aborted for this very reason, by no person
    found = broken(deployment, now)
    return found is not None and found.rule == recovery.rule


def _has_changed_something(deployment: Deployment) -> bool:
    """A step after the preparation was begun."""
    return deployment.steps.exclude(phase=Phase.PREPARE).filter(started_at__isnull=False).exists()


def _ill_before(deployment: Deployment) -> QuerySet[Outage]:
    """Outages that are not the deployment's doing: they began before it, and still go on."""
    probes = Probe.objects.filter(environment=deployment.environment_id, enabled=True)
    return Outage.objects.filter(probe__in=probes, ended_at__isnull=True, started_at__lt=deployment.started_at)


def _over_budget(deployment: Deployment, now: datetime) -> Broken | None:
    """Downtime that still goes on: of a running deployment as the clock shows it, of a stopped one from its mark.

    Where something was ill before, nobody can tell whose downtime it is.
    """
    if _ill_before(deployment).exists():
        return None
    budget, seconds = deployment.environment.downtime_budget, 0.0
    if deployment.is_active:
        found = downtime(deployment, now)
        seconds = found.seconds if found.running_since is not None else 0.0
    elif deployment.downtime_opened_at and deployment.downtime_closed_at is None and _is_down(deployment):
        seconds = (now - deployment.downtime_opened_at).total_seconds()
    if seconds <= budget:
        return None
    return Broken(Rule.DOWNTIME, {"seconds": round(seconds), "budget": budget})


def _is_down(deployment: Deployment) -> bool:
    return Outage.objects.filter(probe__environment=deployment.environment_id, ended_at__isnull=True).exists()


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
    """A service that was well before the deployment, and whose last answers after the downtime all failed.

    While the marked downtime is still open, services are away on purpose; then only its budget counts.
    """
    is_open = deployment.downtime_opened_at is not None and deployment.downtime_closed_at is None
    if is_open and deployment.status != lifecycle.SUCCEEDED:
        return None
    since = deployment.downtime_closed_at or deployment.finished_at
    probes = Probe.objects.filter(environment=deployment.environment_id, enabled=True)
    for probe in probes.exclude(pk__in=_ill_before(deployment).values("probe")).select_related("service"):
        last = list(probe.results.filter(at__gt=since).order_by("-at").values_list("ok", flat=True)[:FAILURES])
        if len(last) == FAILURES and not any(last):
            return Broken(Rule.HEALTH, {"service": probe.service.name, "number": FAILURES})
    return None
