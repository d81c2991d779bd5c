"""DORA's four keys. Durations are in seconds.

Restoring is what probes saw: an outage ends when the service answers again, not when somebody deploys the next time.
"""

from dataclasses import dataclass

from django.db.models import Count, F, Q

from releases.insights.durations import Seconds, Spread, read, spread
from releases.insights.scope import FAILED, Scope
from releases.insights.sets import COMMIT_KNOWN, ENDED, SUCCEEDED, deploys, followed, outages, undone


@dataclass(frozen=True)
class Dora:
    """Of one scope. `frequency`: deployments that succeeded, a week."""

    succeeded: int
    frequency: float
    lead: Spread
    lead_unknown: int
    ended: int
    changes_failed: int
    undone: int
    followed: int
    outages: int
    still_open: int
    restore: Spread

    @property
    def failure_rate(self) -> float | None:
        """Changes that failed, of those that ended; None where none did."""
        return self.changes_failed / self.ended if self.ended else None


def of(scope: Scope) -> Dora:
    """The four keys; three queries."""
    lead = spread("lead", Seconds(F("finished_at"), F("release__committed_at")), SUCCEEDED & COMMIT_KNOWN)
    found = deploys(scope).aggregate(ended=Count("pk", filter=ENDED), ok=Count("pk", filter=SUCCEEDED), **lead)
    broken = (
        deploys(scope)
        .filter(ENDED)
        .annotate(is_undone=undone(scope), is_followed=followed(scope))
        .aggregate(
            undone=Count("pk", filter=Q(is_undone=True)),
            followed=Count("pk", filter=Q(is_followed=True)),
            changes=Count("pk", filter=Q(is_undone=True) | Q(is_followed=True) | Q(status__in=sorted(FAILED))),
        )
    )
    down = outages(scope).aggregate(
        n=Count("pk"), **spread("restore", Seconds(F("ended_at"), F("started_at")), Q(ended_at__isnull=False))
    )
    known = read("lead", found)
    return Dora(
        succeeded=found["ok"],
        frequency=found["ok"] / scope.weeks if scope.weeks else 0.0,
        lead=known,
        lead_unknown=found["ok"] - known.n,
        ended=found["ended"],
        changes_failed=broken["changes"],
        undone=broken["undone"],
        followed=broken["followed"],
        outages=down["n"],
        still_open=down["n"] - down["restore_n"],
        restore=read("restore", down),
    )
