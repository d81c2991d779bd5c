"""Whether open pages may still watch, asked together.

Every page asks every 15 s. One by one, five hundred pages would open as many database connections each time, and the
lines of running steps would wait behind them; so the questions of a short while share one connection and four queries.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from django.contrib.sessions.models import Session
from django.utils import timezone

from releases import permissions
from releases.logs import store
from releases.models import Deployment, User

GATHER = 0.2  # seconds in which questions are gathered


@dataclass(frozen=True)
class Page:
    """Who has a page open, and of what."""

    session_key: str | None
    user: int
    deployment: int


def allowed(pages: Iterable[Page]) -> set[Page]:
    """Those whose session still stands and whose person is active and may still see the deployment."""
    asked = set(pages)
    keys = {page.session_key for page in asked if page.session_key}
    sessions = set(
        Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now()).values_list("pk", flat=True)
    )
    people = User.objects.filter(pk__in={page.user for page in asked}, is_active=True)
    seen = permissions.pairs_visible(Deployment, people, {page.deployment for page in asked})
    return {page for page in asked if page.session_key in sessions and (page.user, page.deployment) in seen}


class _Desk:
    """Gathers the questions of one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[Page, asyncio.Future[bool]] = {}
        self._answering: set[asyncio.Task[None]] = set()

    async def ask(self, page: Page) -> bool:
        """The answer for one page; raises what the database raised."""
        if page not in self._waiting:
            if not self._waiting:
                task = asyncio.create_task(self._answer())
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            self._waiting[page] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self._waiting[page])

    async def _answer(self) -> None:
        await asyncio.sleep(GATHER)
        asked, self._waiting = self._waiting, {}
        try:
            may = await store.in_thread(allowed, list(asked))
        except Exception as problem:  # each page ends its stream with it and connects again
            for future in asked.values():
                future.set_exception(problem)
                future.exception()  # a page that left meanwhile no longer reads it
        else:
            for page, future in asked.items():
                future.set_result(page in may)


_desks: WeakKeyDictionary[asyncio.AbstractEventLoop, _Desk] = WeakKeyDictionary()


async def still_allowed(page: Page) -> bool:
    """Whether the page may go on watching; answered within about GATHER seconds and four queries."""
    loop = asyncio.get_running_loop()
    if loop not in _desks:
        _desks[loop] = _Desk()
    return await _desks[loop].ask(page)
