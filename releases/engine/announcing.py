"""What the run of a deployment does to its announcement: the marks of its downtime, its end, a rollback after it.

Called within the transaction that changes the deployment, before its audit event; nothing here is lost when a worker
dies, and nothing is told twice.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from releases import lifecycle
from releases.audit import THE_SYSTEM, Actor
from releases.engine import clock
from releases.models import Announcement, Deployment, Event, Stage
from releases.notices import planning, states
from releases.notices.shipped import Words

LATE: Final = timedelta(minutes=10)  # by which a run must be behind for its planned time to be moved


def begun(deployment: Deployment, *, emergency: bool) -> None:
    """It starts. What an earlier run left open is over; a rollback is announced where nothing else will do so."""
    _take_over(deployment)
    if deployment.undoes_id is None or planning.announces(deployment):
        return
    known = Announcement.objects.filter(deployment=deployment.undoes_id).exists()
    if emergency or known:
        state = lifecycle.IN_PROGRESS if emergency else lifecycle.SCHEDULED
        states.of_run(deployment, state, None, Actor(deployment.started_by))


def opened(deployment_id: int, at: datetime) -> None:
    """The mark: the service goes away."""
    row = _of(deployment_id)
    if row is None:
        return
    began = row.began_at or at
    if lifecycle.allows("announcement", row.state, lifecycle.IN_PROGRESS):
        _move(row, lifecycle.IN_PROGRESS, began_at=began, ended_at=None)
    elif row.state == lifecycle.IN_PROGRESS:
        states.change(row, THE_SYSTEM, "announcement.in_progress", began_at=began)


def closed(deployment_id: int, at: datetime) -> None:
    """The mark: the service is back."""
    row = _of(deployment_id)
    if row is not None and row.began_at and lifecycle.allows("announcement", row.state, lifecycle.VERIFYING):
        _move(row, lifecycle.VERIFYING, ended_at=at)


def ended(deployment: Deployment, status: str, at: datetime) -> None:
    """It came to rest. Stopped while the service was away, or after, it stays open: people are at it."""
    row = _of(deployment.pk)
    if row is None or row.state not in states.OPEN:
        return
    if status == lifecycle.SUCCEEDED:
        _move(row, lifecycle.DONE, ended_at=row.ended_at or (at if row.began_at else None))
    elif deployment.downtime_opened_at is None:
        _move(row, lifecycle.CANCELLED)
    else:
        states.change(row, THE_SYSTEM, "announcement.trouble", stage=Stage.TROUBLE, event=Event.TROUBLE)


def resumed(deployment: Deployment) -> None:
    """It stopped and runs on: what was called off is planned again, what told of a problem goes on."""
    row = _of(deployment.pk)
    if row is None:
        return
    if row.state == lifecycle.CANCELLED:
        starts_at, ends_at = planning.expected_times(deployment, clock.now()) or (row.starts_at, row.ends_at)
        _move(row, lifecycle.SCHEDULED, starts_at=starts_at, ends_at=ends_at)
    elif row.state in states.OPEN and row.follows_wording:
        states.change(row, THE_SYSTEM, f"announcement.{row.state}", stage=row.state)


def postpone_late(now: datetime) -> int:
    """Move the planned time of runs that are well behind it. Returns how many were moved.

    Those that wait for a person are left: nobody knows how long that takes.
    """
    rows = Announcement.objects.filter(state=lifecycle.SCHEDULED, deployment__status=lifecycle.RUNNING)
    moved = 0
    for row in rows.select_related("deployment__plan"):
        deployment = row.deployment
        expected = planning.expected_times(deployment, now) if deployment else None
        if expected and row.starts_at and expected[0] - row.starts_at >= LATE:
            times: dict[str, Any] = {"starts_at": expected[0], "ends_at": expected[1]}
            moved += states.change(row, THE_SYSTEM, "announcement.postpone", event=Event.POSTPONED, **times)
    return moved


def remind_due(now: datetime) -> int:
    """Remind of what begins within ten minutes. Returns of how many."""
    rows = Announcement.objects.filter(
        state=lifecycle.SCHEDULED, reminded_at=None, starts_at__gt=now, starts_at__lte=now + states.LEAD
    )
    return sum(states.remind(row, now) for row in rows)


def _take_over(deployment: Deployment) -> None:
    """Of the same environment and sort, what stopped runs announced and nobody ended; this run is what counts now."""
    rows = Announcement.objects.filter(
        environment=deployment.environment_id, state__in=states.OPEN, deployment__status__in=lifecycle.FINISHED
    ).exclude(deployment=deployment)
    for row in rows.select_related("deployment").order_by("pk"):
        if row.deployment is not None and row.deployment.is_gpu == deployment.is_gpu:
            words = Words.of(row)
            states.change(row, THE_SYSTEM, "announcement.cancelled", stage=lifecycle.CANCELLED, words=words)


def _move(row: Announcement, state: str, **columns: Any) -> None:
    states.change(row, THE_SYSTEM, f"announcement.{state}", stage=state, event=state, **columns)


def _of(deployment_id: int) -> Announcement | None:
    return Announcement.objects.filter(deployment=deployment_id).first()
