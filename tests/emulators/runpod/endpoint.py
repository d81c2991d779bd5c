"""An endpoint: its settings, workers, jobs and releases."""

import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .jobs import WAITING, WORKING, Job
from .workers import READY, STATUSES, Worker

CONTAINER = ("image", "args", "disk", "env", "ports", "registry")  # a change of these makes a release
FIELDS = {"image": "template.imageName", "args": "template.dockerArgs", "disk": "template.containerDiskInGb"}


def new_id(prefix: str = "") -> str:
    return prefix + secrets.token_hex(7)


@dataclass
class Release:
    id: str
    version: int
    at: float
    diff: list[dict[str, Any]]


@dataclass(eq=False)
class Endpoint:
    """`settings` are complete and shaped as in the API's replies. Times are simulated seconds."""

    id: str
    settings: dict[str, Any]
    created: float
    version: int = 1
    workers: list[Worker] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)  # in the order of the queue
    releases: list[Release] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    last_request: float = 0.0
    last_added: float = 0.0  # when the scaler last added a worker
    quiet_since: float | None = 0.0  # since when no job waits or runs

    @property
    def env(self) -> dict[str, str]:
        found: dict[str, str] = self.settings["env"]
        return found

    @property
    def names(self) -> set[str]:
        """What a fault may call it by."""
        return {self.id, self.settings["name"], self.settings.get("image", "")}

    @property
    def waiting(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.status == WAITING]

    @property
    def working(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.status == WORKING]

    @property
    def staying(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.leaving]

    @property
    def idle_timeout(self) -> float:
        return float(self.settings["workers"].get("idleTimeout", 5))

    @property
    def max_concurrency(self) -> int:
        """Jobs that a worker takes at once, as worker-vllm reads it."""
        return max(1, int(self.number("MAX_CONCURRENCY", 30)))

    def number(self, name: str, otherwise: float) -> float:
        """A number of the environment; `otherwise` if there is none or it is no number."""
        try:
            return float(self.env.get(name, otherwise))
        except ValueError:
            return otherwise

    def worker(self, identifier: str) -> Worker | None:
        return next((worker for worker in self.workers if worker.id == identifier), None)

    def change(self, settings: dict[str, Any], now: float) -> None:
        """Take new settings; what concerns the container or the card makes a new version."""
        old, self.settings = self.settings, settings
        diff = [
            {"field": FIELDS.get(name, name if name == "gpu" else f"template.{name}"), "old": before, "new": after}
            for name in (*CONTAINER, "gpu")
            if (before := old.get(name)) != (after := settings.get(name))
        ]
        if diff:
            self.version += 1
            self.releases.insert(0, Release(new_id("rel_"), self.version, now, diff))

    def summary(self) -> dict[str, int]:
        counted = Counter(worker.status for worker in self.workers)
        return {**{status.lower(): counted[status] for status in STATUSES}, "total": len(self.workers)}

    def health(self) -> dict[str, dict[str, int]]:
        """As the job API tells it: jobs of all times, workers of this moment."""
        counted = self.summary()
        ready = sum(worker.status in READY for worker in self.workers)
        del counted["total"]
        return {
            "jobs": {
                "completed": self.counts["COMPLETED"],
                "failed": self.counts["FAILED"] + self.counts["TIMED_OUT"],
                "inProgress": len(self.working),
                "inQueue": len(self.waiting),
                "retried": self.counts["retried"],
            },
            "workers": {**counted, "ready": ready},
        }

    def rollout(self) -> dict[str, Any]:
        latest = sum(worker.version == self.version for worker in self.workers)
        total = len(self.workers)
        return {
            "inProgress": latest < total,
            "workersOnLatest": latest,
            "workersTotal": total,
            "percentOnLatest": round(100 * latest / total) if total else 0,
        }
