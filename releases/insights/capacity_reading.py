"""What a host answered, taken apart strictly: what does not look as it should is missing, never zero."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

_DISK: Final = re.compile(r"^.+?\s+(\d+)\s+(\d+)\s+(\d+)\s+(?:\d+%|-)\s+/")
_UNIT: Final = re.compile(r"^/proc/(\d+)/cgroup:(?:0:|\d+:name=systemd):(/.*)$")
_SHARE: Final = re.compile(r"^/proc/(\d+)/smaps_rollup:Pss:\s+(\d+) kB$")
_BACKEND: Final = re.compile(
    r"^postgres: (?:[^ ]+: )?(?P<user>[^ ]+) (?P<database>[^ ]+) (?:\[local\]|[0-9a-f.:]+\(\d+\)|[^ ]+\(\d+\)) "
)
_ANSWER: Final = re.compile(r"^(\d+)\|(\d+)$")


@dataclass
class Process:
    """One process. Memory in bytes; `share` is its PSS where the kernel let the login read it."""

    pid: int
    user: str = ""
    arguments: str = ""
    units: tuple[str, ...] = ()
    resident: int = 0
    private: int | None = None
    file: int = 0
    shared: int = 0
    share: int | None = None
    ticks: int = 0  # used between the two looks


@dataclass
class Reading:
    """Bytes, seconds, percent of the whole machine. What could not be read is None, and named in `missing`: a word, and
    maybe more about it behind a space.
    """

    cpus: int | None = None
    boot: str = ""
    uptime: float | None = None
    load: float | None = None
    memory_total: int | None = None
    memory_used: int | None = None
    disks: list[dict[str, int | str]] = field(default_factory=list)
    cpu: float | None = None
    busy: int | None = None  # ticks since the boot
    total: int | None = None
    span: int = 0  # ticks of all CPUs between the two looks
    processes: dict[int, Process] = field(default_factory=dict)
    connections: int | None = None
    max_connections: int | None = None
    missing: list[str] = field(default_factory=list)


def sections(answer: str, mark: str) -> dict[str, str]:
    """The answers by name; one that was cut, or whose end never came, is not there."""
    found: dict[str, str] = {}
    name = ""
    kept: list[str] = []
    for line in answer.split("\n"):
        if line.startswith(f"{mark} begin "):
            name, kept = line.removeprefix(f"{mark} begin "), []
        elif line.startswith(f"{mark} end "):
            if name and line.endswith(f" {name}"):
                found[name] = "\n".join(kept).strip("\n")
            name = ""
        else:
            kept.append(line)
    return found


def parse(answers: Mapping[str, str], paths: Iterable[str], *, by_psql: bool) -> Reading:
    """All that the answers say."""
    read = Reading()
    read.cpus = _whole(answers.get("cpus", ""))
    read.boot = answers.get("boot", "").strip()[:60]
    read.uptime = _number(answers.get("uptime", ""), 0)
    read.load = _number(answers.get("load", ""), 2)
    read.memory_total, read.memory_used = _memory(answers.get("memory", ""))
    read.disks = [disk for path in paths if (disk := _disk(path, answers.get(f"disk {path}", "")))]
    _cpu(read, answers)
    _processes(read, answers)
    if by_psql:
        read.connections, read.max_connections = _asked(answers.get("database", ""))
    elif read.processes:
        read.connections = sum(bool(_BACKEND.match(one.arguments)) for one in read.processes.values())
    read.missing = list(_missing(read, answers, list(paths)))
    return read


def _missing(read: Reading, answers: Mapping[str, str], paths: list[str]) -> Iterable[str]:
    known = {"cpus": read.cpus, "memory": read.memory_used, "cpu": read.cpu}
    yield from (name for name, value in known.items() if value is None)
    if read.connections is None:
        said = " ".join(answers.get("database", "").split())
        yield f"connections {said}"[:200].strip()  # what psql said
    there = {disk["path"] for disk in read.disks}
    yield from (f"disk {path}" for path in paths if path not in there)
    if not read.processes:
        yield "processes"
    elif not answers.get("units"):
        yield "units"


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 32768 else None


def _number(text: str, place: int) -> float | None:
    words = text.split()
    try:
        return float(words[place]) if float(words[place]) >= 0 else None
    except (IndexError, ValueError):
        return None


def _memory(text: str) -> tuple[int | None, int | None]:
    """Total and used, by what `free` calls available: caches count as free."""
    lines = [line.split() for line in text.splitlines()]
    row = next((line[1:] for line in lines if line and line[0] == "Mem:"), [])
    names = next((line for line in lines if line and line[0] == "total"), [])
    values = dict(zip(names, row, strict=False))
    total, available = (values.get(name, "") for name in ("total", "available"))
    if not (total.isdigit() and available.isdigit() and 0 <= int(available) <= int(total) and int(total)):
        return None, None
    return int(total), int(total) - int(available)


def _disk(path: str, text: str) -> dict[str, int | str] | None:
    """Of the folder's file system: what is used, of what is used or free for ordinary programs, as `df` reckons it."""
    found = _DISK.match(text.splitlines()[-1]) if text else None
    if found is None:
        return None
    _blocks, used, free = (int(value) * 1024 for value in found.groups())
    return {"path": path, "total": used + free, "used": used} if used + free else None


def _stat(line: str) -> tuple[int, int] | None:
    """Busy and all ticks of all CPUs; a guest's time is part of user's."""
    words = line.split()
    if len(words) < 9 or words[0] != "cpu" or not all(word.isdigit() for word in words[1:9]):
        return None
    ticks = [int(word) for word in words[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def _cpu(read: Reading, answers: Mapping[str, str]) -> None:
    before, after = _stat(answers.get("cpu_before", "")), _stat(answers.get("cpu_after", ""))
    if after is not None:
        read.busy, read.total = after
    if before is not None and after is not None and after[1] > before[1]:
        read.span = after[1] - before[1]
        read.cpu = min(100.0, max(0.0, 100.0 * (after[0] - before[0]) / read.span))


def _ticks(text: str) -> dict[int, int]:
    rows = (line.split() for line in text.splitlines())
    return {
        int(row[0]): int(row[1]) + int(row[2]) for row in rows if len(row) == 3 and all(word.isdigit() for word in row)
    }


def _processes(read: Reading, answers: Mapping[str, str]) -> None:
    for line in answers.get("processes", "").splitlines():
        words = line.split(None, 2)
        if len(words) == 3 and words[0].isdigit():
            read.processes[int(words[0])] = Process(int(words[0]), words[1], words[2])
    _memories(read.processes, answers.get("memories", ""))
    for line in answers.get("shares", "").splitlines():
        if (found := _SHARE.match(line)) and (one := read.processes.get(int(found[1]))):
            one.share = int(found[2]) * 1024
    for line in answers.get("units", "").splitlines():
        if (unit := _UNIT.match(line)) and (one := read.processes.get(int(unit[1]))):
            one.units += tuple(part for part in unit[2].split("/") if part)
    before, after = _ticks(answers.get("ticks_before", "")), _ticks(answers.get("ticks_after", ""))
    for pid, ticks in after.items():
        if one := read.processes.get(pid):
            one.ticks = max(0, ticks - before.get(pid, ticks))


def _memories(processes: Mapping[int, Process], text: str) -> None:
    """/proc/*/status: a process's lines follow its Pid. Kernel threads have no memory of their own."""
    one: Process | None = None
    for line in text.splitlines():
        name, _colon, rest = line.partition(":")
        words = rest.split()
        if not words or not words[0].isdigit():
            continue
        value = int(words[0])
        if name == "Pid":
            one = processes.get(value)
        elif one is None:
            continue
        elif name == "VmRSS":
            one.resident = value * 1024
        elif name == "RssAnon":
            one.private = value * 1024
        elif name == "RssFile":
            one.file = value * 1024
        elif name == "RssShmem":
            one.shared = value * 1024


def _asked(text: str) -> tuple[int | None, int | None]:
    found = _ANSWER.match(text.strip())
    return (int(found[1]), int(found[2])) if found else (None, None)
