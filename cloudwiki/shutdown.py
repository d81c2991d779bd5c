"""Tell what runs long that this process is about to end.

Web: an event stream waits on `stopping` beside its next event, says goodbye and returns, so that the server
can end within a second. Workers: a task that can be continued elsewhere asks `worker_stopping()` in its loop.
"""

import asyncio
import mmap
import signal
import threading
from types import FrameType
from weakref import WeakKeyDictionary


class Stopping:
    """An event that any event loop may wait on, and that a signal handler may set."""

    def __init__(self) -> None:
        self._is_set = False
        self._events: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Event] = WeakKeyDictionary()

    def is_set(self) -> bool:
        """Whether the process is ending."""
        return self._is_set

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most so long. Returns whether it has come."""
        event = self._events.setdefault(asyncio.get_running_loop(), asyncio.Event())
        if self._is_set:
            return True
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return self._is_set
        return True

    def set(self) -> None:
        """Wake everyone who waits. Safe in a signal handler and from any thread."""
        self._is_set = True
        for loop, event in list(self._events.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def clear(self) -> None:
        """Begin anew; for tests."""
        self._is_set = False
        self._events.clear()


stopping = Stopping()


def chain_signals() -> None:
    """Set `stopping` on SIGTERM and SIGINT, then do what the server would have done anyway.

    Does nothing outside the main thread, where Python allows no handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        _chain(number)


def _chain(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    def handle(signal_number: int, frame: FrameType | None) -> None:
        stopping.set()
        if callable(before):
            before(signal_number, frame)
        elif before == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    signal.signal(number, handle)


# One byte that the worker shares with the processes it forks.
_worker_flag = mmap.mmap(-1, 1)


def announce_worker_stop() -> None:
    """Called in the worker's main process when it has been asked to end."""
    _worker_flag[0] = 1


def worker_stopping() -> bool:
    """Whether the worker of this task has been asked to end. Costs nothing; ask as often as you like."""
    return _worker_flag[0] == 1
