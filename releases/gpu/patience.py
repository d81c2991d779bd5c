"""How long a call may take in all, and who may end it earlier."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .errors import Stopped

STOP_CHECK = 0.25  # seconds between two looks at stop() while waiting

Stop = Callable[[], bool]


def never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Patience:
    """What a caller grants one call: `seconds` in all, retries and pauses included; `stop` ends it while it waits."""

    seconds: float
    stop: Stop = never

    def begin(self) -> Deadline:
        return Deadline(self.seconds, self.stop)


class Deadline:
    """A patience that runs."""

    def __init__(self, seconds: float, stop: Stop = never) -> None:
        self._end = time.monotonic() + seconds
        self._stop = stop

    @property
    def left(self) -> float:
        """Seconds, never below 0."""
        return max(0.0, self._end - time.monotonic())

    @property
    def passed(self) -> bool:
        return self.left == 0

    def shorter(self, seconds: float) -> Deadline:
        """One for a part of the work: at most `seconds` from now, and not beyond this one."""
        return Deadline(min(seconds, self.left), self._stop)

    def at_least(self, seconds: float) -> Deadline:
        """One for a last look: what is left of this one, though not less than `seconds`."""
        return Deadline(max(seconds, self.left), self._stop)

    def check(self) -> None:
        """Raises Stopped when stop() is true."""
        if self._stop():
            raise Stopped("Waiting for the provider was stopped.")

    def pause(self, seconds: float) -> None:
        """Wait, though not beyond the deadline. Raises Stopped."""
        end = time.monotonic() + min(seconds, self.left)
        self.check()
        while (rest := end - time.monotonic()) > 0:
            time.sleep(min(rest, STOP_CHECK))
            self.check()
