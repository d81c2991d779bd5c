"""The scheduler of an emulator whose workers are real processes: the `runpod` SDK takes jobs and does them."""

import math
from collections.abc import Iterable
from typing import Any

from .clock import Clock
from .container import Container, Containers
from .endpoint import Endpoint
from .faults import Faults
from .jobs import COMPLETED, FAILED, Job
from .scheduler import INIT_TIMEOUT, TOO_SLOW, Durations, Scheduler
from .workers import INITIALIZING, READY, Worker

IN_THE_HANDLER = ("engine_dead", "wrong_answers")


class SdkScheduler(Scheduler):
    """A worker's process starts when its simulated start is over; it is IDLE once the process asks for a job.

    Jobs last as long as they really last. Whoever uses it holds the account's lock.
    """

    def __init__(self, durations: Durations, faults: Faults, containers: Containers, clock: Clock) -> None:
        super().__init__(durations, faults)
        self.containers = containers
        self._clock = clock
        self._running: dict[Worker, Container] = {}

    def container(self, worker: Worker) -> Container | None:
        """The one that runs for this worker."""
        return self._running.get(worker)

    # What the platform does

    def settle(self, endpoint: Endpoint, now: float) -> None:
        for worker in endpoint.workers:
            self._look_after(endpoint, worker, now)
        super().settle(endpoint, now)

    def _look_after(self, endpoint: Endpoint, worker: Worker, now: float) -> None:
        """Take over its log; when its process is over, it is UNHEALTHY and its jobs are back in the queue."""
        if (container := self._running.get(worker)) is None:
            return
        code = container.exit_code
        while not container.lines.empty():
            worker.say(now, container.lines.get())
        if code is not None:
            container.kill()
            del self._running[worker]
            self._put_back(endpoint, worker, now)
            self._fall(worker, now, f"worker exited with exit code {code}")

    def _put_back(self, endpoint: Endpoint, worker: Worker, now: float) -> None:
        """Users of worker-vllm saw such jobs tried again and again; `retried` of the health counts them."""
        for job in worker.jobs:
            job.again(now)
            endpoint.counts["retried"] += 1
        worker.jobs.clear()

    def tidy(self, endpoints: Iterable[Endpoint]) -> None:
        there = {worker for endpoint in endpoints for worker in endpoint.workers}
        for worker in self._running.keys() - there:
            self._running.pop(worker).stop()

    def _started(self, endpoint: Endpoint, worker: Worker, now: float) -> None:
        if container := self._running.pop(worker, None):
            container.stop()
            self._fall(worker, now, TOO_SLOW)
        elif worker.too_slow:
            super()._started(endpoint, worker, now)
        else:
            if crash := self.faults.of("crash_loop", endpoint.names):
                self.faults.use(crash)
            self._running[worker] = self.containers.start(endpoint, worker, crashes=crash is not None)
            worker.become(INITIALIZING, worker.since, now + endpoint.number("RUNPOD_INIT_TIMEOUT", INIT_TIMEOUT))

    def _give_out(self, endpoint: Endpoint, now: float) -> None:
        """The processes ask for jobs themselves."""

    def release(self, endpoint: Endpoint, job: Job, now: float) -> None:
        """What ended in another way than by the process's word, it is told to give up."""
        worker = endpoint.worker(job.worker or "")
        if worker and job in worker.jobs and (container := self._running.get(worker)):
            container.stops.append(job.id)
        super().release(endpoint, job, now)

    # What the processes do

    def appear(self, worker: Worker, now: float) -> None:
        """Its process is up and asks for a job."""
        if worker.status == INITIALIZING:
            self._ready(worker, now)

    def offered(self, endpoint: Endpoint, worker: Worker, most: int) -> list[Job]:
        """The jobs that this worker would be given now."""
        stale = worker.leaving or worker.version != endpoint.version or worker.status not in READY
        if stale or self.faults.of("broken_image", endpoint.names):
            return []
        stops = self._running[worker].stops
        room = min(most, endpoint.max_concurrency - len(worker.jobs))
        return [job for job in endpoint.waiting if job.id not in stops][: max(0, room)]

    def take(self, endpoint: Endpoint, worker: Worker, job: Job, now: float) -> dict[str, Any]:
        """The job as the process gets it, with the faults that it shall have. `seconds` are real ones."""
        self._begin(worker, job, now, math.inf)
        slower = self.faults.of("slow_answers", endpoint.names)
        seconds = slower.seconds / self._clock.speed if slower else 0
        faults = {kind: self.faults.of(kind, endpoint.names) is not None for kind in IN_THE_HANDLER}
        return {"id": job.id, "input": job.given, "faults": {**faults, "seconds": seconds}}

    def done(self, endpoint: Endpoint, worker: Worker, job: Job, result: dict[str, Any], now: float) -> None:
        """The process has done it, or failed at it."""
        if "error" in result:
            job.finish(FAILED, now, error=str(result["error"]))
        else:
            job.finish(COMPLETED, now, output=result.get("output"))
        endpoint.counts[job.status] += 1
        super().release(endpoint, job, now)
