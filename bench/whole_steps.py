"""A whole trivial step: chosen, written ahead, run under the wrapper, its log stored, its outcome kept and audited.

python -m bench.whole_steps [STEPS]
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from bench.queries import Asked, counted
from bench.ssh import expect
from bench.stage import stage, started, world_on
from tests.engine.sshd import Sshd

STEPS = 50


@dataclass(frozen=True)
class Whole:
    """Of one step of a deployment of `steps`: wall time, this process's processor time, statements."""

    steps: int
    ms: float
    cpu_ms: float
    statements: float
    connections: int
    asked: Asked


def runbook(steps: int, command: str = "true") -> str:
    """That many steps, one after the other."""
    head = "kind: deploy\ntitle: {ko: 측정, en: Bench}\nsteps:\n"
    return head + "".join(
        f"  - {{key: s{n}, title: {{ko: s{n}, en: s{n}}}, role: DevOps, phase: replace, runs_on: app, estimate: 1,"
        f" action: shell, parameters: {{command: {command!r}}}}}\n"
        for n in range(steps)
    )


def measure(machine: Sshd, steps: int = STEPS) -> Whole:
    """Drive a whole deployment to its success, its connection included."""
    from releases import lifecycle
    from releases.engine import driver

    world = world_on(machine, runbook(steps))
    driver.drive(started(world).pk)  # what is loaded and compiled once
    deployment = started(world)
    with counted() as asked:
        began, used = time.perf_counter(), time.process_time()
        driver.drive(deployment.pk)
        taken, cpu = time.perf_counter() - began, time.process_time() - used
    deployment.refresh_from_db()
    expect(deployment.status == lifecycle.SUCCEEDED, f"a deployment that succeeds, not {deployment.status}")
    per = 1000 / steps
    return Whole(steps, taken * per, cpu * per, asked.total / steps, asked.connections, asked)


def main() -> None:
    """What is asked of the database for a step, most often first."""
    with stage() as machine:
        found = measure(machine, int(sys.argv[1]) if len(sys.argv) > 1 else STEPS)
    for sql, times in found.asked.statements.most_common(60):
        print(f"{times / found.steps:6.2f}  {sql[:150]}")
    print(f"{found.ms:.1f} ms a step, {found.cpu_ms:.1f} ms of it computing here, {found.statements:.1f} statements,")
    print(f"{found.connections} connections to PostgreSQL for {found.steps} steps")


if __name__ == "__main__":
    main()
