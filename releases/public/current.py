"""What the public page of a project shows now: the state in memory, on the shelf, or gathered anew."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog
from django.db import connection
from django.utils import timezone

from releases.database import AWAY
from releases.public import facts, shelf
from releases.public.database import watch
from releases.public.snapshot import Snapshot

FRESH: Final = timedelta(seconds=3)  # for which a state is shown without asking the database
log = structlog.get_logger(__name__)


class NoState(Exception):
    """The database does not answer, and there is no state from before."""


class NoPage(Exception):
    """There is no such project, or it has no public page."""


@dataclass(eq=False)
class Edition:
    """One state, with what was made of it. `is_late`: the database has not answered since."""

    snapshot: Snapshot
    stamp: int
    is_late: bool = False
    _made: dict[tuple[object, ...], bytes] = field(default_factory=dict)

    def made(self, key: tuple[object, ...], make: Callable[[], bytes]) -> bytes:
        """What `make` makes of this state, made once."""
        key = (*key, self.is_late)
        if key not in self._made:
            if len(self._made) > 200:  # addresses of many host names, or of announcements
                self._made.clear()
            self._made[key] = make()
        return self._made[key]


_kept: dict[str, Edition] = {}
_expired: set[str] = set()
_refreshing = threading.Lock()


def edition(slug: str) -> Edition:
    """The newest state that can be had without a long wait. Raises NoPage, NoState."""
    found = _newest(slug)
    is_old = found is None or slug in _expired or _age(found) > FRESH
    # One visitor gathers; the others see the state of a moment ago, if there is one.
    if is_old and _refreshing.acquire(blocking=found is None):
        try:
            found = _refreshed(slug) or found
        finally:
            _refreshing.release()
    if found is None:
        raise NoState
    found.is_late = watch.is_away
    return found


def refresh(slug: str) -> Edition | None:
    """Gather the state of a project and keep it; None (and nothing kept) where there is no page. Asks the database."""
    _expired.discard(slug)
    snapshot = facts.gather(slug)
    if snapshot is None:
        _kept.pop(slug, None)
        shelf.remove(slug)
        return None
    try:
        shelf.write(snapshot)
    except OSError as error:  # the page is shown all the same
        log.error("the state of a public page cannot be kept", slug=slug, error=str(error))
    before = _kept.get(slug)
    new = Edition(snapshot, shelf.stamp(slug))
    if before is not None and before.snapshot.same_as(snapshot) and _same_minute(before, new):
        new._made = before._made
    _kept[slug] = new
    return new


def expire(slug: str) -> None:
    """Something changed: the next visitor of this process gathers anew."""
    _expired.add(slug)


def forget() -> None:
    """Nothing is kept in memory, as at the start."""
    _kept.clear()
    _expired.clear()
    watch.forget()


def _newest(slug: str) -> Edition | None:
    """In memory, or on the shelf where another process wrote it since."""
    kept, stamp = _kept.get(slug), shelf.stamp(slug)
    if stamp and (kept is None or stamp != kept.stamp):
        snapshot = shelf.read(slug)
        if snapshot is not None and (kept is None or snapshot.checked_at >= kept.snapshot.checked_at):
            kept = _kept[slug] = Edition(snapshot, stamp)
    return kept


def _refreshed(slug: str) -> Edition | None:
    """Gathered anew; None where the database does not answer. Raises NoPage."""
    if not watch.asks():
        return None
    try:
        found = refresh(slug)
    except AWAY as error:
        connection.close()
        watch.miss()
        log.warning("a public page could not be gathered", slug=slug, error=type(error).__name__)
        return None
    if found is None:
        raise NoPage
    return found


def _age(found: Edition) -> timedelta:
    return timezone.now() - found.snapshot.checked_at


def _same_minute(one: Edition, other: Edition) -> bool:
    minutes = (edition.snapshot.checked_at.replace(second=0, microsecond=0) for edition in (one, other))
    return len(set(minutes)) == 1
