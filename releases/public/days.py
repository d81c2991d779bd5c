"""The days of a service: measured, down, under planned maintenance, or not measured. Free of the database."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import floor
from typing import Final
from zoneinfo import ZoneInfo

from releases.public.snapshot import Day, DayState

DAYS: Final = 90
Interval = tuple[datetime, datetime]


@dataclass(frozen=True)
class Away:
    """A stretch without an answer. `ended_at` is set: who calls decides how far an open one is known to reach."""

    began_at: datetime
    ended_at: datetime
    planned: bool


def history(zone: str, now: datetime, asked: Iterable[Interval], away: Sequence[Away], days: int = DAYS) -> list[Day]:
    """The last `days` days in the zone, the oldest first, the last one being today up to `now`.

    `asked` are the stretches in which the probe was asked. A stretch without an answer was asked, too.
    """
    edges = _edges(zone, now, days)
    dates = [edge.astimezone(ZoneInfo(zone)).date() for edge in edges[:-1]]
    measured = _per_day(edges, _union([*asked, *((one.began_at, one.ended_at) for one in away)]))
    down = _per_day(edges, _union((one.began_at, one.ended_at) for one in away if not one.planned))
    planned = _per_day(edges, _union((one.began_at, one.ended_at) for one in away if one.planned))
    touched = [_touched(edges, (one for one in away if one.planned is kind)) for kind in (False, True)]
    return [
        _day(day, measured[n], down[n], planned[n], n in touched[0], n in touched[1]) for n, day in enumerate(dates)
    ]


def uptime(days: Iterable[Day]) -> float | None:
    """Percent of the measured time, planned downtime left out, in which there was an answer.

    Cut off, not rounded, to two decimals: what was down for a moment never shows as 100. None: nothing measured.
    """
    rows = list(days)
    down = sum(day.down for day in rows)
    counted = sum(day.measured - day.planned for day in rows)
    if counted <= 0:
        return None
    return floor(10000 * max(0, counted - down) / counted) / 100


def _day(day: date, measured: float, down: float, planned: float, was_down: bool, was_planned: bool) -> Day:
    """An outage of less than a second is one all the same, so states come from what touched the day."""
    state: DayState = "down" if was_down else "planned" if was_planned else "up" if measured > 0 else "none"
    return Day(date=day, state=state, down=_whole(down), planned=_whole(planned), measured=round(measured))


def _whole(seconds: float) -> int:
    """Whole seconds; a fraction counts as one, as long as there was something."""
    return 0 if seconds <= 0 else max(1, round(seconds))


def _edges(zone: str, now: datetime, days: int) -> list[datetime]:
    """Midnights in the zone, as UTC, and `now` at the end. A day may have 23 or 25 hours."""
    place = ZoneInfo(zone)
    today = now.astimezone(place).date()
    first = [today - timedelta(days=days - 1 - n) for n in range(days)]
    return [*(datetime.combine(day, time.min, place).astimezone(UTC) for day in first), now]


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _per_day(edges: Sequence[datetime], intervals: Iterable[Interval]) -> list[float]:
    """Seconds of the intervals in each day."""
    seconds = [0.0] * (len(edges) - 1)
    for start, end in intervals:
        for n in _days_of(edges, start, end):
            seconds[n] += max(0.0, (min(end, edges[n + 1]) - max(start, edges[n])).total_seconds())
    return seconds


def _touched(edges: Sequence[datetime], away: Iterable[Away]) -> set[int]:
    return {n for one in away for n in _days_of(edges, one.began_at, one.ended_at)}


def _days_of(edges: Sequence[datetime], start: datetime, end: datetime) -> range:
    """The days that a stretch reaches into; an end at midnight belongs to the day before."""
    if end < edges[0] or start > edges[-1]:
        return range(0)
    first = max(0, _index(edges, start))
    last = _index(edges, end)
    if last > first and end == edges[min(last, len(edges) - 1)]:
        last -= 1
    return range(first, min(last, len(edges) - 2) + 1)


def _index(edges: Sequence[datetime], moment: datetime) -> int:
    return bisect_right(edges, moment) - 1
