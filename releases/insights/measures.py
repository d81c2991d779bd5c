"""The quantities of the seed's 3.2.1, measured. Durations are in seconds."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Count, F, Q
from django.db.models.functions import Coalesce

from releases.insights.durations import Seconds, Spread, read, spread, taken
from releases.insights.scope import FAILED, Scope
from releases.insights.sets import ENDED, MARKED, MEASURED, SUCCEEDED, started
from releases.models import Membership, User


class Person(NamedTuple):
    """Someone who started deployments, and how many."""

    user: User
    times: int


@dataclass(frozen=True)
class Measures:
    """Of one scope. The three downtimes stay three: what was planned, marked and measured is not the same thing."""

    started: int
    ended: int
    succeeded: int
    failed: int
    cancelled: int
    running: int
    deploy: Spread
    deploy_before: Spread
    planned: Spread
    marked: Spread
    measured: Spread
    rollbacks: int
    rollback: Spread
    people: list[Person]
    by_people: int
    able: list[User]

    @property
    def failure_rate(self) -> float | None:
        """Failed ones of those that ended; None where none did."""
        return self.failed / self.ended if self.ended else None

    @property
    def change(self) -> float | None:
        """How the median deploy time changed since the period before, as a fraction; None without two medians."""
        now, before = self.deploy.p50, self.deploy_before.p50
        return None if now is None or not before else now / before - 1

    @property
    def change_size(self) -> float | None:
        """The same without its direction."""
        return None if self.change is None else abs(self.change)


def of(scope: Scope) -> Measures:
    """Everything of a scope; five queries."""
    found = started(scope).aggregate(**_counts(scope), **_spreads(scope))
    ok = Q(kind=scope.deploy) & SUCCEEDED
    before = started(scope.before()).aggregate(**spread("before", taken(), ok))
    people = _people(scope)
    return Measures(
        **{name: found[name] for name in _counts(scope)},
        deploy=read("deploy", found),
        deploy_before=read("before", before),
        planned=read("planned", found),
        marked=read("marked", found),
        measured=read("measured", found),
        rollback=read("rollback", found),
        people=people,
        by_people=sum(person.times for person in people),
        able=able(scope.environment.project_id),
    )


def deploy_times(scope: Scope) -> tuple[Spread, Spread, Spread]:
    """Deploy time, measured downtime and rollback time; one query."""
    ok, ended = Q(kind=scope.deploy) & SUCCEEDED, Q(kind=scope.deploy) & ENDED
    found = started(scope).aggregate(
        **spread("deploy", taken(), ok),
        **spread("measured", F("downtime_measured"), ended & MEASURED),
        **spread("rollback", taken(), Q(kind=scope.rollback) & SUCCEEDED),
    )
    return read("deploy", found), read("measured", found), read("rollback", found)


def able(project: int) -> list[User]:
    """Active people who may run deployments in the project, now."""
    rows = Membership.objects.filter(project=project, can_operate=True, user__is_active=True)
    return [row.user for row in rows.select_related("user").order_by("user__display_name", "user__username")]


def people_count(scope: Scope) -> int:
    """How many people started something."""
    found: int = started(scope).aggregate(n=Count("started_by", distinct=True))["n"]
    return found


def _counts(scope: Scope) -> dict[str, Any]:
    deploy = Q(kind=scope.deploy)
    return {
        "started": Count("pk"),
        "ended": Count("pk", filter=deploy & ENDED),
        "succeeded": Count("pk", filter=deploy & SUCCEEDED),
        "failed": Count("pk", filter=deploy & ENDED & Q(status__in=sorted(FAILED))),
        "cancelled": Count("pk", filter=deploy & ENDED & Q(status="cancelled")),
        "running": Count("pk", filter=deploy & ~ENDED),
        "rollbacks": Count("pk", filter=Q(kind=scope.rollback) & ENDED),
    }


def _spreads(scope: Scope) -> dict[str, Any]:
    ended = Q(kind=scope.deploy) & ENDED
    marked = Seconds(_closed(), F("downtime_opened_at"))
    return (
        spread("deploy", taken(), Q(kind=scope.deploy) & SUCCEEDED)
        | spread("planned", F("plan__downtime_estimate"), ended)
        | spread("marked", marked, ended & MARKED)
        | spread("measured", F("downtime_measured"), ended & MEASURED)
        | spread("rollback", taken(), Q(kind=scope.rollback) & SUCCEEDED)
    )


def _closed() -> Any:
    """The closing mark; where none was reached, the end: it was down until then."""
    return Coalesce(F("downtime_closed_at"), F("finished_at"))


def _people(scope: Scope) -> list[Person]:
    rows = started(scope).filter(started_by__isnull=False).values_list("started_by").annotate(n=Count("pk"))
    counts = dict(rows.order_by())
    users = User.objects.filter(pk__in=counts)
    return sorted((Person(user, counts[user.pk]) for user in users), key=lambda one: (-one.times, one.user.username))
