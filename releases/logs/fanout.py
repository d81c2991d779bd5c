"""The web side of the hub: one Redis reader a process hands events to the pages that are open.

A page gets a `Subscription`, a bounded queue. One that reads too slowly loses its queue and gets a `Refresh`
instead, which means: read from the store what you miss. So does every page after Redis was away, and every
10 seconds in case a message was lost.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Coroutine
from typing import Any, cast
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
import structlog
from django.conf import settings

from cloudwiki.shutdown import stopping
from releases.logs import presence
from releases.logs.batch import items_of
from releases.logs.hub import stream_key
from releases.logs.presence import Viewer
from releases.logs.sse import event
from releases.logs.subscription import Item, Refresh, Stop, Subscription, Watchers

COALESCE = 0.05  # seconds between two deliveries while events keep coming
REFRESH = 10.0  # seconds
_BLOCK = 5000  # milliseconds
_ENTRIES = 100  # of one stream, at once
_RETRY = (0.1, 5.0)  # seconds: first and longest pause before Redis is tried again
_COMMAND_TIMEOUT = 1.0
_UNREACHABLE = (redis.RedisError, OSError, TimeoutError)

logger = structlog.get_logger(__name__)


class Hub:
    """Reads the streams of the deployments that somebody watches, with one connection, while anybody does."""

    def __init__(self) -> None:
        self._subscriptions: dict[int, set[Subscription]] = {}
        self._positions: dict[int, str | None] = {}  # id of the last entry read; None: not known
        self._counts: dict[int, int] = {}
        self._control = f"cloudwiki:hub:{uuid.uuid4().hex}"  # an entry there ends a waiting read
        self._heard = "0-0"
        self._tasks: list[asyncio.Task[None]] = []
        self._spawned: set[asyncio.Task[None]] = set()
        self._commands: redis.asyncio.Redis | None = None
        self._read_at = 0.0

    async def subscribe(self, deployment_id: int) -> Subscription:
        """Begin to watch: everything stored before this returns is in the store, everything after comes here."""
        subscription = Subscription(deployment_id)
        if not self._tasks:
            self._start()
        self._subscriptions.setdefault(deployment_id, set()).add(subscription)
        if stopping.is_set():
            subscription.put(Stop())
        elif self._positions.get(deployment_id) is None:
            await self._begin(deployment_id)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop watching."""
        watching = self._subscriptions.get(subscription.deployment_id, set())
        watching.discard(subscription)
        if not watching:
            for known in (self._subscriptions, self._positions, self._counts):
                known.pop(subscription.deployment_id, None)
        if not self._subscriptions:
            self._end()

    def announce(self, deployment_id: int, page: str, viewer: Viewer, *, new: bool) -> None:
        """Say, without waiting, that a page is open (again and again) and who sits in front of it."""
        self._spawn(presence.announce(self._command_client(), deployment_id, page, viewer, new=new))

    def leave(self, deployment_id: int, page: str) -> None:
        """Say, without waiting, that a page was closed."""
        self._spawn(presence.leave(self._command_client(), deployment_id, page))

    def _start(self) -> None:
        self._tasks = [asyncio.create_task(work) for work in (self._run(), self._refresh_often(), self._await_stop())]

    def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._spawn(self._close(self._tasks, self._commands))
        self._tasks, self._commands = [], None

    async def _close(self, ended: list[asyncio.Task[None]], client: redis.asyncio.Redis | None) -> None:
        others = self._spawned - {asyncio.current_task()}
        await asyncio.gather(*ended, *others, return_exceptions=True)
        if client is not None:
            await client.aclose()

    def _spawn(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.create_task(_quietly(work))
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)

    def _command_client(self) -> redis.asyncio.Redis:
        if self._commands is None:
            pool = redis.asyncio.BlockingConnectionPool.from_url(  # many pages come and go at once: they queue
                settings.REDIS_URL,
                max_connections=4,
                timeout=10,
                socket_timeout=_COMMAND_TIMEOUT,
                socket_connect_timeout=_COMMAND_TIMEOUT,
            )
            self._commands = redis.asyncio.Redis.from_pool(pool)
        return self._commands

    async def _begin(self, deployment_id: int) -> None:
        """Have a further stream read from its present end on."""
        client = self._command_client()
        self._positions.setdefault(deployment_id, None)
        with contextlib.suppress(*_UNREACHABLE):
            position = await _end_of_stream(client, deployment_id)
            if self._positions.get(deployment_id, "gone") is None:
                self._positions[deployment_id] = position
            await client.xadd(self._control, {"wake": 1}, maxlen=1)
            await client.expire(self._control, 3600)

    async def _run(self) -> None:
        pause = 0.0
        while True:
            try:
                async with _reader() as client:
                    await client.ping()
                    if pause:
                        logger.info("live streams resumed")
                        self._positions = dict.fromkeys(self._positions)
                        pause = 0.0
                    while True:
                        await self._read(client)
            except Exception as problem:  # whatever it is, the pages go on from the store
                if not pause:
                    logger.warning("live streams read the store: Redis cannot be read", error=repr(problem))
                self._refresh_all()
                pause = min(max(2 * pause, _RETRY[0]), _RETRY[1])
                await asyncio.sleep(pause)

    async def _read(self, client: redis.asyncio.Redis) -> None:
        """Wait for entries of any stream and hand them out."""
        for deployment_id in [known for known, position in self._positions.items() if position is None]:
            self._positions[deployment_id] = await _end_of_stream(client, deployment_id)
            self._deliver(deployment_id, [Refresh(deployment_id)])
        watched = {stream_key(known).encode(): known for known in self._positions}
        wanted: dict[Any, Any] = {key: self._positions[known] or "0-0" for key, known in watched.items()}
        found: list[Any] = cast(
            "list[Any]", await client.xread({self._control: self._heard, **wanted}, count=_ENTRIES, block=_BLOCK)
        )
        has_delivered = False
        for key, entries in found:
            if key == self._control.encode():
                self._heard = entries[-1][0]
            elif watched[key] in self._positions:
                self._positions[watched[key]] = entries[-1][0]
                self._hand_out(watched[key], [fields for _, fields in entries])
                has_delivered = True
        if has_delivered:  # the first event after a pause goes out at once, those that follow are gathered
            await asyncio.sleep(COALESCE)

    def _hand_out(self, deployment_id: int, entries: list[dict[bytes, bytes]]) -> None:
        self._deliver(deployment_id, items_of(deployment_id, entries))
        if any(fields[b"kind"] == b"watchers" for fields in entries):
            self._spawn(self._count(deployment_id, tell=True))

    def _deliver(self, deployment_id: int, items: list[Item]) -> None:
        for subscription in self._subscriptions.get(deployment_id, ()):
            for item in items:
                subscription.put(item)

    def _refresh_all(self) -> None:
        for deployment_id in self._subscriptions:
            self._deliver(deployment_id, [Refresh(deployment_id)])

    async def _refresh_often(self) -> None:
        while True:
            await asyncio.sleep(REFRESH)
            self._refresh_all()
            for deployment_id in list(self._subscriptions):
                await _quietly(self._count(deployment_id, tell=False))

    async def _count(self, deployment_id: int, *, tell: bool) -> None:
        """Count who watches; the pages hear of it when told to, or when the number has changed."""
        number = await presence.count(self._command_client(), deployment_id)
        if deployment_id in self._subscriptions and (tell or number != self._counts.get(deployment_id)):
            self._counts[deployment_id] = number
            self._deliver(deployment_id, [Watchers(event("watchers", {"count": number}))])

    async def _await_stop(self) -> None:
        await stopping.wait()
        for deployment_id in self._subscriptions:
            self._deliver(deployment_id, [Stop()])


async def _end_of_stream(client: redis.asyncio.Redis, deployment_id: int) -> str:
    entries = cast("list[Any]", await client.xrevrange(stream_key(deployment_id), count=1))
    return str(entries[0][0].decode()) if entries else "0-0"


def _reader() -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        single_connection_client=True,
        socket_timeout=_BLOCK / 1000 + 5,
        socket_connect_timeout=_COMMAND_TIMEOUT,
    )


async def _quietly(work: Coroutine[object, object, object]) -> None:
    with contextlib.suppress(*_UNREACHABLE):
        await work


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def current_hub() -> Hub:
    """The hub of the running event loop, which is the hub of the process."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
