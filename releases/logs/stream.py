"""The event stream of a deployment's page.

Events: `log` {attempt, step, offset, line, at, data (base64)}, `state` {version}, `watchers` {count}, and the
last one: `done` (nothing more will happen), `bye` (connect again), `denied` (do not). Every `log` and `state`
has the cursor as its id. A page connects with `?after=<cursor>`, made by `snapshot.cursor` when it was rendered,
or with the Last-Event-ID that browsers send, and then misses nothing and gets nothing twice.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import structlog
from asgiref.sync import SyncToAsync, sync_to_async
from django.db import Error as DatabaseError
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse

from releases.logs import sse
from releases.logs.fanout import current_hub
from releases.logs.presence import Viewer
from releases.logs.subscription import Item, LogPiece, Refresh, Stop, Subscription, Watchers

HEARTBEAT = 15.0  # seconds
ANSWER = 0.5  # seconds after which the answer to "may it still watch?" is looked for
LIFETIME = 15 * 60.0  # seconds; then the page connects anew, and the view asks again who it is
_BYE = sse.event("bye", {})

logger = structlog.get_logger(__name__)

__all__ = ["Viewer", "event_stream_response", "events", "requested_cursor"]


def requested_cursor(request: HttpRequest) -> str:
    """Where the page wants to go on: Last-Event-ID of a reconnect, else ?after=, else ""."""
    return request.headers.get("Last-Event-ID") or request.GET.get("after", "")


def event_stream_response(body: AsyncIterator[bytes]) -> StreamingHttpResponse:
    """The response of an event stream; no proxy may gather or keep it."""
    return StreamingHttpResponse(
        body,
        content_type="text/event-stream; charset=utf-8",
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def events(
    deployment_id: int, cursor: str, still_allowed: Callable[[], Awaitable[bool]], viewer: Viewer
) -> AsyncIterator[bytes]:
    """The body of the stream, from `cursor` on.

    An attempt that the cursor does not name, be it that there is no cursor or that it began since, starts
    TAIL_LINES lines (at most 256 KB) before the end of what is stored; its first event's `offset` and `line`
    say where, and earlier lines are to be read over HTTP. `still_allowed` is asked every 15 s; it must not keep a
    database connection. Nothing is held while the stream waits but its queue.
    """
    await _let_go_of_thread()
    hub = current_hub()
    page = uuid.uuid4().hex
    subscription = await hub.subscribe(deployment_id)
    hub.announce(deployment_id, page, viewer, new=True)
    feed = _Feed(deployment_id, sse.Cursor.parse(cursor))
    clock = asyncio.get_running_loop().time
    end, permit = clock() + LIFETIME, _Permit(still_allowed)
    try:
        async with aclosing(_bodies(feed, subscription, lambda: min(permit.look_at, end))) as bodies:
            async for body in bodies:
                if clock() >= end:
                    yield _BYE
                    return
                if permit.is_due():
                    hub.announce(deployment_id, page, viewer, new=False)
                if not await permit.holds():
                    yield sse.event("denied", {})
                    return
                yield body
    except DatabaseError as problem:
        logger.warning("event stream ended", deployment=deployment_id, error=str(problem))
        yield _BYE
    finally:
        permit.drop()
        hub.leave(deployment_id, page)
        hub.unsubscribe(subscription)


class _Permit:
    """Asks every HEARTBEAT whether the page may still watch, beside the stream.

    Five hundred pages ask through a few threads: lines must not wait for that. They do wait when an answer has
    not come by the time of the next question.
    """

    def __init__(self, still_allowed: Callable[[], Awaitable[bool]]) -> None:
        self._ask = still_allowed
        self._asked: asyncio.Future[bool] | None = None
        self._clock = asyncio.get_running_loop().time
        self._beat = self._clock() + HEARTBEAT

    @property
    def look_at(self) -> float:
        """When the stream shall look here next, if nothing else wakes it before (the loop's clock)."""
        return self._beat if self._asked is None else min(self._beat, self._clock() + ANSWER)

    def is_due(self) -> bool:
        """It is time to ask again."""
        return self._clock() >= self._beat

    async def holds(self) -> bool:
        """False once an answer was no; raises what asking raised."""
        is_due = self.is_due()
        if self._asked is not None and (is_due or self._asked.done()):
            answer, self._asked = await self._asked, None
            if not answer:
                return False
        if is_due:
            self._beat = self._clock() + HEARTBEAT
            self._asked = asyncio.ensure_future(self._ask())
        return True

    def drop(self) -> None:
        """The stream is over; nobody wants the answer."""
        if self._asked is not None:
            self._asked.cancel()


async def _let_go_of_thread() -> None:
    """Close the database connection that the request opened, and end the thread that Django keeps for it."""
    await sync_to_async(connections.close_all)()
    context = SyncToAsync.thread_sensitive_context.get(None)
    executor = SyncToAsync.context_to_thread_executor.pop(context, None) if context else None
    if executor is not None:
        executor.shutdown(wait=False)


async def _bodies(feed: "_Feed", subscription: Subscription, until: Callable[[], float]) -> AsyncGenerator[bytes]:
    """Everything to be sent, with a ping when the loop's clock reaches `until()` and nothing else is due."""
    yield sse.PING  # headers go out at once
    async for body in feed.take(Refresh(subscription.deployment_id)):
        yield body
    while not feed.is_over:
        item = await subscription.next(until())
        if item is None:
            yield sse.PING
        elif isinstance(item, Stop):
            yield _BYE
            return
        else:
            async for body in feed.take(item):
                yield body


class _Feed:
    """What one page has been sent, and what it must be sent for each item."""

    def __init__(self, deployment_id: int, cursor: sse.Cursor) -> None:
        self._deployment_id = deployment_id
        self._cursor = cursor
        self.is_over = False

    async def take(self, item: Item) -> AsyncIterator[bytes]:
        """The events that this item makes, for this page."""
        if isinstance(item, Watchers):
            yield item.event
        elif isinstance(item, LogPiece):
            async for body in self._piece(item):
                yield body
        elif isinstance(item, Refresh):
            async for body in self._compare(item):
                yield body

    async def _compare(self, refresh: Refresh) -> AsyncIterator[bytes]:
        stored = await refresh.snapshot()
        for attempt, log in stored.logs.items():
            async for body in self._fill(attempt, log.step, log.size, refresh):
                yield body
        if stored.version > self._cursor.version:
            self._cursor.version = stored.version
            yield sse.with_id(self._cursor, sse.event("state", {"version": stored.version}))
        if stored.is_over:
            self.is_over = True
            yield sse.event("done", {})

    async def _piece(self, piece: LogPiece) -> AsyncIterator[bytes]:
        """Live bytes: what lies before them comes from the store, what was sent is cut off."""
        offsets = self._cursor.offsets
        if piece.offset > offsets.get(piece.attempt, 0):
            async for body in self._fill(piece.attempt, piece.step, piece.offset, Refresh(self._deployment_id)):
                yield body
        have = offsets.get(piece.attempt, 0)
        if piece.end <= have:
            return
        offsets[piece.attempt] = piece.end
        if piece.offset == have:
            yield sse.with_id(self._cursor, piece.event)
            return
        sent = piece.data[: have - piece.offset]
        line, rest = piece.line + sent.count(b"\n"), piece.data[len(sent) :]
        body = sse.log_event(piece.attempt, piece.step, have, line, piece.at, rest)
        yield sse.with_id(self._cursor, body)

    async def _fill(self, attempt: int, step: str, size: int, reads: Refresh) -> AsyncIterator[bytes]:
        """Stored bytes up to `size` at least; each piece waits until the page has taken the one before."""
        offsets = self._cursor.offsets
        if attempt not in offsets and size:
            offsets[attempt] = await reads.tail_offset(attempt)
        while offsets.get(attempt, 0) < size:
            found = await reads.pieces(attempt, offsets[attempt])
            if not found:
                return
            for piece in found:
                offsets[attempt] = piece.offset + len(piece.data)
                at = piece.at.isoformat()
                body = sse.log_event(attempt, step, piece.offset, piece.line, at, piece.data)
                yield sse.with_id(self._cursor, body)
