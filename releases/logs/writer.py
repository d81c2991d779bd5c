"""Storing the log of one attempt while it arrives."""

import hashlib
import threading
import time
import weakref
from collections.abc import Iterable
from contextvars import copy_context
from functools import partial

import zstandard
from django.db import connection, transaction

from releases.logs import hub
from releases.logs.masking import StreamMasker
from releases.models import Attempt, LogChunk, lease
from releases.remote.faults import fault_point

FLUSH_SECONDS = 0.1
FLUSH_BYTES = 256 * 1024
_SLICE = 64 * 1024  # raw bytes masked at once; with FLUSH_BYTES this bounds what is in memory
_QUIET_TICKS = 20  # times FLUSH_SECONDS without data after which the background flusher ends


class LogConflict(Exception):
    """The stored log is not where this writer left it: somebody else writes the same attempt."""


class LogWriter:
    """Masks raw log bytes, stores them in compressed pieces and sends them to the screens.

    A first write after a pause is stored at once by the caller's thread; those that follow are gathered for
    100 ms or 256 KB. What is left over when the caller falls silent is stored by a background thread that
    lives only while data trickles in, and has a database connection of its own. Safe for several threads.

    After any error the writer is of no further use: every later call raises it again. Make a new one, which
    goes on at `source_offset`. Dropping a writer without `close` loses nothing either, for the same reason.
    Never call it inside a transaction that holds the lease: the background thread may be waiting for that.

    Raises lease.Fenced when another driver took over, LogConflict, and the database's errors.
    """

    def __init__(
        self,
        attempt: Attempt,
        deployment_id: int,
        token: int,
        masker: StreamMasker | None = None,
        *,
        secrets: Iterable[str] = (),
    ) -> None:
        self.attempt_id, self.deployment_id, self.token = attempt.pk, deployment_id, token
        self._masker = masker or StreamMasker(secrets)
        row = Attempt.objects.values_list("log_size", "source_offset", "step__key").get(pk=attempt.pk)
        self._size, self._source, self._step_key = row
        self._line = self._next_line() if self._size else 1
        self._fed = self._source
        self._digest = None if self._source else hashlib.sha256()
        self._compressor = zstandard.ZstdCompressor(level=3)
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._flushed_at = 0.0
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._has_flusher = False
        self._quiet = 0

    def _next_line(self) -> int:
        stored = LogChunk.objects.filter(attempt_id=self.attempt_id).order_by("-offset")
        return sum(stored.values_list("first_line", "line_ends")[0])

    @property
    def source_offset(self) -> int:
        """Raw bytes of the source that are stored: a follower goes on from here."""
        return self._source

    @property
    def raw_sha256(self) -> str | None:
        """Digest of every raw byte written, in hex; None when the beginning was stored by an earlier writer."""
        return self._digest.hexdigest() if self._digest else None

    def write(self, raw: bytes) -> None:
        """Take in raw bytes, exactly those that follow the last ones."""
        with self._lock:
            self._check()
            for start in range(0, len(raw), _SLICE):
                self._take(raw[start : start + _SLICE])
            if not self._pending:
                return
            if time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
                self._flush()
            elif not self._has_flusher:
                self._start_flusher()

    def flush(self) -> None:
        """Store what has been written, except for what may be the beginning of a secret."""
        with self._lock:
            self._check()
            self._flush()

    def close(self) -> None:
        """The source has ended: store all that is left. Not for handing over a source that goes on."""
        with self._lock:
            self._check()
            if not self._closed.is_set():
                self._add(self._masker.flush())
                self._flush()
                self._closed.set()

    def abandon(self) -> None:
        """Store nothing more; whoever takes over reads on from `source_offset`."""
        with self._lock:
            self._closed.set()
            self._pending.clear()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _take(self, raw: bytes) -> None:
        if self._closed.is_set():
            raise ValueError("the log is closed")
        self._fed += len(raw)
        if self._digest:
            self._digest.update(raw)
        self._add(self._masker.feed(raw))
        if self._pending_size >= FLUSH_BYTES:
            self._flush()

    def _add(self, masked: bytes) -> None:
        if masked:
            self._pending.append(masked)
            self._pending_size += len(masked)

    def _flush(self) -> None:
        if not self._pending:
            return
        data = b"".join(self._pending)
        try:
            self._store(data)
        except BaseException as error:
            self._error = error
            self._pending.clear()
            raise
        self._pending.clear()
        self._pending_size = 0
        self._flushed_at = time.monotonic()

    def _store(self, data: bytes) -> None:
        """One transaction under the lease: the piece and the attempt's totals; then tell the screens."""
        source, line_ends = self._fed - self._masker.held, data.count(b"\n")
        chunk = LogChunk(
            attempt_id=self.attempt_id,
            offset=self._size,
            size=len(data),
            source_end=source,
            first_line=self._line,
            line_ends=line_ends,
            data=self._compressor.compress(data),
        )
        size, line = self._size + len(data), self._line + line_ends
        fault_point("before_store")
        with lease.held(self.deployment_id, self.token) as at:
            changed = Attempt.objects.filter(
                pk=self.attempt_id, log_size=self._size, source_offset=self._source
            ).update(log_size=size, log_lines=line - data.endswith(b"\n"), source_offset=source)
            if changed != 1:
                raise LogConflict(f"the log of attempt {self.attempt_id} is not at byte {self._size} any more")
            chunk.received_at = at
            chunk.save(force_insert=True)
            transaction.on_commit(
                partial(
                    hub.publish_log,
                    self.deployment_id,
                    self.attempt_id,
                    self._step_key,
                    chunk.offset,
                    chunk.first_line,
                    at,
                    data,
                )
            )
        self._size, self._line, self._source = size, line, source
        fault_point("after_store")

    def _start_flusher(self) -> None:
        self._has_flusher, self._quiet = True, 0
        # In the caller's context, so that a fault point there knows whose it is.
        work = partial(copy_context().run, _flush_in_background, weakref.ref(self), self._closed)
        threading.Thread(target=work, name="log-flusher", daemon=True).start()

    def _tick(self) -> bool:
        """Store what is pending; returns whether the background thread is still needed."""
        with self._lock:
            self._quiet = 0 if self._pending else self._quiet + 1
            if self._error is None and not self._closed.is_set() and self._quiet < _QUIET_TICKS:
                self._flush()
                return True
            self._has_flusher = False
            return False


def _flush_in_background(reference: "weakref.ref[LogWriter]", closed: threading.Event) -> None:
    """Every 100 ms until closed, dropped, failed or quiet. An error is kept for the writer's next call."""
    try:
        while not closed.wait(FLUSH_SECONDS):
            writer = reference()
            if writer is None or not _ticked(writer):
                return
            del writer
    finally:
        connection.close()


def _ticked(writer: LogWriter) -> bool:
    try:
        return writer._tick()
    except Exception:
        return False  # it is in writer._error
