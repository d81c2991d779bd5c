"""A big log through the engine: from the machine to rows that can be read, against plain `ssh` of the same command."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass

from bench.logs_throughput import LINE, produced_by, resident, ssh_seconds
from bench.ssh import expect
from bench.stage import Web, cookie_of, started, world_on
from bench.whole_steps import runbook
from tests.engine.sshd import Sshd

LINES = 200_000
PAGE = 500  # lines of a page of the log
GOAL_SECONDS = 1.0
GOAL_GROWTH_MB = 10.0


@dataclass(frozen=True)
class Log:
    """Seconds: `step` the whole deployment of one step, `pages` its first and last page of lines over HTTP."""

    lines: int
    megabytes: float
    step: float
    step_cpu: float
    small_step: float
    pages: float
    ssh: float
    growth_mb: float

    @property
    def viewable(self) -> float:
        """Stored and both pages read; what a step costs anyway is left out."""
        return self.step - self.small_step + self.pages


def measure(machine: Sshd) -> Log:
    """One log of 200,000 lines, made by a step on the machine."""
    text = machine.folder / "text"
    text.write_bytes(b"".join(f"{number:09d} ".ljust(LINE - 1, "x").encode() + b"\n" for number in range(LINES)))
    _drive(machine, "true")
    small, _cpu, _growth, _attempt, _cookie = _drive(machine, "true")
    taken, cpu, growth, attempt, cookie = _drive(machine, produced_by(text))
    with Web() as web:
        _pages(web, attempt, cookie)
        pages = _pages(web, attempt, cookie)
    size = text.stat().st_size / 1e6
    return Log(LINES, size, taken, cpu, small, pages, ssh_seconds(machine, text), growth)


def _drive(machine: Sshd, command: str) -> tuple[float, float, float, int, str]:
    """Seconds, processor seconds, growth of memory in MB, the attempt, a cookie of one who may read it."""
    from releases import lifecycle
    from releases.engine import driver
    from releases.models import Attempt

    world = world_on(machine, runbook(1, command))
    deployment = started(world)
    with _Peak() as peak:
        began, used = time.perf_counter(), time.process_time()
        driver.drive(deployment.pk)
        taken, cpu = time.perf_counter() - began, time.process_time() - used
    deployment.refresh_from_db()
    expect(deployment.status == lifecycle.SUCCEEDED, f"a deployment that succeeds, not {deployment.status}")
    attempt = Attempt.objects.get(step__deployment=deployment)
    return taken, cpu, peak.growth / 1e6, attempt.pk, cookie_of(world.requester)


def _pages(web: Web, attempt: int, cookie: str) -> float:
    """Seconds for the first and the last page of lines, as the log pane asks for them."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
    began = time.perf_counter()
    for query in (f"?from_line=1&lines={PAGE}", f"?lines={PAGE}"):
        connection.request("GET", f"/attempts/{attempt}/log{query}", headers={"Cookie": cookie, "Host": "localhost"})
        answer = connection.getresponse()
        found = json.loads(answer.read())
        expect(answer.status == 200 and len(found["lines"]) == PAGE, f"a page of lines, not {answer.status}")
        expect(found["total_lines"] >= LINES, f"a whole log, not {found['total_lines']} lines")
    taken = time.perf_counter() - began
    connection.close()
    return taken


class _Peak:
    """How far the memory of this process rises above what it was, looked at every 5 ms."""

    def __enter__(self) -> _Peak:
        self._before = self._highest = resident()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._ended.wait(0.005):
            self._highest = max(self._highest, resident())

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        """Bytes."""
        return self._highest - self._before
