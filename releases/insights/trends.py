"""A scope cut into weeks, or months where there are too many weeks to look at. Durations are in seconds."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db.models import Count, F, Q
from django.db.models.functions import Coalesce, TruncMonth, TruncWeek

from releases.insights.durations import Percentiles, Seconds, taken
from releases.insights.scope import FAILED, Scope
from releases.insights.sets import ENDED, MARKED, MEASURED, SUCCEEDED, deploys

WEEKS: Final = 54  # shown at most; a longer period is cut into months


class Slot(NamedTuple):
    """The deploys of one week or month, by its first moment. A median is None where nothing is behind it."""

    begins: datetime
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    p50: float | None = None
    p95: float | None = None
    planned: float | None = None
    marked: float | None = None
    measured: float | None = None


def by_month(scope: Scope) -> bool:
    """Whether the slots are months."""
    return scope.weeks > WEEKS


def slots(scope: Scope) -> list[Slot]:
    """Every week (or month) of the scope, those in which nothing happened too; one query."""
    cut = TruncMonth if by_month(scope) else TruncWeek
    marked = Seconds(Coalesce(F("downtime_closed_at"), F("finished_at")), F("downtime_opened_at"))
    rows = deploys(scope).filter(ENDED).annotate(slot=cut("started_at", tzinfo=scope.zone)).values("slot").order_by()
    rows = rows.annotate(
        ok=Count("pk", filter=SUCCEEDED),
        bad=Count("pk", filter=Q(status__in=sorted(FAILED))),
        stopped=Count("pk", filter=Q(status="cancelled")),
        at=Percentiles(taken(), filter=SUCCEEDED),
        planned=Percentiles(F("plan__downtime_estimate"), (0.5,)),
        marked=Percentiles(marked, (0.5,), filter=MARKED),
        measured=Percentiles(F("downtime_measured"), (0.5,), filter=MEASURED),
    )
    found = {row["slot"]: _slot(dict(row)) for row in rows}
    return [found.get(begins, Slot(begins)) for begins in beginnings(scope)]


def beginnings(scope: Scope) -> list[datetime]:
    """The first moment of each week (Monday) or month that the period touches, in the environment's zone."""
    first, last = (moment.astimezone(scope.zone) for moment in (scope.since, scope.until - timedelta(microseconds=1)))
    day, found = first.date(), []
    day = day.replace(day=1) if by_month(scope) else day - timedelta(days=day.weekday())
    while day <= last.date():
        found.append(datetime(day.year, day.month, day.day, tzinfo=scope.zone))
        day = (day.replace(day=1) + timedelta(days=32)).replace(day=1) if by_month(scope) else day + timedelta(days=7)
    return found


def _slot(row: dict[str, Any]) -> Slot:
    p50, p95 = row["at"] or (None, None)
    only = {name: (row[name] or [None])[0] for name in ("planned", "marked", "measured")}
    return Slot(row["slot"], row["ok"], row["bad"], row["stopped"], p50, p95, **only)
