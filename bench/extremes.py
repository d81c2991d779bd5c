"""What the engine does at its limits: logs too big for memory, output without end, twenty deployments at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil

from tests.faults.rig import Rig
from tests.faults.run import Run
from tests.faults.slot import Slot, Work

GOAL_GROWTH_MB = 200.0
AT_ONCE = 20
STEPS = 5
OURS = ("DATABASE_URL", "REDIS_URL", "CLOUDWIKI_", "DJANGO_")
PATIENCE = 900.0  # seconds for one deployment

# What each prints; `printed` is checked against what was stored (None: more than may be kept).
OUTPUTS = {
    "a log of 1 GB": ("yes 'a line of an ordinary log, about as long as such lines are' | head -c 1000000000", 10**9),
    "one line of 100 MB": ("head -c 100000000 /dev/zero | tr '\\0' x; echo", 10**8 + 1),
    "as many lines as it can for 5 s": ("timeout 5 yes 'a line'; true", None),
}


@dataclass
class Found:
    """One deployment: seconds from the start to its end, bytes kept, MB that its driver's memory grew at most."""

    seconds: float
    stored: int
    growth_mb: float
    cut: bool


def table() -> Iterator[str]:
    """Lines to print; measured in a process of its own, since Django knows one database a process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    with subprocess.Popen(
        [sys.executable, "-m", "bench.extremes"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            yield line.rstrip("\n")
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}")


def measured() -> Iterator[str]:
    """The same lines, measured here."""
    with Rig(workers=AT_ONCE) as rig:
        first = Slot(rig, 0)
        _run(first.begin(Work(lines=1, pause=0)))  # the first one also opens what later ones find open
        for name, (command, printed) in OUTPUTS.items():
            found = _watched(first.begin(Work(lines=0, before=command, opaque=True)))
            rate = found.stored / found.seconds / 1e6
            said = f"{name:<34}{found.stored / 1e6:9.1f} MB kept in {found.seconds:6.1f} s = {rate:6.1f} MB/s"
            grew = f"the worker grew {found.growth_mb:.1f} MB   goal < {GOAL_GROWTH_MB:.0f} MB"
            yield f"{said}   {grew}{'' if found.growth_mb < GOAL_GROWTH_MB else ': misses'}"
            if printed is None:
                yield f"{'':<34}cut at the cap, and the log says so: {'yes' if found.cut else 'NO'}"
            elif found.stored != printed:
                yield f"{'':<34}but {printed} bytes were printed"
        yield from _crowd(rig, first)


def _crowd(rig: Rig, first: Slot) -> Iterator[str]:
    works = [Work(f"step_{number}", lines=1, pause=0) for number in range(STEPS)]
    alone = _run(first.begin(*works))
    slots = [first, *(Slot(rig, number) for number in range(1, AT_ONCE))]
    drafts = [slot.draft(*works) for slot in slots]
    began = time.monotonic()
    for run in drafts:
        run.start()
    ended = [run.until_over(PATIENCE) for run in drafts]
    seconds = time.monotonic() - began
    bad = sum(status != "succeeded" for status in ended)
    yield (
        f"{AT_ONCE} deployments at once on {AT_ONCE} hosts   {seconds:6.1f} s for {AT_ONCE * STEPS} steps"
        f" = {AT_ONCE * STEPS / seconds:.1f} steps a second; one alone took {alone:.1f} s,"
        f" {seconds / alone:.1f} times for {AT_ONCE} times the work; {bad} did not succeed"
    )


def _run(run: Run) -> float:
    began = time.monotonic()
    _require_success(run, run.until_over(PATIENCE))
    return time.monotonic() - began


def _require_success(run: Run, status: str) -> None:
    if status != "succeeded":
        raise RuntimeError(f"#{run.pk} ended as {status or 'nothing'}")


def _watched(run: Run) -> Found:
    began = time.monotonic()
    driver = psutil.Process(run.driver())
    before = most = driver.memory_info().rss
    status = ""
    while not status and time.monotonic() - began < PATIENCE:
        status = run.until_over(0.1)
        with suppress(psutil.Error):
            most = max(most, driver.memory_info().rss)
    seconds = time.monotonic() - began
    _require_success(run, status)
    stored = run.attempts()[-1].log_size - len(run.head())
    return Found(seconds, stored, (most - before) / 1e6, b"[log cut here" in run.tail())


if __name__ == "__main__":
    for measured_line in measured():
        print(measured_line, flush=True)
