"""The stored state that an event stream compares itself with."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from releases import lifecycle
from releases.logs.sse import Cursor
from releases.logs.store import in_thread
from releases.models import Attempt, Deployment, Environment, Recovery

RESUMABLE = timedelta(hours=1)
"""A stopped deployment may be resumed: who watches keeps watching for so long after its end."""


@dataclass(frozen=True)
class StoredLog:
    """The log of an attempt: bytes stored, and the key of its step."""

    size: int
    step: str


@dataclass(frozen=True)
class Snapshot:
    """A deployment as stored. `is_over`: nothing more is going to happen to it."""

    version: int
    is_over: bool
    logs: dict[int, StoredLog]


async def take(deployment_id: int) -> Snapshot:
    """Read it now. A deployment that does not exist is over."""
    return await in_thread(_read, deployment_id)


def is_over(deployment_id: int, status: str, finished_at: datetime | None) -> bool:
    """Nothing more is going to happen to a deployment with this status: its pages need no stream."""
    if status not in lifecycle.FINISHED:
        return False
    since = timezone.now() - finished_at if finished_at is not None else timedelta.max
    if status != lifecycle.SUCCEEDED and since <= RESUMABLE:
        return False
    return not (_is_watched(deployment_id, since) or _is_recovered(deployment_id))


def _is_watched(deployment_id: int, since: timedelta) -> bool:
    """A rule of its environment may still undo it."""
    automatic = Environment.objects.exclude(automatic_rollback=Environment.Automatic.OFF)
    minutes = automatic.filter(deployments=deployment_id).values_list("rollback_minutes", flat=True).first()
    return minutes is not None and since <= timedelta(minutes=minutes)


def _is_recovered(deployment_id: int) -> bool:
    """An emergency rollback of it is under way."""
    return Recovery.objects.filter(deployment=deployment_id, ended_at__isnull=True).exists()


def cursor(deployment_id: int) -> str:
    """The cursor of a page that is rendered now: its stream begins with what happens after."""
    now = _read(deployment_id)
    return str(Cursor(now.version, {attempt: log.size for attempt, log in now.logs.items()}))


def _read(deployment_id: int) -> Snapshot:
    # The version first: what is read after it is at least as new.
    row = Deployment.objects.filter(pk=deployment_id).values_list("version", "status", "finished_at").first()
    if row is None:
        return Snapshot(0, True, {})
    version, status, finished_at = row
    rows = Attempt.objects.filter(step__deployment_id=deployment_id).order_by("pk")
    logs = {pk: StoredLog(size, step) for pk, size, step in rows.values_list("pk", "log_size", "step__key")}
    return Snapshot(version, is_over(deployment_id, status, finished_at), logs)
