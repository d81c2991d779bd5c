"""Ending what an endpoint costs: every part is tried, and then it is watched until no worker is left."""

from __future__ import annotations

from collections.abc import Callable

from .errors import EndpointGone, GpuError, Stopped
from .nouns import Health, Stopping, Workers
from .patience import Deadline


class Stop:
    """Collects what did not work. `look_again`: seconds between two looks at the workers."""

    def __init__(self, look_again: float) -> None:
        self._look_again = look_again
        self._problems: list[str] = []
        self._gone = False

    def attempt(self, part: Callable[[], object]) -> None:
        """Try one part. Only Stopped comes through."""
        try:
            part()
        except Stopped:
            raise
        except EndpointGone:
            self._gone = True
        except GpuError as error:
            self._problems.append(error.message)

    def watch(
        self, workers: Callable[[Deadline], Workers], health: Callable[[Deadline], Health], deadline: Deadline
    ) -> Stopping:
        """What is left when nothing is, or when the deadline passed."""
        left: int | None = None
        while not self._gone:
            seen: list[Workers] = []
            self.attempt(lambda seen=seen: seen.append(workers(deadline)))  # type: ignore[misc]
            left = seen[0].total if seen else left
            if left == 0 or deadline.left <= self._look_again:
                break
            deadline.pause(self._look_again)
        if self._gone:  # a deleted endpoint has neither workers nor jobs
            return Stopping(0, 0, tuple(self._problems))
        waiting: list[Health] = []
        self.attempt(lambda: waiting.append(health(deadline)))
        return Stopping(left, waiting[0].open if waiting else None, tuple(dict.fromkeys(self._problems)))
