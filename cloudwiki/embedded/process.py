"""Start and stop one server process."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cloudwiki.embedded.account import Account

LARGEST_LOG = 10_000_000  # bytes; a larger one is set aside at the next start
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent(signal_number: int) -> Callable[[], None] | None:
    """A `preexec_fn` that makes the kernel send a signal when our main thread is gone (Linux only)."""
    libc = _LIBC
    if libc is None:
        return None
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal_number)


def launch(
    arguments: Sequence[str | Path], account: Account, folder: Path, log: Path, ending: signal.Signals
) -> "subprocess.Popen[bytes]":
    """Start a server in its own session, so that Ctrl-C in a terminal does not reach it before its clients."""
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        return subprocess.Popen(
            account.command(arguments),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent(ending),
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            **account.popen_options(),
        )


def stop(process: "subprocess.Popen[bytes]", *signals: tuple[signal.Signals, float]) -> None:
    """Send each signal in turn, waiting so many seconds after each, until the process has ended."""
    for number, seconds in (*signals, (signal.SIGKILL, 5.0)):
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, for the message of a failed start."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
    except OSError:
        return "(no log)"


def until(seconds: float, every: float = 0.02) -> Iterator[None]:
    """Yield, with a pause in between, until the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(every)


def is_alive(pid: int) -> bool:
    """Whether a process of this number exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
