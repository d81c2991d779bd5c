"""The deployments behind each number. A number counts or spreads over one of these; its page lists the same."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL

from releases import lifecycle
from releases.insights.scope import FAILED, Scope
from releases.models import Deployment, Outage

ENDED: Final = Q(status__in=sorted(lifecycle.FINISHED), finished_at__isnull=False)
SUCCEEDED: Final = Q(status=lifecycle.SUCCEEDED, finished_at__isnull=False)
# A commit that is younger than what it was shipped in was made by a clock that was wrong: not known.
COMMIT_KNOWN: Final = Q(release__committed_at__lte=F("finished_at"))
MARKED: Final = Q(downtime_opened_at__isnull=False)
MEASURED: Final = Q(downtime_measured__isnull=False)

# MATERIALIZED: the ends of each rollback's way first, then what lies between them, by the index of starts.
_TOGETHER: Final = """
WITH ways AS MATERIALIZED (
  SELECT f.started_at AS first, l.started_at AS last FROM releases_deployment b
  JOIN releases_deployment f ON f.id = b.undoes_first_id JOIN releases_deployment l ON l.id = b.undoes_id
  WHERE b.environment_id = %s AND b.kind = %s AND b.status = %s
)
SELECT d.id FROM ways JOIN releases_deployment d
  ON d.environment_id = %s AND d.started_at BETWEEN ways.first AND ways.last"""


def started(scope: Scope) -> QuerySet[Deployment]:
    """All of them, rollbacks too; a draft never started."""
    return Deployment.objects.filter(
        environment=scope.environment,
        kind__in=[scope.deploy, scope.rollback],
        started_at__gte=scope.since,
        started_at__lt=scope.until,
    )


def deploys(scope: Scope) -> QuerySet[Deployment]:
    """Those that put something new there."""
    return started(scope).filter(kind=scope.deploy)


def rollbacks(scope: Scope) -> QuerySet[Deployment]:
    """Those that put the old back."""
    return started(scope).filter(kind=scope.rollback)


def undone(scope: Scope) -> Q:
    """A rollback that succeeded undid it, as a whole or one service of it, alone or together with others."""
    back = Deployment.objects.filter(
        environment=scope.environment, kind=scope.rollback, status=lifecycle.SUCCEEDED, undoes__isnull=False
    )
    environment = scope.environment.pk
    # From the rollbacks' side, so that the few that undid several are looked at once, not for each deployment.
    together = RawSQL(_TOGETHER, (environment, scope.rollback.value, lifecycle.SUCCEEDED, environment))  # noqa: S611
    return Q(pk__in=back.values("undoes")) | Q(pk__in=together)


def followed(scope: Scope) -> Q:
    """An unplanned outage began while it ran, or within the environment's watch time after it."""
    watch = timedelta(minutes=scope.environment.rollback_minutes)
    outages = unplanned_outages(scope).filter(
        started_at__gte=OuterRef("started_at"), started_at__lte=OuterRef("finished_at") + watch
    )
    return Q(Exists(outages))


def unplanned_outages(scope: Scope) -> QuerySet[Outage]:
    """Those of the environment that no deployment had announced by its marks, of any time."""
    return Outage.objects.filter(probe__environment=scope.environment, planned=False)


def outages(scope: Scope) -> QuerySet[Outage]:
    """Unplanned ones that began in the period."""
    return unplanned_outages(scope).filter(started_at__gte=scope.since, started_at__lt=scope.until)


Rows = Callable[[Scope], QuerySet[Deployment]]
SETS: Final[dict[str, Rows]] = {
    "started": started,
    "ended": lambda scope: deploys(scope).filter(ENDED),
    "succeeded": lambda scope: deploys(scope).filter(SUCCEEDED),
    "failed": lambda scope: deploys(scope).filter(ENDED, status__in=sorted(FAILED)),
    "cancelled": lambda scope: deploys(scope).filter(ENDED, status=lifecycle.CANCELLED),
    "running": lambda scope: deploys(scope).exclude(ENDED),
    "marked": lambda scope: deploys(scope).filter(ENDED, MARKED),
    "measured": lambda scope: deploys(scope).filter(ENDED, MEASURED),
    "rollbacks": lambda scope: rollbacks(scope).filter(ENDED),
    "rolled_back": lambda scope: rollbacks(scope).filter(SUCCEEDED),
    "by_people": lambda scope: started(scope).filter(started_by__isnull=False),
    "lead": lambda scope: deploys(scope).filter(SUCCEEDED, COMMIT_KNOWN),
    "lead_unknown": lambda scope: deploys(scope).filter(SUCCEEDED).exclude(COMMIT_KNOWN),
    "changes_failed": lambda scope: deploys(scope).filter(ENDED).filter(broke(scope)),
    "undone": lambda scope: deploys(scope).filter(ENDED).filter(undone(scope)),
    "followed": lambda scope: deploys(scope).filter(ENDED).filter(followed(scope)),
}
OUTAGES: Final[dict[str, Callable[[Scope], QuerySet[Outage]]]] = {
    "unplanned": outages,
    "restored": lambda scope: outages(scope).filter(ended_at__isnull=False),
    "still_open": lambda scope: outages(scope).filter(ended_at__isnull=True),
}


def broke(scope: Scope) -> Q:
    """What DORA counts as a failed change: it failed, was rolled back, or an unplanned outage followed it."""
    return Q(status__in=sorted(FAILED)) | undone(scope) | followed(scope)
