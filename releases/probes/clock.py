"""The downtime clock: what probes measured, what the runbook's marks say, and what was planned."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from releases.models import Deployment, Outage, Probe, ProbeResult
from releases.probes.health import ServiceAnswers, service_answers

__all__ = ["Downtime", "Interval", "ServiceAnswers", "downtime", "lost_requests", "service_answers", "union"]

Interval = tuple[datetime, datetime]


@dataclass(frozen=True)
class Downtime:
    """The downtime of one deployment up to a moment; durations in seconds.

    `planned` is the plan's estimate; `marked` the time between the runbook's marks (None: no mark reached);
    `measured` the time in which at least one service failed its probe (None: no probe has spoken).
    `running_since` is when the current downtime began (None: none runs): the first failed probe, or the mark
    while no probe has spoken. The clock shows `measured` (or `marked`) at the moment it was made, plus the time
    since then while `running_since` is set. `intervals` are the measured ones, in order.
    """

    planned: int
    marked: float | None
    measured: float | None
    running_since: datetime | None
    lost_requests: int
    intervals: list[Interval]

    @property
    def seconds(self) -> float:
        """The figure to show: measured, else marked, else 0."""
        if self.measured is not None:
            return self.measured
        return self.marked or 0.0


def downtime(deployment: Deployment, now: datetime) -> Downtime:
    """The clock of a deployment at `now`. At most two queries when its plan and environment are loaded."""
    start, end = deployment.started_at, min(deployment.finished_at or now, now)
    outages: list[Outage] = []
    if start is not None:
        overlapping = Q(started_at__lt=end) & (Q(ended_at__isnull=True) | Q(ended_at__gt=start))
        outages = list(Outage.objects.filter(overlapping, probe__environment=deployment.environment_id))
    intervals = union((max(o.started_at, start), min(o.ended_at or end, end)) for o in outages) if start else []
    measured = _measured(deployment, intervals, end)
    mark = deployment.marked_downtime(now)
    marked = max(mark.total_seconds(), 0.0) if mark is not None else None
    return Downtime(
        planned=deployment.plan.downtime_estimate,
        marked=marked,
        measured=measured,
        running_since=_running_since(deployment, outages, intervals, measured),
        lost_requests=lost_requests(marked if measured is None else measured, deployment),
        intervals=intervals,
    )


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Overlapping intervals made one, in order; empty ones left out."""
    merged: list[Interval] = []
    for start, end in sorted(interval for interval in intervals if interval[1] > interval[0]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def lost_requests(seconds: float | None, deployment: Deployment) -> int:
    """Requests lost in `seconds` of downtime at the traffic that the environment states, rounded."""
    return round((seconds or 0.0) / 60 * deployment.environment.requests_per_minute)


def _measured(deployment: Deployment, intervals: list[Interval], end: datetime) -> float | None:
    if intervals:
        return sum((stop - start).total_seconds() for start, stop in intervals)
    if deployment.started_at is None or deployment.downtime_measured is not None:
        return deployment.downtime_measured
    spoke = ProbeResult.objects.filter(
        probe__in=Probe.objects.filter(environment=deployment.environment_id),
        at__range=(deployment.started_at, end),
    )
    return 0.0 if spoke.exists() else None


def _running_since(
    deployment: Deployment, outages: list[Outage], intervals: list[Interval], measured: float | None
) -> datetime | None:
    if deployment.started_at is None or deployment.finished_at is not None:
        return None
    if any(outage.ended_at is None for outage in outages):
        return intervals[-1][0] if intervals else None
    if measured is None and deployment.downtime_closed_at is None:
        return deployment.downtime_opened_at
    return None
