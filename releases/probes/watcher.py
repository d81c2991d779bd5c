"""Asking one probe on time and judging its answers."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from datetime import timedelta

from releases.probes.answers import Answer, Check
from releases.probes.store import Watched
from releases.probes.tracker import IN_FLIGHT, LATE, Change, Tracker, period

Ask = Callable[[Check], Awaitable[Answer]]
Take = Callable[[int, Answer | None, list[Change]], None]

KEEP_EVERY = timedelta(seconds=0.9)  # between two kept answers that say the same


class Watcher:
    """One probe. Asks over HTTP by its own clock; a host's answers are handed in with `accept`.

    `take` is called with every answer worth keeping (None: not worth it) and with the outages it opens or closes.
    """

    def __init__(self, watched: Watched, ask: Ask | None, take: Take) -> None:
        self.watched = watched
        self.unmeasured = ""
        self._take = take
        self._tracker = Tracker(watched.check.probe, watched.down_since)
        self._kept: Answer | None = None
        self._sent: dict[int, float] = {}
        self._last = -math.inf
        self._wake = asyncio.Event()
        self._requests: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._run(ask)) if ask else None

    @property
    def period(self) -> float:
        """Seconds between requests now."""
        late = bool(self._sent) and self._now() - min(self._sent.values()) > LATE
        wanted = period(active=self.watched.deployment is not None, down=self._tracker.is_down, late=late)
        return max(wanted, self.watched.check.timeout / IN_FLIGHT)  # a long time limit must not pile requests up

    def update(self, watched: Watched) -> None:
        """Take over a changed row; the rhythm changes at once."""
        if watched != self.watched:
            self.watched = watched
            self._wake.set()

    def accept(self, answer: Answer) -> None:
        """Judge an answer that came over SSH."""
        self._answered(self._tracker.send(), answer)

    def end(self) -> None:
        """Stop asking."""
        for task in [self._task, *self._requests]:
            if task:
                task.cancel()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _run(self, ask: Ask) -> None:
        while True:
            now = self._now()
            due = self._last + self.period
            if now < due:
                await self._sleep(due - now)
                continue
            # Counted from the due time, not from now, so that the rhythm does not drift; never two to catch up.
            self._last = due if now - due < self.period / 2 else now
            self._send(ask)

    async def _sleep(self, seconds: float) -> None:
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _send(self, ask: Ask) -> None:
        number = self._tracker.send()
        self._sent[number] = self._now()
        task = asyncio.create_task(self._request(ask, number))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _request(self, ask: Ask, number: int) -> None:
        answer = await ask(self.watched.check)
        del self._sent[number]
        self._answered(number, answer)

    def _answered(self, number: int, answer: Answer) -> None:
        self.unmeasured = answer.detail if answer.ok is None else ""
        changes = self._tracker.answer(number, answer)
        worth = self._kept is None or self._kept.ok != answer.ok or answer.at - self._kept.at >= KEEP_EVERY
        if worth:
            self._kept = answer
        self._take(self.watched.check.probe, answer if worth else None, changes)
        if changes:
            self._wake.set()
