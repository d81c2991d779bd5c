"""How full something is, in percent, of one reading. None where a part of it is not known: never zero."""

from releases.models import CapacitySample


def memory_share(sample: CapacitySample) -> float | None:
    """Of the machine's memory."""
    return _percent(sample.memory_used, sample.memory_total)


def disk_share(sample: CapacitySample) -> float | None:
    """Of its fullest disk."""
    found = [_percent(disk["used"], disk["total"]) for disk in sample.disks]
    return max((share for share in found if share is not None), default=None)


def connection_share(sample: CapacitySample) -> float | None:
    """Of the connections that its PostgreSQL allows."""
    return _percent(sample.connections, sample.max_connections)


def _percent(part: int | None, whole: int | None) -> float | None:
    return 100.0 * part / whole if part is not None and whole else None
