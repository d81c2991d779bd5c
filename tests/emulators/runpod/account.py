"""One RunPod account: its endpoints, their bill, the faults they have, and the time they have reached."""

import threading
from collections.abc import Callable
from typing import Any

from .billing import Meter
from .clock import Clock
from .container import Containers
from .endpoint import Endpoint, new_id
from .faults import Fault, Faults
from .jobs import CANCELLED, DONE, Job
from .scheduler import Durations, Scheduler
from .sdk import SdkScheduler


class Account:
    """Whoever reads or changes it holds `lock` and calls `advance` first.

    `quota`: what workers.max of all endpoints may sum up to. `containers`: workers are real processes, which these
    are; without it they are numbers alone. `violations`: replies that broke the API's description.
    """

    def __init__(self, clock: Clock, durations: Durations, quota: int, containers: Containers | None = None) -> None:
        self.lock = threading.Condition(threading.RLock())
        self.clock = clock
        self.quota = quota
        self.now = 0.0
        self.open = True
        self.endpoints: dict[str, Endpoint] = {}
        self.faults = Faults()
        self.meter = Meter(clock)
        self.violations: list[str] = []
        self.requests: list[str] = []
        self.keep: Callable[[], None] = lambda: None  # called once endpoints have changed
        self.scheduler = (
            SdkScheduler(durations, self.faults, containers, clock) if containers else Scheduler(durations, self.faults)
        )

    def advance(self) -> None:
        """Bring everything to the clock's reading, from event to event. Nothing happens any more once it is closed."""
        if not self.open:
            return
        target = self.clock.reading()
        self._settle()
        while self.now < target:
            upcoming = (at for each in self.endpoints.values() for at in self.scheduler.events(each) if at > self.now)
            reached = min(min(upcoming, default=target), target)
            self.meter.add(self.endpoints.values(), self.now, reached)
            self.now = reached
            self._settle()
        self.lock.notify_all()

    def _settle(self) -> None:
        for endpoint in self.endpoints.values():
            self.scheduler.settle(endpoint, self.now)
        self.scheduler.tidy(self.endpoints.values())

    def wait(self, done: Callable[[], bool], seconds: float) -> bool:
        """Until `done`, for at most this many simulated seconds. Lets go of the lock meanwhile."""
        end = self.now + seconds
        while not done() and self.now < end and self.open:
            self.lock.wait(0.2)
            self.advance()
        return done()

    def create(self, settings: dict[str, Any]) -> Endpoint:
        endpoint = Endpoint(new_id(), settings, self.now, last_request=self.now, quiet_since=self.now)
        self.endpoints[endpoint.id] = endpoint
        self.advance()
        self.keep()
        return endpoint

    def change(self, endpoint: Endpoint, settings: dict[str, Any]) -> None:
        """A higher workers.max counts as use: the platform's own lowering starts anew."""
        if settings["workers"]["max"] > endpoint.settings["workers"]["max"]:
            endpoint.last_request = self.now
        endpoint.change(settings, self.now)
        self.advance()
        self.keep()

    def delete(self, endpoint: Endpoint) -> None:
        for job in endpoint.jobs.values():
            if job.status not in DONE:
                job.finish(CANCELLED, self.now)
        endpoint.workers.clear()
        del self.endpoints[endpoint.id]
        self.keep()
        self.advance()

    def submit(self, endpoint: Endpoint, job: Job) -> None:
        endpoint.jobs[job.id] = job
        endpoint.last_request = self.now
        self.advance()

    def cancel(self, endpoint: Endpoint, job: Job) -> None:
        if job.status not in DONE:
            job.finish(CANCELLED, self.now)
            self.scheduler.release(endpoint, job, self.now)
            self.advance()

    def retry(self, endpoint: Endpoint, job: Job) -> None:
        job.again(self.now)
        endpoint.counts["retried"] += 1
        endpoint.jobs[job.id] = endpoint.jobs.pop(job.id)  # to the end of the queue
        self.advance()

    def fault(self, fault: Fault) -> None:
        """`max_zero` is done at once and leaves nothing; any other stays until cleared or used up."""
        if fault.kind == "max_zero":
            for endpoint in self.endpoints.values():
                if fault.hits(endpoint.names):
                    endpoint.settings["workers"].update(max=0, min=0)
        else:
            self.faults.add(fault)
        self.advance()
