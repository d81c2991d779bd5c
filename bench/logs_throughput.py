"""Log bytes a second from the machine to us, through the step wrapper, against plain `ssh`.

python -m bench.logs_throughput [LINES]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path

from bench.ssh import expect, loopback, stock_ssh
from releases.remote.connection import open_transport
from releases.remote.steps import StepClient, StepScript
from tests.engine.sshd import Sshd

LINE = 122  # characters of a line, newline included


class Sink:
    """Takes the log and keeps nothing but its size."""

    def __init__(self) -> None:
        self.size = 0

    def __call__(self, data: bytes) -> None:
        self.size += len(data)


def produced_by(text: Path) -> str:
    return f"cat '{text}'"


def step_seconds(server: Sshd, text: Path) -> float:
    """A whole step: started, printed to its log on the machine, followed, ended."""
    transport = open_transport(server.target)
    client, sink = StepClient(transport, str(server.folder / "state")), Sink()
    script = StepScript(uuid.uuid4().hex, produced_by(text).encode(), {}, {}, "bench", 1, 600, None)
    started = time.perf_counter()
    status = client.launch_and_follow(script, 0, sink, lambda: False)
    taken = time.perf_counter() - started
    expect(status.state == "finished" and sink.size == text.stat().st_size, f"a whole log, not {status}")
    transport.close()
    return taken


def ssh_seconds(server: Sshd, text: Path) -> float:
    """`ssh host command`, read by this process; its connection is part of the time, as it is in use."""
    started = time.perf_counter()
    with subprocess.Popen(stock_ssh(server, produced_by(text)), stdout=subprocess.PIPE) as process:
        size = 0
        while process.stdout and (data := os.read(process.stdout.fileno(), 1 << 18)):
            size += len(data)
    wanted = text.stat().st_size if text.is_file() else 0
    expect(process.returncode == 0 and size == wanted, "all that ssh was to print")
    return time.perf_counter() - started


def resident() -> int:
    """Bytes of memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(lines: int = 200_000, rounds: int = 3) -> dict[str, float]:
    """MB/s of both, and ours as a multiple of ssh's (1 = as fast)."""
    with loopback() as server:
        text = server.folder / "text"
        text.write_bytes(b"".join(f"{number:09d} ".ljust(LINE - 1, "x").encode() + b"\n" for number in range(lines)))
        size = text.stat().st_size / 1e6
        step_seconds(server, text)
        before = resident()
        ours = statistics.median(step_seconds(server, text) for _ in range(rounds))
        grown = (resident() - before) / 1e6
        plain = statistics.median(ssh_seconds(server, text) for _ in range(rounds))
        connect = statistics.median(ssh_seconds(server, Path("/dev/null")) for _ in range(rounds))
    net = max(plain - connect, 1e-6)
    return {
        "lines": lines,
        "megabytes": size,
        "step_seconds": ours,
        "step_mb_per_s": size / ours,
        "ssh_mb_per_s": size / plain,
        "ssh_without_connect_mb_per_s": size / net,
        "ratio_to_ssh": plain / ours,
        "ratio_to_ssh_without_connect": net / ours,
        "memory_grown_mb": grown,
    }


if __name__ == "__main__":
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
    print(json.dumps({"bench": "logs_throughput", **{k: round(v, 3) for k, v in found.items()}}))
