"""A loopback SSH server for the benchmarks, and how they measure."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engine.sshd import Sshd


@contextmanager
def loopback() -> Iterator[Sshd]:
    """A real sshd run by whoever runs the benchmark, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="cloudwiki-bench-") as folder:
        server = Sshd(Path(folder) / "sshd")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def stock_ssh(server: Sshd, *command: str) -> list[str]:
    """argv of plain OpenSSH to that server, its key checked."""
    known = server.folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")
    options = (f"UserKnownHostsFile={known}", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "BatchMode=yes")
    flags = [word for option in options for word in ("-o", option)]
    where = ["-F", "none", "-i", str(server.client_key), "-p", str(server.port), f"{server.user}@127.0.0.1"]
    return ["ssh", *flags, *where, *command]


def expect(true: bool, what: str) -> None:
    """A number measured on something that went wrong is worth nothing."""
    if not true:
        raise RuntimeError(f"expected {what}")


def median_ms(act: Callable[[], object], times: int, warm_up: int = 2) -> float:
    """Median wall time of `act` in milliseconds."""
    return statistics.median(samples_ms(act, times, warm_up))


def samples_ms(act: Callable[[], object], times: int, warm_up: int = 2) -> list[float]:
    taken = []
    for index in range(times + warm_up):
        started = time.perf_counter()
        act()
        if index >= warm_up:
            taken.append((time.perf_counter() - started) * 1000)
    return taken


@contextmanager
def ansible(folder: Path) -> Iterator[Path | None]:
    """ansible-playbook in a throw-away environment; None, with the reason printed, when it cannot be had."""
    environment = folder / "ansible"
    make = [sys.executable, "-m", "venv", str(environment)]
    install = [str(environment / "bin" / "pip"), "install", "-q", "ansible-core"]
    for command in (make, install):
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if done.returncode:
            print(f"ansible skipped: {' '.join(command[1:3])} failed: {done.stderr.strip()[-200:]}")
            yield None
            return
    yield environment / "bin" / "ansible-playbook"
