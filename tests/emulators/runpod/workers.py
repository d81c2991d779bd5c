"""A worker: one container with a graphics card, from its start to its end."""

from dataclasses import dataclass, field
from typing import Any

from .catalog import DATA_CENTER
from .jobs import Job

INITIALIZING, IDLE, RUNNING = "INITIALIZING", "IDLE", "RUNNING"
THROTTLED, UNHEALTHY = "THROTTLED", "UNHEALTHY"
STATUSES = (RUNNING, IDLE, INITIALIZING, THROTTLED, UNHEALTHY)
READY = {IDLE, RUNNING}


@dataclass
class Line:
    """One line of a worker's log. `source`: container or system. `at`: simulated seconds."""

    number: int
    at: float
    source: str
    text: str


@dataclass(eq=False)
class Worker:
    """Times are simulated seconds. `since`: when it took its status; `wakes`: when a start or a pause is over."""

    id: str
    version: int
    image: str
    gpu_type: str | None
    gpu_count: int
    placed: float
    price: float  # USD per hour
    status: str = INITIALIZING
    since: float = 0.0
    wakes: float | None = None
    too_slow: bool = False  # its start takes longer than the platform waits
    billed_from: float | None = None  # when its container starts; the image is pulled at no cost
    started: float | None = None
    jobs: list[Job] = field(default_factory=list)
    leaving: bool = False  # takes no more jobs and goes when its last is done
    billed: float = 0.0
    lines: list[Line] = field(default_factory=list)

    def become(self, status: str, now: float, wakes: float | None = None) -> None:
        self.status, self.since, self.wakes = status, now, wakes

    def say(self, now: float, text: str, source: str = "container") -> None:
        self.lines.append(Line(len(self.lines) + 1, now, source, text))

    def costs(self, start: float, end: float) -> float:
        """Seconds of this span that are billed: starting the container, work and idling."""
        if self.billed_from is None or self.status not in {INITIALIZING, IDLE, RUNNING}:
            return 0.0
        return max(0.0, end - max(start, self.billed_from))

    def view(self, now: float, version: int, started: str | None) -> dict[str, Any]:
        """As the API lists it, on an endpoint that is at `version`. `started`: the date of its start."""
        placed = self.status != THROTTLED
        return {
            "id": self.id,
            "status": self.status,
            "isStale": self.version != version,
            "version": self.version,
            "gpuCount": self.gpu_count,
            "image": self.image,
            "uptimeSeconds": None if self.started is None else int(now - self.started),
            "gpuTypeId": self.gpu_type if placed else None,
            "dataCenterId": DATA_CENTER if placed else None,
            "startedAt": started,
        }
