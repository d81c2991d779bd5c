"""Measure everything in one run and print ratios: `make bench`.

The parts run one after the other on servers of their own. Other work on the machine shows in every number,
so the load is printed with them; ratios suffer less than times.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import backups, extremes, pages, steps, stream, whole_log, whole_steps
from bench.ssh import ansible
from bench.stage import stage
from tests.engine.sshd import Sshd

GOAL_STEP_MS = 60.0
GOAL_ANSIBLE = 5.0


def main() -> None:
    """Every part; one that breaks says so and the others go on. Never a test of speed: the exit code is 0."""
    with stage() as machine:
        parts: dict[str, Callable[[], Iterator[str]]] = {
            "A trivial step, whole": lambda: _steps(machine),
            "A big log": lambda: _log(machine),
            "From a line on the host to the browser": _stream,
            "Backing up, sending, putting back": backups.measure,
            "At the limits": extremes.table,
            f"Pages with {pages.DEPLOYMENTS:,} deployments in the history": _pages,
        }
        for title, part in parts.items():
            print(f"\n{title}   (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors)", flush=True)
            try:
                for line in part():
                    print(f"  {line}", flush=True)
            except Exception as error:
                print(f"  not measured: {type(error).__name__}: {error}", flush=True)


def _steps(machine: Sshd) -> Iterator[str]:
    ours = whole_steps.measure(machine)
    yield _row(
        "ours: engine, wrapper, log stored", ours.ms, 1, f"goal <= {GOAL_STEP_MS:.0f} ms", ours.ms <= GOAL_STEP_MS
    )
    yield (
        f"  {ours.cpu_ms:.1f} ms of it computing in the worker; {ours.statements:.0f} statements a step,"
        f" {ours.connections} connections to PostgreSQL for {ours.steps} steps"
    )
    wrapped = sorted(steps.step_ms(machine, ours.steps))
    yield _row("the wrapper alone, one connection", wrapped[len(wrapped) // 2], wrapped[len(wrapped) // 2] / ours.ms)
    for name, reuse in (("stock Fabric, one connection", True), ("stock Fabric, a connection each", False)):
        other = steps.fabric_ms(machine, ours.steps if reuse else ours.steps // 5, reuse=reuse)
        yield _row(name, other, other / ours.ms)
    with tempfile.TemporaryDirectory(prefix="cloudwiki-bench-") as folder, ansible(Path(folder)) as playbook:
        if playbook is None:
            yield "ansible-playbook: left out, it could not be installed (see above)"
            return
        other = steps.ansible_ms(machine, playbook, Path(folder))
        goal = f"goal >= {GOAL_ANSIBLE:.0f} times ours"
        yield _row("ansible-playbook, pipelining", other, other / ours.ms, goal, other >= GOAL_ANSIBLE * ours.ms)


def _row(name: str, milliseconds: float, ratio: float, goal: str = "", met: bool = True) -> str:
    return f"{name:<36}{milliseconds:9.1f} ms{ratio:9.2f} x ours   {goal}{'' if met else ': misses'}".rstrip()


def _log(machine: Sshd) -> Iterator[str]:
    found = whole_log.measure(machine)
    net = found.step - found.small_step
    yield f"{found.lines:,} lines, {found.megabytes:.1f} MB"
    yield (
        f"host to stored, through the engine   {found.step:6.2f} s = {found.megabytes / found.step:6.1f} MB/s"
        f"   ({found.step_cpu:.2f} s computing in the worker; a trivial step takes {found.small_step:.2f} s)"
    )
    yield (
        f"plain ssh, read and thrown away      {found.ssh:6.2f} s = {found.megabytes / found.ssh:6.1f} MB/s"
        f"   ours: {found.ssh / found.step:.2f} of its rate, {found.ssh / max(net, 1e-6):.2f} without the step itself"
    )
    yield _goal(
        f"stored and viewable {found.viewable:.2f} s (first and last page of lines: {found.pages * 1000:.0f} ms)",
        f"<= {whole_log.GOAL_SECONDS:.0f} s", found.viewable <= whole_log.GOAL_SECONDS,
    )  # fmt: skip
    yield _goal(
        f"the worker's memory grew {found.growth_mb:.1f} MB at most",
        f"<= {whole_log.GOAL_GROWTH_MB:.0f} MB", found.growth_mb <= whole_log.GOAL_GROWTH_MB,
    )  # fmt: skip


def _goal(said: str, goal: str, met: bool) -> str:
    return f"{said}   goal {goal}{'' if met else ': misses'}"


def _stream() -> Iterator[str]:
    yield from stream.table(*stream.measure())


def _pages() -> Iterator[str]:
    yield from pages.table(pages.measure())


if __name__ == "__main__":
    main()
