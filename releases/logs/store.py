"""Reading stored logs, by byte offset or by line number. Offsets count the bytes of the masked log."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import zstandard
from django.db import connections

from releases.logs.writer import LogConflict, LogWriter
from releases.models import Attempt, LogChunk

__all__ = [
    "Line",
    "LogConflict",
    "LogWriter",
    "Piece",
    "chunks",
    "download",
    "in_thread",
    "lines",
    "pieces",
    "read",
    "sha256",
    "size_and_lines",
    "tail_lines",
    "tail_offset",
]

MAX_LINE = 64 * 1024  # bytes of a line that `lines` gives; the whole is in the download
MAX_LINES = 10_000
_DOWNLOAD_BYTES = 1024 * 1024
_MAX_CHUNK = 8 * 1024 * 1024

# A few threads for all streams: a stream must hold neither a thread nor a database connection while it waits.
_pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="log-reader")


@dataclass(frozen=True)
class Piece:
    """Consecutive bytes of a log: `line` is the number (from 1) of the line that the first one belongs to."""

    offset: int
    line: int
    at: datetime
    data: bytes

    def after(self, offset: int) -> "Piece":
        """The same without what stands before the offset."""
        if offset <= self.offset:
            return self
        cut = self.data[: offset - self.offset]
        return Piece(offset, self.line + cut.count(b"\n"), self.at, self.data[len(cut) :])


@dataclass(frozen=True)
class Line:
    """One line without its newline. `at` is when its beginning was stored, `offset` where it begins.

    `is_cut`: it is longer than MAX_LINE and the rest is left out.
    """

    number: int
    at: datetime
    data: bytes
    offset: int
    is_cut: bool = False


def size_and_lines(attempt_id: int) -> tuple[int, int]:
    """Bytes and lines of the stored log; a last line without newline counts."""
    return Attempt.objects.values_list("log_size", "log_lines").get(pk=attempt_id)


def read(attempt_id: int, offset: int, limit: int) -> bytes:
    """At most `limit` bytes from `offset` on; fewer at the end of what is stored."""
    found = b"".join(piece.data for piece in pieces(attempt_id, offset, limit))
    return found[:limit]


def pieces(attempt_id: int, offset: int, limit: int) -> list[Piece]:
    """The stored pieces from `offset` on, whole at their end, until `limit` bytes are reached or passed."""
    rows = LogChunk.objects.filter(attempt_id=attempt_id)
    first = rows.filter(offset__lte=offset).order_by("-offset").values_list("offset", flat=True).first()
    if first is None:
        return []
    wanted = rows.filter(offset__gte=first, offset__lt=offset + limit).order_by("offset")
    found = [_piece(*row).after(offset) for row in wanted.values_list("offset", "first_line", "received_at", "data")]
    return [piece for piece in found if piece.data]


def lines(attempt_id: int, first: int, count: int) -> list[Line]:
    """Lines `first` (from 1) to `first + count - 1`, as far as they are stored; at most MAX_LINES."""
    first, count = max(1, first), min(count, MAX_LINES)
    rows = LogChunk.objects.filter(attempt_id=attempt_id)
    # Line n begins after newline n-1, which is in the last piece whose first line is below n.
    start = rows.filter(first_line__lt=first).order_by("-offset").values_list("offset", flat=True).first() or 0
    parts = list(
        rows.filter(offset__gte=start, first_line__lt=first + count)
        .order_by("offset")
        .values_list("offset", "size", "line_ends")
    )
    needed = _needed(parts)
    found = _Lines(first, count)
    for offset, line, at, data in (
        rows.filter(offset__in=needed)
        .order_by("offset")
        .values_list("offset", "first_line", "received_at", "data")
        .iterator(chunk_size=16)
    ):
        found.add(_piece(offset, line, at, data))
    return found.finish()


def tail_lines(attempt_id: int, count: int) -> list[Line]:
    """The last `count` lines."""
    total = size_and_lines(attempt_id)[1]
    return lines(attempt_id, max(1, total - count + 1), count)


def tail_offset(attempt_id: int, count: int, limit: int) -> int:
    """Where the last `count` lines begin, but at most `limit` bytes before the end."""
    size, total = size_and_lines(attempt_id)
    first = lines(attempt_id, max(1, total - count + 1), 1)
    return max(size - limit, first[0].offset if first else 0, 0)


def chunks(attempt_id: int, offset: int = 0) -> Iterator[bytes]:
    """The whole log from `offset` to what is its end when that is reached, about 1 MB at a time."""
    while data := read(attempt_id, offset, _DOWNLOAD_BYTES):
        yield data
        offset += len(data)


async def download(attempt_id: int) -> AsyncIterator[bytes]:
    """The same for an async response; no database connection is held while the client is slow."""
    offset = 0
    while data := await in_thread(read, attempt_id, offset, _DOWNLOAD_BYTES):
        yield data
        offset += len(data)


def sha256(attempt_id: int) -> str:
    """Digest of the stored (masked) log, in hex."""
    digest = hashlib.sha256()
    for data in chunks(attempt_id):
        digest.update(data)
    return digest.hexdigest()


async def in_thread[**P, T](work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Run a function that uses the database off the event loop, and close its connection at once."""
    return await asyncio.get_running_loop().run_in_executor(
        _pool, partial(_closing, partial(work, *arguments, **named))
    )


def _closing[T](work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        connections.close_all()


def _piece(offset: int, line: int, at: datetime, data: bytes | memoryview) -> Piece:
    plain = zstandard.ZstdDecompressor().decompress(bytes(data), max_output_size=_MAX_CHUNK)
    return Piece(offset, line, at, plain)


def _needed(parts: Iterable[tuple[int, int, int]]) -> list[int]:
    """Offsets of the pieces to fetch: those in the middle of a line already too long are left out."""
    needed, carried = [], 0
    for offset, size, line_ends in parts:
        if line_ends or carried <= MAX_LINE:
            needed.append(offset)
        carried = 0 if line_ends else carried + size
    return needed


class _Lines:
    """Puts lines together from pieces."""

    def __init__(self, first: int, count: int) -> None:
        self._first, self._end = first, first + count
        self._done: list[Line] = []
        self._open: Line | None = None

    def add(self, piece: Piece) -> None:
        number, offset = piece.line, piece.offset
        *ended, rest = piece.data.split(b"\n")
        for part in ended:
            if self._first <= number < self._end:
                self._done.append(self._extended(number, offset, piece.at, part))
            self._open = None
            number, offset = number + 1, offset + len(part) + 1
        if rest and self._first <= number < self._end:
            self._open = self._extended(number, offset, piece.at, rest)

    def finish(self) -> list[Line]:
        return [*self._done, self._open] if self._open else self._done

    def _extended(self, number: int, offset: int, at: datetime, part: bytes) -> Line:
        before = self._open.data if self._open else b""
        is_cut = len(before) + len(part) > MAX_LINE or (self._open is not None and self._open.is_cut)
        begin = self._open or Line(number, at, b"", offset)
        return replace(begin, data=before + part[: MAX_LINE - len(before)], is_cut=is_cut)
