"""Keeping readings of hosts: each for a week, and what each hour came to for longer."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from releases.engine import clock
from releases.insights.capacity_parts import taken
from releases.insights.capacity_reading import Reading
from releases.insights.shares import connection_share, disk_share, memory_share
from releases.models import CapacityHour, CapacitySample, Host, HostWatch

RAW: Final = timedelta(days=7)
HOURS: Final = timedelta(days=400)
FARTHEST: Final = timedelta(minutes=30)  # to the reading before, for the CPU used in between


def keep(host: Host, found: Reading | str) -> CapacitySample:
    """One row for one reading, or for the reason why there is none, and its hour brought up to date.

    Raises Host.DoesNotExist when it was deleted meanwhile.
    """
    with transaction.atomic():
        Host.objects.select_for_update(of=("self",), no_key=True).get(pk=host.pk)
        now = clock.now()
        if isinstance(found, str):
            sample = CapacitySample.objects.create(host=host, at=now, problem=found[:500])
        else:
            sample = _sample(host, now, found)
        _bring_up_to_date(host, now)
    return sample


def _sample(host: Host, now: datetime, found: Reading) -> CapacitySample:
    watch = HostWatch.objects.filter(host=host).first()
    most = found.max_connections or (watch.max_connections if watch else None)
    return CapacitySample.objects.create(
        host=host,
        at=now,
        cpus=found.cpus,
        cpu=_since_the_last(host, now, found),
        ticks={"boot": found.boot, "busy": found.busy, "total": found.total} if found.total is not None else {},
        memory_total=found.memory_total,
        memory_used=found.memory_used,
        disks=found.disks,
        connections=found.connections,
        max_connections=most,
        uptime=found.uptime,
        load=found.load,
        components=taken(host.components.all(), found),
        missing=[*found.missing, *([] if most or found.connections is None else ["max_connections"])],
    )


def _since_the_last(host: Host, now: datetime, found: Reading) -> float | None:
    """The CPU used since the reading before; of the two seconds of this one where there is none of the same boot."""
    before = CapacitySample.objects.filter(host=host, at__gt=now - FARTHEST, problem="").order_by("-at").first()
    if before is None or found.busy is None or found.total is None or not before.ticks:
        return found.cpu
    busy, total = found.busy - before.ticks["busy"], found.total - before.ticks["total"]
    if before.ticks["boot"] != found.boot or total <= 0 or not 0 <= busy <= total:
        return found.cpu
    used: float = 100.0 * busy / total
    return used


def _bring_up_to_date(host: Host, now: datetime) -> None:
    hour = now.replace(minute=0, second=0, microsecond=0)
    rows = list(CapacitySample.objects.filter(host=host, at__gte=hour, at__lt=hour + timedelta(hours=1)))
    told = [row for row in rows if not row.problem]
    cpus = [row.cpu for row in told if row.cpu is not None]
    values = {
        "readings": len(told),
        "failed": len(rows) - len(told),
        "cpu": sum(cpus) / len(cpus) if cpus else None,
        "cpu_most": max(cpus, default=None),
        "memory_share": _most(memory_share(row) for row in told),
        "disk_share": _most(disk_share(row) for row in told),
        "connection_share": _most(connection_share(row) for row in told),
    }
    CapacityHour.objects.update_or_create(host=host, hour=hour, defaults=values)


def _most(values: Iterable[float | None]) -> float | None:
    known: list[float] = [value for value in values if value is not None]
    return max(known) if known else None


def prune() -> None:
    """Give up what is past its time."""
    now = clock.now()
    CapacitySample.objects.filter(at__lt=now - RAW).delete()
    CapacityHour.objects.filter(hour__lt=now - HOURS).delete()
