"""Ending what an endpoint costs: every part is tried, and then it is watched until no worker is left."""

from __future__ import annotations

from collections.abc import Callable

from .errors import EndpointGone, GpuError
from .nouns import Stopping
from .patience import Deadline

SHARE = 0.25  # of the time that is left, for one part and its retries: the next one must have its turn
LEAST = 1.0  # seconds that a part gets in any case, though it be beyond the deadline

Part = Callable[[Deadline], int]


class StopSpending:
    """Collects what did not work. `look_again`: seconds between two looks at the workers."""

    def __init__(self, deadline: Deadline, look_again: float) -> None:
        self._deadline = deadline
        self._look_again = look_again
        self._problems: list[str] = []
        self._gone = False
        self._forbidden = False

    def attempt(self, part: Part) -> int | None:
        """What the part returns, None if it failed."""
        try:
            return part(self._deadline.shorter(self._deadline.left * SHARE).at_least(LEAST))
        except EndpointGone:
            self._gone = True
        except GpuError as error:
            self._problems.append(error.message)
        return None

    def forbid(self, maximum: Part) -> None:
        """Set the maximum of workers to 0; `maximum` returns what it then is."""
        self._forbidden = self._forbidden or self.attempt(maximum) == 0

    def watch(self, maximum: Part, count_workers: Part, count_jobs: Part) -> Stopping:
        """What is left once it is nothing and none can come, or when the deadline passed."""
        left = self.attempt(count_workers)
        while (left != 0 or not self._forbidden) and not self._gone and self._deadline.left > self._look_again:
            self._deadline.pause(self._look_again)
            self.forbid(maximum)
            seen = self.attempt(count_workers)
            left = left if seen is None else seen
        jobs = self.attempt(count_jobs)
        problems = tuple(dict.fromkeys(self._problems))  # each once
        if self._gone:  # what is deleted has neither workers nor jobs
            return Stopping(True, 0, 0, problems)
        return Stopping(self._forbidden, left, jobs, problems)
