"""`python -m cloudwiki up` as a process of a test."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import httpx
import psutil

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 90.0  # seconds; a busy machine takes its time


class Up:
    """A running Cloud Wiki on a data folder of its own; killed whole at the end of the block."""

    def __init__(self, data: Path, port: int, **environment: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        self.data = data
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cloudwiki", "up"],
            cwd=ROOT,
            env=inherited
            | {"CLOUDWIKI_DATA": str(data), "CLOUDWIKI_PORT": str(port), "CLOUDWIKI_WORKERS": "1"}
            | {"DJANGO_SETTINGS_MODULE": "tests.platform.stream_settings", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    @property
    def address(self) -> str:
        return str(json.loads((self.data / "web.json").read_text())["address"])

    def until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def until_said(self, text: str) -> None:
        self.until(lambda: text in self.output)

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def named(self, verb: str) -> psutil.Process:
        """The process that runs this verb, or this server."""
        for process in psutil.Process(self.process.pid).children():
            if verb in process.cmdline()[-1:] or verb == process.name():
                return process
        raise LookupError(verb)

    def stop(self, number: signal.Signals = signal.SIGINT) -> float:
        """Send the signal; returns the seconds until the supervisor has ended."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        self._reader.join(10)
        return time.monotonic() - began

    def __enter__(self) -> "Up":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            family = self.descendants()
            self.process.kill()
            for process in family:
                if process.is_running():
                    process.kill()
        self.process.wait()


class Stream:
    """A browser's open event stream."""

    def __init__(self, url: str) -> None:
        self.received = b""
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(url,), daemon=True)
        self._thread.start()

    def _read(self, url: str) -> None:
        try:
            with httpx.stream("GET", url, timeout=60) as answer:
                for part in answer.iter_raw():
                    self.received += part
        except httpx.HTTPError:
            self.received += b"(cut off)"
        finally:
            self.ended.set()


def taken_port() -> socket.socket:
    """A listening socket on a port whose successor was free a moment ago."""
    while True:
        taken = socket.create_server(("127.0.0.1", 0))
        try:
            socket.create_server(("127.0.0.1", taken.getsockname()[1] + 1)).close()
        except (OSError, OverflowError):
            taken.close()
            continue
        return taken
