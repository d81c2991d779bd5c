"""The SHA-256 of a file, read beside the sending of it."""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from .errors import SourceChanged, TransferStopped
from .transport import STOP_CHECK, Stop

PIECE: Final = 1 << 20  # bytes read at once


class Summing:
    """Sums up `file` in a thread while the context lasts. `expected`: what its sum must be, or "" for any."""

    def __init__(self, file: BinaryIO, expected: str) -> None:
        self._file, self._expected = file, expected
        self._status = os.fstat(file.fileno())
        self._given_up = threading.Event()
        self._pool = ThreadPoolExecutor(1, "summing")
        self._sum: Future[str] | None = None
        self.size, self.mode = self._status.st_size, self._status.st_mode

    def __enter__(self) -> Self:
        self._sum = self._pool.submit(self._read)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._given_up.set()
        self._pool.shutdown()

    def result(self, stop: Stop) -> str:
        """The sum. Raises SourceChanged where it is not the one expected, TransferStopped, OSError."""
        assert self._sum is not None  # noqa: S101 inside the context
        while not wait([self._sum], STOP_CHECK).done:
            if stop():
                raise TransferStopped("The transfer was stopped.")
        found = self._sum.result()
        if self._expected and found != self._expected:
            raise SourceChanged(f"{self._name} does not hold what it should.")
        return found

    @property
    def differs(self) -> bool:
        """Whether it is known by now that the sum is not the one expected, or that the file can't be read."""
        if self._sum is None or not self._sum.done():
            return False
        return self._sum.exception() is not None or bool(self._expected and self._sum.result() != self._expected)

    def require_same(self) -> None:
        """Raises SourceChanged when the file was written to since it was opened."""
        now = os.fstat(self._file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._status.st_size, self._status.st_mtime_ns):
            raise SourceChanged(f"{self._name} changed while it was sent.")

    @property
    def _name(self) -> str:
        return Path(self._file.name).name

    def _read(self) -> str:
        digest, at = hashlib.sha256(), 0
        while not self._given_up.is_set() and (data := os.pread(self._file.fileno(), PIECE, at)):
            digest.update(data)
            at += len(data)
        return digest.hexdigest()
