"""A worker's sign of life: one row in PostgreSQL, written by the worker's main process every few seconds.

A row, not a broadcast over the broker: it is read in a millisecond, also while Redis is away or every process of
the worker is busy, and it says when a worker was last alive that can't say anything any more.
"""

import os
import socket
import threading
from collections.abc import Callable
from datetime import timedelta

import structlog
from django.db import connection
from django.db.models.functions import Now

from releases.models import Heartbeat

SECONDS = 5.0  # between two signs
SILENT = timedelta(seconds=15)  # a worker without a sign for this long is not running
KEPT = timedelta(hours=1)  # a worker that never said goodbye is shown for so long
PREFIX = "worker:"
log = structlog.get_logger(__name__)


class Pulse(threading.Thread):
    """Writes the row until `stop`, then removes it. `processes` gives the process ids of the worker's pool."""

    def __init__(self, name: str, processes: Callable[[], list[int]]) -> None:
        super().__init__(name="pulse", daemon=True)
        self._host = socket.gethostname()
        self._worker, self._processes = name, processes
        self._row = f"{PREFIX}{self._host[:40]}:{os.getpid()}"
        self._ended = threading.Event()

    def run(self) -> None:
        """Beat; a database that is away is asked again at the next beat."""
        while True:
            self._guarded(self.beat)
            if self._ended.wait(SECONDS):
                self._guarded(self.leave)
                return

    def beat(self) -> None:
        """Write one sign, and forget workers that have been silent for long."""
        Heartbeat.beat(self._row, worker=self._worker, host=self._host, processes=self._processes())
        Heartbeat.objects.filter(name__startswith=PREFIX, at__lt=Now() - KEPT).delete()

    def leave(self) -> None:
        """Remove the row: a worker that ended in order is not missing."""
        Heartbeat.objects.filter(name=self._row).delete()

    def stop(self) -> None:
        """Remove the row and end, as far as the database lets us."""
        self._ended.set()
        self.join(2.0)

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # whatever it was: a thread that ended would make a living worker look dead
            log.warning("sign of life not written", error=str(error))
        finally:
            connection.close()  # none is open while the pool forks
