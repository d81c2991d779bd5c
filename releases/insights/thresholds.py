"""The thresholds of the seed's 3.3, over what happened in a project's production environments."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet

from releases.insights.failure_events import one_each
from releases.models import (
    ActiveUsers,
    Complaint,
    Deployment,
    DeploymentKind,
    Host,
    Project,
    Threshold,
    ThresholdCrossing,
)

GOALS: Final[dict[Threshold, int]] = {
    Threshold.DEPLOYS: 2,
    Threshold.USERS: 1000,
    Threshold.HOSTS: 2,
    Threshold.FAILURES: 2,
    Threshold.COMPLAINTS: 1,
}
WEEK: Final = timedelta(days=7)
MONTH: Final = timedelta(days=30)


@dataclass(frozen=True)
class Reading:
    """A rule, what is counted now (None: not known), and the first time that it was reached."""

    rule: Threshold
    value: int | None
    crossing: ThresholdCrossing | None = None

    @property
    def goal(self) -> int:
        """From which count on it is reached."""
        return GOALS[self.rule]

    @property
    def is_reached(self) -> bool:
        """It is reached now."""
        return self.value is not None and self.value >= self.goal


def readings(project: Project, now: datetime) -> list[Reading]:
    """Every rule in the seed's order; six queries."""
    crossed = {crossing.rule: crossing for crossing in ThresholdCrossing.objects.filter(project=project)}
    users = active_users(project)
    values = {
        Threshold.DEPLOYS: deploys(project, now).count(),
        Threshold.USERS: users.count if users else None,
        Threshold.HOSTS: hosts(project).count(),
        Threshold.FAILURES: failures(project, now).count(),
        Threshold.COMPLAINTS: complaints(project).count(),
    }
    return [Reading(rule, values[rule], crossed.get(rule)) for rule in Threshold]


def deploys(project: Project, now: datetime) -> QuerySet[Deployment]:
    """Those that started within the last seven days, however they ended."""
    return _software(project).filter(kind=DeploymentKind.DEPLOY, started_at__gt=now - WEEK, started_at__lte=now)


def failures(project: Project, now: datetime) -> QuerySet[Deployment]:
    """What began within the last thirty days, one row for each event; see failure_events.py."""
    return one_each(_software(project).filter(started_at__gt=now - MONTH, started_at__lte=now))


def hosts(project: Project) -> QuerySet[Host, str]:
    """The addresses of production's machines, each once: a machine may be two hosts."""
    rows = Host.objects.filter(environment__project=project, environment__is_production=True)
    return rows.order_by().values_list("address", flat=True).distinct()


def active_users(project: Project) -> ActiveUsers | None:
    """The newest count."""
    return ActiveUsers.objects.select_related("entered_by").filter(project=project).first()


def complaints(project: Project) -> QuerySet[Complaint]:
    """All that was received and not withdrawn."""
    return Complaint.objects.filter(project=project, withdrawn_at__isnull=True)


def _software(project: Project) -> QuerySet[Deployment]:
    return Deployment.objects.filter(environment__project=project, environment__is_production=True)


# The deployments behind a rule, where there are any.
DEPLOYMENTS: Final[dict[str, Callable[[Project, datetime], QuerySet[Deployment]]]] = {
    Threshold.DEPLOYS: deploys,
    Threshold.FAILURES: failures,
}
