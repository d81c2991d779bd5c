"""What the rest of the package asks of a way to run things on a machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

STOP_CHECK = 0.25  # seconds between two looks at stop() while nothing arrives
CHUNK = 256 * 1024  # bytes read or sent at once
KEPT_STDERR = 64 * 1024  # bytes of error output kept in memory

Write = Callable[[bytes], None]
Stop = Callable[[], bool]


class Readable(Protocol):
    """A stream of bytes to send: files and our own tar stream."""

    def read(self, size: int = -1, /) -> bytes: ...


@runtime_checkable
class HandedOver(Protocol):
    """What another program on this machine can read by itself: far less work than to feed it."""

    def hand_over(self) -> int:
        """The descriptor of the file, which stands where the reading has to begin."""

    def tell_progress(self) -> None:
        """Called now and then while it is read."""


@dataclass(frozen=True, slots=True)
class Completed:
    """`exit_code` is None when a signal ended it, or when stop() said so. `stdout` is empty if `write` took it."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes


@runtime_checkable
class Transport(Protocol):
    """One open way to run things on a machine. `execute` may be called from several threads at once."""

    name: str

    def execute(
        self,
        command: str,
        stdin: Readable | bytes | None = None,
        *,
        write: Write | None = None,
        write_error: Write | None = None,
        stop: Stop | None = None,
        size: int = 0,
    ) -> Completed:
        """Run `command` by the login shell and wait for it; output goes to `write` as it comes, raw.

        `size`: bytes that will pass, as far as that is known; for many a quicker way may be taken.

        Raises ConnectionLost when the connection breaks; what `write` raises comes through. Big output without
        `write` sits in memory. When stop() is true the command's channel is closed and exit_code is None.
        """

    def close(self) -> None: ...


class Output:
    """Collects what a command prints: to the callback when there is one, else into memory."""

    def __init__(self, write: Write | None, write_error: Write | None) -> None:
        self._stdout = bytearray()
        self._stderr = bytearray()
        self.write: Write = write or self._stdout.extend
        self._write_error = write_error

    def error(self, data: bytes) -> None:
        if self._write_error:
            self._write_error(data)
        self._stderr += data
        del self._stderr[:-KEPT_STDERR]

    def completed(self, exit_code: int | None) -> Completed:
        return Completed(exit_code, bytes(self._stdout), bytes(self._stderr))


class StopCheck:
    """Asks stop() at most every STOP_CHECK seconds: it may cost a query, and output may come in thousands of pieces."""

    def __init__(self, stop: Stop | None) -> None:
        self._stop = stop
        self._next = 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if self._stop is None or now < self._next:
            return False
        self._next = now + STOP_CHECK
        return self._stop()


def pump(stdin: Readable | bytes, send: Callable[[bytes], object]) -> None:
    """Send all of `stdin`, a chunk at a time, so that memory stays bounded."""
    if isinstance(stdin, bytes):
        send(stdin)
        return
    while data := stdin.read(CHUNK):
        send(data)
