"""How soon a line that a step prints reaches 1, 100 and 500 open pages, and how fast a big log is stored.

Real parts only: PostgreSQL and Valkey, a LogWriter in a process of its own, one uvicorn process with the whole
application, and pages that log in with a session. Run `python -m bench.stream`.
"""

import asyncio
import json
import re
import statistics
import subprocess
import sys
import time
from base64 import b64decode
from dataclasses import asdict, dataclass

from bench.stage import Web, cookie_of, stage, started
from bench.whole_steps import runbook

LINES_A_SECOND = 100
SECONDS = 5.0
STREAMS = (1, 100, 500)
AT_ONCE = 20
BIG_LOG_LINES = 200_000
GOALS = {"p95_ms": 250.0, "seconds": 1.0, "growth_mb": 10.0}
_FIRST_LINE = re.compile(rb'"data": "([A-Za-z0-9+/]{32})')


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the step's write to the page, of the oldest line of each event."""

    streams: int
    events: int
    p50_ms: float
    p95_ms: float
    worst_ms: float
    server_cpu_percent: float


@dataclass(frozen=True)
class Storing:
    """A big log: seconds until all of it is stored and may be read, and how much the worker grew by."""

    lines: int
    megabytes: float
    seconds: float
    cpu_seconds: float
    growth_mb: float


def main() -> None:
    """Print a table; with an argument, be one of the processes that are measured."""
    if len(sys.argv) > 1:
        _work(sys.argv[1], int(sys.argv[2]))
        return
    with stage():
        print("\n".join(table(*measure())))


def table(latencies: list[Latency], storing: Storing) -> list[str]:
    """Lines to print."""
    lines = [f"{'streams':>8} {'p50 ms':>8} {'p95 ms':>8} {'worst':>8} {'events':>8} {'web CPU':>8}"]
    for row in latencies:
        times = f"{row.p50_ms:8.1f} {row.p95_ms:8.1f} {row.worst_ms:8.1f}"
        missed = "" if row.p95_ms <= GOALS["p95_ms"] else "   misses"
        lines.append(f"{row.streams:8} {times} {row.events:8} {row.server_cpu_percent:7.0f}%{missed}")
    return [
        *lines,
        f"goal: p95 <= {GOALS['p95_ms']:.0f} ms",
        f"storing alone: {storing.lines:,} lines ({storing.megabytes:.1f} MB) masked and stored in"
        f" {storing.seconds:.2f} s, {storing.cpu_seconds:.2f} s of it computing (goal <= {GOALS['seconds']} s);"
        f" worker grew {storing.growth_mb:.1f} MB (goal <= {GOALS['growth_mb']:.0f} MB)",
    ]


def measure() -> tuple[list[Latency], Storing]:
    """Everything, on the servers of the stage."""
    deployment, attempts, cookie = _prepare(len(STREAMS) + 1)
    storing = Storing(**_measured("store", attempts[0]))
    with Web() as web:
        latencies = [
            asyncio.run(_latency(web, deployment, cookie, count, attempt))
            for count, attempt in zip(STREAMS, attempts[1:], strict=True)
        ]
    return latencies, storing


def _prepare(attempts: int) -> tuple[int, list[int], str]:
    """Rows to measure with: the deployment, attempts, and the session cookie of one who may watch."""
    from django.db import connections

    from releases.models import Attempt
    from tests.factories import make_world

    world = make_world(runbook(attempts), approvals_required=0)
    deployment = started(world)
    made = [
        Attempt.objects.create(step=step, number=1, remote_id=f"watched-{step.pk}", status="running").pk
        for step in deployment.steps.all()
    ]
    cookie = cookie_of(world.requester)
    connections.close_all()
    return deployment.pk, made, cookie


def _measured(work: str, attempt: int) -> dict[str, float]:
    answer = subprocess.run([sys.executable, "-m", "bench.stream", work, str(attempt)], check=True, capture_output=True)
    return dict(json.loads(answer.stdout))


async def _latency(web: Web, deployment: int, cookie: str, count: int, attempt: int) -> Latency:
    delays: list[float] = []
    pages = []
    for start in range(0, count, AT_ONCE):  # as people come, not all in one instant
        ready = asyncio.Semaphore(0)
        coming = min(AT_ONCE, count - start)
        pages += [asyncio.create_task(_page(web.port, deployment, cookie, ready, delays)) for _ in range(coming)]
        async with asyncio.timeout(60):
            for _ in range(coming):
                await ready.acquire()
    await asyncio.sleep(1)  # the announcements of who watches have gone round
    used, begin = web.cpu_seconds(), time.monotonic()
    await asyncio.to_thread(_measured, "print", attempt)
    await asyncio.sleep(1)
    percent = 100 * (web.cpu_seconds() - used) / (time.monotonic() - begin)
    for page in pages:
        page.cancel()
    await asyncio.gather(*pages, return_exceptions=True)
    if not delays:
        raise RuntimeError("no event arrived")
    ranked = statistics.quantiles(delays, n=100)
    return Latency(count, len(delays), ranked[49], ranked[94], max(delays), percent)


async def _page(port: int, deployment: int, cookie: str, ready: asyncio.Semaphore, delays: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    try:
        request = f"GET /deployments/{deployment}/events HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n"
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(head.decode())
        is_ready = False
        while line := await reader.readline():
            if line.startswith(b'data: {"version"'):
                is_ready = is_ready or not ready.release()
            found = _FIRST_LINE.search(line) if line.startswith(b'data: {"attempt"') else None
            if found and is_ready and (text := b64decode(found[1])).startswith(b"at "):
                delays.append((time.monotonic() - float(text.split()[1])) * 1000)
    finally:
        writer.close()


def _work(kind: str, attempt_id: int) -> None:
    """Be the worker: print lines with the time in them, or store a big log. Tells what it saw as JSON."""
    import django

    django.setup()
    from releases.logs.store import LogWriter
    from releases.models import Attempt, lease

    attempt = Attempt.objects.select_related("step").get(pk=attempt_id)
    deployment = attempt.step.deployment_id
    token = lease.take(deployment, "bench")
    if token is None:
        raise RuntimeError("the lease is taken")
    writer = LogWriter(attempt, deployment, token, secrets=["a-secret-of-the-bench", "another-secret"])
    print(json.dumps(_print(writer) if kind == "print" else asdict(_store(writer))))
    lease.release(deployment, token)


def _print(writer: "LogWriter") -> dict[str, float]:  # type: ignore[name-defined]  # noqa: F821
    begin = time.monotonic()
    for number in range(int(SECONDS * LINES_A_SECOND)):
        time.sleep(max(0.0, begin + number / LINES_A_SECOND - time.monotonic()))
        writer.write(b"at %017.6f %d some words of a step\n" % (time.monotonic(), number))
    writer.close()
    return {}


def _store(writer: "LogWriter") -> Storing:  # type: ignore[name-defined]  # noqa: F821
    import psutil

    block = b"".join(
        b"%06d 2026-01-01 12:00:00 INFO com.example.Service - handled request %d in 17 ms, status=200, user=%08x\n"
        % (n, n * 7919, n * 2654435761 % 2**32)
        for n in range(2000)
    )
    writer.write(b"the first line\n")
    writer.flush()
    process = psutil.Process()
    before = highest = process.memory_info().rss
    begin, used = time.monotonic(), time.process_time()
    for _ in range(BIG_LOG_LINES // 2000):
        for start in range(0, len(block), 32 * 1024):
            writer.write(block[start : start + 32 * 1024])
        highest = max(highest, process.memory_info().rss)
    writer.close()
    took = time.monotonic() - begin
    megabytes = len(block) * BIG_LOG_LINES / 2000 / 1e6
    return Storing(BIG_LOG_LINES, megabytes, took, time.process_time() - used, (highest - before) / 1e6)


if __name__ == "__main__":
    main()
