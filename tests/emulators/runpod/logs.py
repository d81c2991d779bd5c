"""A worker's log as server-sent events."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from werkzeug.wrappers import Response

from .account import Account
from .web import Problem
from .workers import Line, Worker

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
BACKFILL = 100  # lines before the live ones, unless `tail` says another number
PULSE = 15.0  # simulated s of silence after which a comment keeps the stream alive


def stream(account: Account, endpoint: str, worker: Worker, query: dict[str, Any], last: str | None) -> Response:
    """From the place asked for, until the worker is gone. `last`: the id of the last event that the client has."""
    first = _first(account, worker, query, last)
    events = _events(account, endpoint, worker, query.get("source"), first)
    return Response(events, content_type="text/event-stream", headers=HEADERS)


def _first(account: Account, worker: Worker, query: dict[str, Any], last: str | None) -> int:
    """How many lines to leave out.

    An id is a time, a slash and the number of the last line the client has; after a time alone, lines of that very
    time come again.
    """
    if cursor := last or query.get("since"):
        stamp, _, number = cursor.partition("/")
        if number.isdecimal():
            return int(number)
        try:
            start = datetime.fromisoformat(stamp).astimezone(UTC)
        except ValueError as error:
            raise Problem(422, "Request validation failed.", ["Last-Event-ID: not a time"]) from error
        return sum(datetime.fromisoformat(account.clock.text(line.at)) < start for line in worker.lines)
    source = query.get("source")
    numbers = [line.number for line in worker.lines if source in (None, line.source)]
    tail = query.get("tail", BACKFILL)
    kept = numbers[-tail:] if tail else []
    return kept[0] - 1 if kept else len(worker.lines)


def _events(account: Account, endpoint: str, worker: Worker, source: str | None, sent: int) -> Iterator[bytes]:
    """`sent`: how many lines the client has already."""
    while True:
        with account.lock:
            lines, over = _next(account, endpoint, worker, sent)
        for line in lines:
            if source in (None, line.source):
                yield _event(account, line)
        if over:
            return
        sent += len(lines)
        if not lines:
            yield b": keep-alive\n\n"


def _next(account: Account, endpoint: str, worker: Worker, sent: int) -> tuple[list[Line], bool]:
    """The lines after so many, waited for if there are none yet, and whether more can follow."""

    def gone() -> bool:
        return worker not in getattr(account.endpoints.get(endpoint), "workers", [])

    account.wait(lambda: len(worker.lines) > sent or gone(), PULSE)
    return worker.lines[sent:], gone() or not account.open


def _event(account: Account, line: Line) -> bytes:
    at = account.clock.text(line.at)
    data = json.dumps({"ts": at, "source": line.source, "line": line.text})
    return f"id: {at}/{line.number:012d}\ndata: {data}\n\n".encode()
