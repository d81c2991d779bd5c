"""A thread of our own for blocking calls, which never delays the end of the process."""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any


class CallThread:
    """Runs calls one after another in one daemon thread, so that all of them use one database connection."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True, name=name).start()

    def _run(self) -> None:
        while True:
            self._calls.get()()

    async def call[T](self, work: Callable[[], T]) -> T:
        """Run `work` in the thread and return what it returns or raise what it raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._calls.put(lambda: _deliver(loop, future, work))
        return await future


async def in_daemon_thread[T](work: Callable[[], T]) -> T:
    """Run blocking work in a daemon thread made for it (a resolver may hang for a long time)."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    threading.Thread(target=_deliver, args=(loop, future, work), daemon=True, name="probe-lookup").start()
    return await future


def _deliver[T](loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], work: Callable[[], T]) -> None:
    try:
        outcome: tuple[Callable[[Any], None], Any] = (future.set_result, work())
    except BaseException as error:
        outcome = (future.set_exception, error)
    if not loop.is_closed():
        loop.call_soon_threadsafe(_settle, future, *outcome)


def _settle(future: "asyncio.Future[Any]", setter: Callable[[Any], None], value: Any) -> None:
    if not future.done():
        setter(value)
