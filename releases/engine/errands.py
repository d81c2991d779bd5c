"""Errands: work on backups that is part of no deployment, carried out by one worker at a time.

An errand is a row. Its name on the machine stays the same, so that a worker that comes after a dead one goes on with
what that began. Safe to be delivered any number of times.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.translation import override

from releases.audit import THE_SYSTEM, Actor
from releases.database import AWAY
from releases.engine import clock, handover, wake
from releases.models.backup_errand import Errand

PULSE = 10.0  # seconds between two signs of the worker that is at it
UNSENT = timedelta(seconds=5)  # after which a message that no worker took is sent again
ABANDONED = timedelta(seconds=60)  # after which another worker takes an errand up
GIVEN_UP = timedelta(hours=12)
log = structlog.get_logger(__name__)


def take[E: Errand](rows: QuerySet[E], number: int) -> E | None:
    """The errand, if this worker is the one that carries it out. `rows` says what to join."""
    now = clock.now()
    free = rows.model._default_manager.filter(_is_free(now), pk=number, ended_at__isnull=True)
    return rows.get(pk=number) if free.update(seen_at=now) == 1 else None


class Pulse:
    """Asked often whether to stop; tells the row now and then that this worker is still at it."""

    def __init__(self, errand: Errand) -> None:
        self.errand, self.seen_at = errand, errand.seen_at
        self._next = time.monotonic() + PULSE
        self._is_ours = True
        self._lock = threading.Lock()

    def __call__(self) -> bool:
        self._is_ours = self._is_ours and self.tell()
        return handover.wanted() or not self._is_ours

    def tell(self) -> bool:
        """Tell the row, if it is time to; False where it is no longer ours."""
        with self._lock:
            if time.monotonic() < self._next:
                return True
            now = clock.now()
            if self.mine().update(seen_at=now) != 1:
                return False
            self._next, self.seen_at = time.monotonic() + PULSE, now
            return True

    @contextmanager
    def by_itself(self) -> Iterator[None]:
        """Tells the row during work that does not ask for long, such as sending a large copy to the store."""
        over = threading.Event()

        def tell() -> None:
            try:
                while not over.wait(PULSE):
                    with suppress(*AWAY):
                        self.tell()
            finally:
                connection.close()

        teller = threading.Thread(target=tell, name="errand-pulse", daemon=True)
        teller.start()
        try:
            yield
        finally:
            over.set()
            teller.join(PULSE)

    def mine(self) -> QuerySet[Errand]:
        """The row, as long as no other worker took it over and it has not ended."""
        return _rows(self.errand).filter(pk=self.errand.pk, ended_at__isnull=True, seen_at=self.seen_at)


def carry_out[E: Errand, F](errand: E, work: Callable[[E, Pulse], F | None], broke: Callable[[str], F]) -> F | None:
    """What `work` found, with the pulse that ended it; None when this worker stops or another took over.

    `broke` makes a finding of our own fault: that must end with a sentence, never as work that goes on for ever.
    """
    pulse = Pulse(errand)
    try:
        with pulse.by_itself():
            found = work(errand, pulse)
    except AWAY:
        raise
    except Exception as error:
        log.exception("errand broke", errand=str(errand))
        found = broke(f"{type(error).__name__}: {error}")
    if found is None:  # what was begun on the machine goes on without us
        pulse.mine().update(seen_at=None)
    else:
        errand.seen_at = pulse.seen_at
    return found


def end(errand: Errand, mine: Q | None = None, **values: Any) -> bool:
    """Keep how it ended, in the current transaction; False where another worker has it by now, or it has ended.

    `mine`: what must still hold of the row; None: the worker that took it is at it.
    """
    values["problem"] = values.get("problem", "")[:500]
    held = Q(seen_at=errand.seen_at) if mine is None else mine
    rows = _rows(errand).filter(held, pk=errand.pk, ended_at__isnull=True)
    if not rows.update(ended_at=clock.now(), **values):
        return False
    errand.refresh_from_db()
    return True


def send_again(rows: QuerySet[Any], task: str, give_up: Callable[[Any], None]) -> None:
    """Send a message for each errand that no worker is at, and end those that nobody could carry out."""
    now = clock.now()
    waiting = rows.filter(ended_at__isnull=True)
    for errand in waiting.filter(asked_at__lt=now - GIVEN_UP).select_related("asked_by"):
        with in_language(errand):
            give_up(errand)
    for number in waiting.filter(_is_free(now, UNSENT)).values_list("pk", flat=True):
        wake.send(task, number)


def in_language(errand: Errand) -> override:
    """What is kept is written for the person who asked."""
    return override(errand.asked_by.language if errand.asked_by else settings.LANGUAGE_CODE)


def actor(errand: Errand) -> Actor:
    """In whose name it is done."""
    return Actor(errand.asked_by) if errand.asked_by else THE_SYSTEM


def _rows(errand: Errand) -> QuerySet[Errand]:
    return type(errand)._default_manager.all()


def _is_free(now: datetime, unsent: timedelta = timedelta()) -> Q:
    """No worker is at it: none took it within `unsent` of the asking, or the one that did is gone."""
    return Q(seen_at__isnull=True, asked_at__lte=now - unsent) | Q(seen_at__lt=now - ABANDONED)
