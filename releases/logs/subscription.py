"""What the hub hands to one page, and the bounded queue it does it through."""

import asyncio
from collections import deque
from dataclasses import dataclass

from releases.logs import snapshot, store

QUEUE_BYTES = 1024 * 1024
QUEUE_ITEMS = 500
TAIL_LINES = 500  # before the end of a log, for a page that has nothing of it
TAIL_BYTES = 256 * 1024  # and at most so many
FILL_BYTES = 256 * 1024  # read from the store at once


@dataclass(frozen=True, slots=True)
class LogPiece:
    """Live bytes of a log; `event` is their encoding, made once for all pages."""

    attempt: int
    step: str
    offset: int
    line: int
    at: str
    data: bytes
    event: bytes

    @property
    def end(self) -> int:
        """Offset of the byte after the last one."""
        return self.offset + len(self.data)


@dataclass(frozen=True, slots=True)
class Watchers:
    """Somebody came or went."""

    event: bytes


class Stop:
    """This process is ending."""


class Refresh:
    """Something changed, or may have: compare with the store. All pages that got this one share its reads.

    A snapshot taken while a log flows is ahead of every page, so all of them ask for the same bytes at once.
    """

    def __init__(self, deployment_id: int) -> None:
        self._deployment_id = deployment_id
        self._snapshot: asyncio.Task[snapshot.Snapshot] | None = None
        self._offsets: dict[int, asyncio.Task[int]] = {}
        self._pieces: dict[tuple[int, int], asyncio.Task[list[store.Piece]]] = {}

    async def snapshot(self) -> snapshot.Snapshot:
        """The state of the deployment, not older than this object."""
        if self._snapshot is None:
            self._snapshot = asyncio.create_task(snapshot.take(self._deployment_id))
        return await asyncio.shield(self._snapshot)

    async def tail_offset(self, attempt: int) -> int:
        """Where a page begins that has nothing of the attempt's log yet."""
        if attempt not in self._offsets:
            read = store.in_thread(store.tail_offset, attempt, TAIL_LINES, TAIL_BYTES)
            self._offsets[attempt] = asyncio.create_task(read)
        return await asyncio.shield(self._offsets[attempt])

    async def pieces(self, attempt: int, offset: int) -> list[store.Piece]:
        """Stored bytes from `offset` on, at most FILL_BYTES; forgotten as soon as they are read."""
        key = (attempt, offset)
        if key not in self._pieces:
            self._pieces[key] = asyncio.create_task(store.in_thread(store.pieces, attempt, offset, FILL_BYTES))
            self._pieces[key].add_done_callback(lambda _: self._pieces.pop(key))
        return await asyncio.shield(self._pieces[key])


type Item = LogPiece | Watchers | Refresh | Stop


class Subscription:
    """The queue of one page."""

    def __init__(self, deployment_id: int) -> None:
        self.deployment_id = deployment_id
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()

    def put(self, item: Item) -> None:
        """Never waits and never grows without end."""
        size = len(item.event) if isinstance(item, LogPiece) else 0
        if isinstance(item, Stop):
            self._items.clear()
        elif (self._items and self._bytes + size > QUEUE_BYTES) or len(self._items) >= QUEUE_ITEMS:
            self._overflow()
            size, item = 0, Refresh(self.deployment_id)
        self._items.append(item)
        self._bytes += size
        self._filled.set()

    def _overflow(self) -> None:
        latest = [kept for kept in self._items if isinstance(kept, Watchers)][-1:]
        self._items.clear()
        self._items.extend(latest)
        self._bytes = 0

    async def next(self, until: float) -> Item | None:
        """The next item, or None when the loop's clock reaches `until` first."""
        while not self._items:
            self._filled.clear()
            try:
                async with asyncio.timeout_at(until):
                    await self._filled.wait()
            except TimeoutError:
                return None
        item = self._items.popleft()
        if isinstance(item, LogPiece):
            self._bytes -= len(item.event)
        return item
