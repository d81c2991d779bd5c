"""The probe process: asks every service on time, keeps the answers, opens and closes outages.

Nothing that a deployment does can delay it: it is a process of its own, its requests overlap, and the database
is written from a thread beside them. While PostgreSQL is away it goes on asking and writes later.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Final

from releases.probes import store
from releases.probes.answers import Answer
from releases.probes.http import HttpProber
from releases.probes.ssh import HostProbers
from releases.probes.store import Result, StoreLost, Watched
from releases.probes.thread import CallThread
from releases.probes.tracker import Change
from releases.probes.watcher import Watcher

TICK: Final = 0.5  # seconds between looks at the database
BEAT: Final = 2.0
PURGE: Final = 600.0
STANDBY: Final = 1.0
LAST_WRITE: Final = 1.5  # seconds for what the database still has to take before the process ends
BUFFER: Final = 50_000  # answers kept while the database is away

logger = logging.getLogger(__name__)


class Runner:
    """Runs the probes of the installation while it holds the lock; waits as a standby otherwise.

    `on_change` is told a deployment's id, in the database thread, when one of its outages opened or closed.
    """

    def __init__(self, http: HttpProber, hosts: HostProbers, on_change: Callable[[int], object]) -> None:
        self._http = http
        self._hosts = hosts
        self._on_change = on_change
        self._database = CallThread("probe-database")
        self._stop = asyncio.Event()
        self._dirty = asyncio.Event()
        self._watchers: dict[int, Watcher] = {}
        self._results: deque[Result] = deque(maxlen=BUFFER)
        self._changes: deque[Change] = deque()
        self._leads = False
        self._due: dict[str, float] = {}

    def stop(self) -> None:
        """Ask the runner to write what it has and to end; safe in a signal handler of the loop."""
        self._stop.set()
        self._dirty.set()

    async def run(self) -> None:
        """Run until `stop`."""
        stopping = asyncio.create_task(self._stop.wait())
        turn = asyncio.create_task(self._turns())
        await asyncio.wait({stopping, turn}, return_when=asyncio.FIRST_COMPLETED)
        for watcher in self._watchers.values():
            watcher.end()
        self._hosts.follow([])
        try:
            async with asyncio.timeout(LAST_WRITE):
                await turn  # a database that hangs must not hold us
                await self._last_write()
        except (TimeoutError, StoreLost):
            logger.warning("the database did not take the last answers in time")
        finally:
            stopping.cancel()

    async def _turns(self) -> None:
        while not self._stop.is_set():
            with self._database_may_be_away():
                await self._turn()
            await self._pause(TICK if self._leads or self._watchers else STANDBY)

    async def _turn(self) -> None:
        if not self._leads:
            self._leads = await self._in_database(store.acquire)
            if not self._leads:
                self._forget()  # another process took over
                return
            logger.info("leading the probes")
        await self._write()
        self._follow(await self._in_database(store.watch_list))
        await self._housekeeping()

    @contextmanager
    def _database_may_be_away(self) -> Iterator[None]:
        try:
            yield
        except StoreLost as lost:
            if self._leads:
                logger.warning("the database is away, answers are kept until it is back: %s", lost)
            self._leads = False  # the lock went with the connection
        except Exception:
            logger.exception("the probe process could not finish a turn; it goes on")

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._dirty.wait()
        if not self._stop.is_set():
            self._dirty.clear()

    async def _in_database[T](self, work: Callable[[], T]) -> T:
        return await self._database.call(lambda: store.guarded(work))

    async def _write(self) -> None:
        while self._changes:
            change = self._changes[0]
            deployment = await self._in_database(lambda change=change: store.keep_change(change))  # type: ignore[misc]
            self._changes.popleft()
            if deployment is not None:
                await self._tell(deployment)
        if self._results:
            batch = list(self._results)
            await self._in_database(lambda: store.keep_results(batch))
            for _written in batch:
                self._results.popleft()

    async def _tell(self, deployment: int) -> None:
        """A screen that is not told reads the outage at its next refresh, so a failure here stops nothing."""
        try:
            await self._in_database(lambda: self._on_change(deployment))
        except StoreLost:
            raise
        except Exception:
            logger.exception("screens could not be told about deployment %s", deployment)

    def _follow(self, watched: list[Watched]) -> None:
        """Start, change and end watchers so that they match the rows."""
        wanted = {item.check.probe: item for item in watched}
        for probe in self._watchers.keys() - wanted.keys():
            self._watchers.pop(probe).end()
        for probe, item in wanted.items():
            watcher = self._watchers.get(probe)
            if watcher and (watcher.watched.host is None) == (item.host is None):
                watcher.update(item)
                continue
            if watcher:
                watcher.end()
            self._watchers[probe] = Watcher(item, None if item.host else self._http.ask, self._took)
        self._hosts.follow(self._watchers.values())

    def _took(self, probe: int, answer: Answer | None, changes: list[Change]) -> None:
        if answer is not None and answer.ok is not None:
            self._results.append(Result(probe, answer.at, answer.ok, answer.milliseconds, answer.detail))
        if changes:
            self._changes.extend(changes)
            self._dirty.set()

    async def _housekeeping(self) -> None:
        if self._is_due("beat", BEAT):
            unmeasured = {probe: w.unmeasured for probe, w in self._watchers.items() if w.unmeasured}
            count = len(self._watchers)
            await self._in_database(lambda: store.beat(count, unmeasured))
        if self._is_due("purge", PURGE):
            await self._in_database(store.close_unwatched)
            await self._in_database(store.purge)

    def _is_due(self, name: str, every: float) -> bool:
        now = monotonic()
        if now < self._due.get(name, 0.0):
            return False
        self._due[name] = now + every
        return True

    def _forget(self) -> None:
        for watcher in self._watchers.values():
            watcher.end()
        self._watchers.clear()
        self._hosts.follow([])
        self._results.clear()
        self._changes.clear()

    async def _last_write(self) -> None:
        if self._leads:
            await self._write()
            await self._database.call(store.give_up)
