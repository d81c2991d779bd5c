"""The database side of the probe process. Every function is synchronous and runs in one thread.

The thread's connection holds an advisory lock for as long as it lives, so that one process per installation
leads. When the connection breaks, the lock is gone with it and must be taken again before the next write.
"""

import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.postgres.aggregates import ArrayAgg
from django.db import IntegrityError, connection, transaction
from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import Greatest, Now

from releases import lifecycle
from releases.database import AWAY
from releases.models import Deployment, Heartbeat, Outage, Probe, ProbeResult
from releases.probes.answers import Check
from releases.probes.tracker import Change, Closed, Opened

LOCK_NUMBER: Final = 0x636C6F7564_77  # names this lock in PostgreSQL, which wants a number
HEARTBEAT: Final = "probes"
KEPT_HOURS: Final = 24


class StoreLost(Exception):
    """PostgreSQL does not answer, or the connection that held the lock broke. Nothing was written; try again."""


@dataclass(frozen=True)
class HostLogin:
    """How to reach the host that asks a localhost URL."""

    name: str
    address: str
    port: int
    user: str
    host_key: str


@dataclass(frozen=True)
class Watched:
    """A probe to run now: what to ask, from where, and the deployment that is active there (None: idle)."""

    check: Check
    host: HostLogin | None
    deployment: int | None
    down_since: datetime | None


@dataclass(frozen=True)
class Result:
    """One measured answer to keep."""

    probe: int
    at: datetime
    ok: bool
    milliseconds: float
    detail: str


def guarded[T](work: Callable[[], T]) -> T:
    """Run `work`; a broken connection is dropped and told as StoreLost."""
    try:
        return work()
    except AWAY as error:
        connection.close()
        raise StoreLost(str(error).strip()) from error


def acquire() -> bool:
    """Take the installation's probe lock on this connection; false while another process has it."""
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_NUMBER])
        (taken,) = cursor.fetchone()
    if not taken:
        connection.close()
    return bool(taken)


def give_up() -> None:
    """Let the lock go by closing the connection."""
    connection.close()


def watch_list() -> list[Watched]:
    """Every enabled probe with what decides how to ask it. One query."""
    active = Deployment.objects.filter(environment=OuterRef("environment"), status__in=lifecycle.ACTIVE)
    outage = Outage.objects.filter(probe=OuterRef("pk"), ended_at__isnull=True)
    probes = (
        Probe.objects.filter(enabled=True)
        .select_related("host")
        .annotate(
            active=Subquery(active.values("pk")[:1]),
            down_since=Subquery(outage.values("started_at")[:1]),
            near=ArrayAgg("environment__hosts__address", filter=Q(environment__hosts__isnull=False), default=[]),
        )
        .order_by("pk")
    )
    return [_watched(probe) for probe in probes]


def _watched(row: Any) -> Watched:
    """`row` is a Probe with the annotations of `watch_list`."""
    check = Check(row.pk, row.url, row.expected_status, row.expected_text, row.timeout, frozenset(row.near))
    host = row.host
    login = host and HostLogin(host.name, host.address, host.port, host.user, host.host_key)
    if login:
        check = replace(check, near=frozenset())
    return Watched(check, login, row.active, row.down_since)


def keep_results(results: Iterable[Result]) -> None:
    """Write answers in one statement. Those of a probe that was deleted meanwhile are dropped."""
    rows = [
        ProbeResult(probe_id=r.probe, at=r.at, ok=r.ok, milliseconds=r.milliseconds, detail=r.detail) for r in results
    ]
    try:
        with transaction.atomic():
            ProbeResult.objects.bulk_create(rows)
    except IntegrityError:
        alive = set(Probe.objects.values_list("pk", flat=True))
        ProbeResult.objects.bulk_create([row for row in rows if row.probe_id in alive])


def keep_change(change: Change) -> int | None:
    """Open or close an outage, safe to repeat. Returns the deployment whose screens must show it, if any."""
    with transaction.atomic():
        return _open(change) if isinstance(change, Opened) else _close(change)


def _active(probe: int) -> Deployment | None:
    return Deployment.objects.filter(environment__probes=probe, status__in=lifecycle.ACTIVE).first()


def _open(change: Opened) -> int | None:
    active = _active(change.probe)
    deployment = active.pk if active else None
    try:
        with transaction.atomic():
            Probe.objects.select_for_update(no_key=True).get(pk=change.probe)
            Outage.objects.create(
                probe_id=change.probe,
                deployment=active,
                started_at=change.at,
                planned=active is not None and _marked(active, change.at),
                detail=change.detail,
            )
    except IntegrityError:  # this outage is open already
        return deployment
    except Probe.DoesNotExist:
        return None
    return deployment


def _marked(deployment: Deployment, at: datetime) -> bool:
    opened, closed = deployment.downtime_opened_at, deployment.downtime_closed_at
    return opened is not None and opened <= at and (closed is None or at <= closed)


def _close(change: Closed) -> int | None:
    outage = Outage.objects.filter(probe=change.probe, ended_at__isnull=True).first()
    if outage is None:
        return None
    Outage.objects.filter(pk=outage.pk).update(ended_at=Greatest(change.at, F("started_at")))
    active = _active(change.probe)
    return active.pk if active else outage.deployment_id


def close_unwatched() -> None:
    """End outages of probes that were switched off: nobody would ever measure their end."""
    Outage.objects.filter(ended_at__isnull=True, probe__enabled=False).update(ended_at=Greatest(Now(), F("started_at")))


def beat(probes: int, unmeasured: dict[int, str]) -> None:
    """Say that the process is alive, and which probes cannot be measured and why."""
    detail = {
        "process": os.getpid(),
        "machine": socket.gethostname(),
        "probes": probes,
        "unmeasured": {str(probe): reason for probe, reason in unmeasured.items()},
    }
    Heartbeat.objects.update_or_create(name=HEARTBEAT, defaults={"at": Now(), "detail": detail})


def purge() -> int:
    """Delete answers older than KEPT_HOURS; returns how many."""
    return ProbeResult.objects.filter(at__lt=Now() - timedelta(hours=KEPT_HOURS)).delete()[0]
