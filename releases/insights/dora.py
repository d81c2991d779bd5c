"""DORA's four keys. Durations are in seconds.

Restoring is what probes saw: an outage ends when the service answers again, not when somebody deploys the next time.
"""

from dataclasses import dataclass
from typing import NamedTuple

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
    broken = _broken(scope)
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
        changes_failed=broken.changes,
        undone=broken.undone,
        followed=broken.followed,
        outages=down["n"],
        still_open=down["n"] - down["restore_n"],
        restore=read("restore", down),
    )


class _Broken(NamedTuple):
    changes: int
    undone: int
    followed: int


def _broken(scope: Scope) -> _Broken:
    """Counted by groups, so that the database asks once for each deployment what became of it."""
    rows = deploys(scope).filter(ENDED).annotate(is_undone=undone(scope), is_followed=followed(scope))
    groups = rows.values_list("status", "is_undone", "is_followed").annotate(n=Count("pk")).order_by()
    found = _Broken(0, 0, 0)
    for status, is_undone, is_followed, n in groups:
        failed = status in FAILED or is_undone or is_followed
        found = _Broken(found.changes + n * failed, found.undone + n * is_undone, found.followed + n * is_followed)
    return found
