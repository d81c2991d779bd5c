"""A job: one request to the model, in the queue, at work or done."""

from dataclasses import dataclass, field
from typing import Any

WAITING, WORKING = "IN_QUEUE", "IN_PROGRESS"
COMPLETED, FAILED, TIMED_OUT, CANCELLED = "COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED"
DONE = {COMPLETED, FAILED, TIMED_OUT, CANCELLED}
LIFE = 24 * 3600.0  # of a job from its creation, in s, unless its policy says another
KEPT, KEPT_SYNC = 1800.0, 60.0  # how long its result stays, in s


@dataclass(eq=False)
class Job:
    """Times are simulated seconds. `given` is the request's `input`; `limit` how long it may run."""

    id: str
    given: dict[str, Any]
    created: float
    limit: float
    life: float = LIFE
    kept: float = KEPT
    status: str = WAITING
    queued: float = 0.0
    started: float | None = None
    length: float = 0.0
    finished: float | None = None
    output: Any = None
    error: str | None = None
    worker: str | None = None
    retries: int = field(default=0)
    parts: list[Any] = field(default_factory=list)  # of the output, as they come from a process

    @property
    def ends(self) -> float:
        """When a job at work is done or out of time."""
        return (self.started or 0.0) + min(self.length, self.limit)

    @property
    def gone(self) -> float:
        """When nobody knows it any more."""
        expiry = self.created + self.life
        return expiry if self.finished is None else min(expiry, self.finished + self.kept)

    def finish(self, status: str, now: float, output: Any = None, error: str | None = None) -> None:
        self.status, self.finished, self.output, self.error = status, now, output, error

    def again(self, now: float) -> None:
        """Back into the queue under the same id, as `retry` puts it there."""
        self.status, self.queued, self.retries = WAITING, now, self.retries + 1
        self.started = self.finished = self.output = self.error = self.worker = None
        self.parts = []

    def view(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"id": self.id, "status": self.status}
        if self.started is not None:
            shown["delayTime"] = round((self.started - self.queued) * 1000)
            shown["workerId"] = self.worker
            if self.finished is not None:
                shown["executionTime"] = round((self.finished - self.started) * 1000)
        if self.output is not None:
            shown["output"] = self.output
        if self.error is not None:
            shown["error"] = self.error
        return shown
