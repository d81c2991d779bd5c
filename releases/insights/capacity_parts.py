"""Which process belongs to which component of the plan, and what each component takes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from releases.insights.capacity_reading import Process, Reading
from releases.models import Component

PSS: Final = "pss"  # the kernel's own share of each process
PARTS: Final = "parts"  # own memory summed, the largest shared part once: a little less than it is
RESIDENT: Final = "rss"  # shared memory counted in each process: more than it is


@dataclass(frozen=True)
class Taken:
    """What the processes of one component take: bytes and how they were reckoned, percent of the whole machine."""

    memory: int
    basis: str
    cpu: float | None
    processes: int


def belongs(component: Component, process: Process) -> bool:
    """Whether the component's mark is on the process."""
    if component.match == Component.Match.UNIT:
        wanted = component.value if "." in component.value else f"{component.value}.service"
        return any(fnmatchcase(unit, wanted) for unit in process.units)
    if component.match == Component.Match.COMMAND:
        return component.value in process.arguments
    return component.match == Component.Match.USER and process.user == component.value


def taken(components: Iterable[Component], reading: Reading) -> dict[str, dict[str, Any]]:
    """By the component's number as text; the first whose mark fits has the process, what is left over has `rest`.

    A component without a process takes 0 of what was looked at, and says so by its count.
    """
    if not reading.processes:
        return {}
    ordered = list(components)
    rest = next((one for one in ordered if one.match == Component.Match.REST), None)
    marked = [one for one in ordered if one.match != Component.Match.REST]
    found: dict[int, list[Process]] = defaultdict(list)
    for process in reading.processes.values():
        owner = next((one for one in marked if belongs(one, process)), rest)
        if owner is not None:
            found[owner.pk].append(process)
    return {str(one.pk): asdict(_summed(found[one.pk], reading.span)) for one in ordered}


def _summed(processes: list[Process], span: int) -> Taken:
    memory, basis = _memory(processes)
    cpu = round(100.0 * sum(one.ticks for one in processes) / span, 2) if span else None
    return Taken(memory, basis, cpu, len(processes))


def _memory(processes: list[Process]) -> tuple[int, str]:
    real = [one for one in processes if one.resident]
    if all(one.share is not None for one in real):
        return sum(one.share or 0 for one in real), PSS
    if all(one.private is not None for one in real):
        shared = max(one.file for one in real) + max(one.shared for one in real)
        return sum(one.private or 0 for one in real) + shared, PARTS
    return sum(one.resident for one in real), RESIDENT


def mean(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The mean of one component over several readings, and the most it took; None without any."""
    rows = list(entries)
    if not rows:
        return None
    cpus = [row["cpu"] for row in rows if row["cpu"] is not None]
    return {
        "memory": sum(row["memory"] for row in rows) / len(rows),
        "memory_most": max(row["memory"] for row in rows),
        "cpu": sum(cpus) / len(cpus) if cpus else None,
        "cpu_most": max(cpus) if cpus else None,
        "processes": rows[-1]["processes"],
        "basis": rows[-1]["basis"],
    }
