"""What the platform does with an endpoint by itself: jobs end, workers start and go, the scaler adds some."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .catalog import CPU_PRICE, PRICES, eligible
from .endpoint import Endpoint, new_id
from .faults import Faults
from .jobs import COMPLETED, FAILED, TIMED_OUT, WORKING, Job
from .model import EngineError, handle
from .workers import IDLE, INITIALIZING, READY, RUNNING, THROTTLED, UNHEALTHY, Worker

INIT_TIMEOUT = 420.0  # s that a start may take unless RUNPOD_INIT_TIMEOUT says another
CRASH_PAUSE = 10.0  # s between a crash and the next start
FEWER_AFTER, NONE_AFTER = 3 * 86400.0, 7 * 86400.0  # s without requests until workers.max becomes 2, then 0
CRASH = "CUDA error: the provided PTX was compiled with an unsupported toolchain"
ENGINE_DEAD = "vLLM is not running: connection refused (127.0.0.1:8000)"  # to who asks
ENGINE_LOST = "ERROR EngineDeadError: EngineCore encountered an issue"  # in the log
TOO_SLOW = "worker took too long to start"
FIRST_TO_GO = (THROTTLED, UNHEALTHY, INITIALIZING, IDLE, RUNNING)


@dataclass
class Durations:
    """Simulated seconds: pulling the image (not billed), starting container and model (billed), one answer."""

    pull: float
    start: float
    answer: float


class Scheduler:
    """`settle` does what is due now; `events` says when something will be due next."""

    def __init__(self, durations: Durations, faults: Faults) -> None:
        self.durations = durations
        self.faults = faults

    def settle(self, endpoint: Endpoint, now: float) -> None:
        self._end_jobs(endpoint, now)
        self._wake_workers(endpoint, now)
        self._scale_down_unused(endpoint, now)
        self._send_away(endpoint, now)
        self._scale_up(endpoint, now)
        self._give_out(endpoint, now)
        self._scale_down(endpoint, now)

    def events(self, endpoint: Endpoint) -> Iterator[float]:
        """Moments at which `settle` may find work; those in the past are over."""
        for job in endpoint.jobs.values():
            yield job.gone
            if job.status == WORKING:
                yield job.ends
        for worker in endpoint.workers:
            if worker.wakes is not None:
                yield worker.wakes
            if worker.status == IDLE:
                yield worker.since + endpoint.idle_timeout
        if endpoint.quiet_since is not None:
            yield endpoint.quiet_since + endpoint.idle_timeout
        if (due := self._next_worker(endpoint)) is not None:
            yield due
        yield endpoint.last_request + FEWER_AFTER
        yield endpoint.last_request + NONE_AFTER

    # Jobs

    def _end_jobs(self, endpoint: Endpoint, now: float) -> None:
        for job in endpoint.working:
            if now >= job.ends:
                self._end(endpoint, job, now)
        for job in [job for job in endpoint.jobs.values() if now >= job.gone]:
            del endpoint.jobs[job.id]
            self.release(endpoint, job, now)

    def _end(self, endpoint: Endpoint, job: Job, now: float) -> None:
        if job.length > job.limit:
            job.finish(TIMED_OUT, now, error=f"job timed out after {job.limit:g} s")
        else:
            self._answer(endpoint, job, now)
        endpoint.counts[job.status] += 1
        self.release(endpoint, job, now)

    def _begin(self, worker: Worker, job: Job, now: float, length: float) -> None:
        job.status, job.started, job.worker, job.length = WORKING, now, worker.id, length
        worker.jobs.append(job)
        if worker.status == IDLE:
            worker.become(RUNNING, now)

    def _answer(self, endpoint: Endpoint, job: Job, now: float) -> None:
        worker = endpoint.worker(job.worker or "")
        if self.faults.of("engine_dead", endpoint.names):
            job.finish(FAILED, now, error=ENGINE_DEAD)
            if worker:
                worker.say(now, ENGINE_LOST)
            return
        try:
            nonsense = self.faults.of("wrong_answers", endpoint.names) is not None
            job.finish(COMPLETED, now, output=handle(endpoint.env, job.given, nonsense))
        except EngineError as problem:
            job.finish(FAILED, now, error=str(problem))
        if worker:
            worker.say(now, f"Finished job {job.id}: {job.status}")

    def release(self, endpoint: Endpoint, job: Job, now: float) -> None:
        """The worker of a job that ended by any means is free of it."""
        worker = endpoint.worker(job.worker or "")
        if worker and job in worker.jobs:
            worker.jobs.remove(job)
            if not worker.jobs:
                worker.become(IDLE, now)

    def _give_out(self, endpoint: Endpoint, now: float) -> None:
        if self.faults.of("broken_image", endpoint.names):
            return
        slower = self.faults.of("slow_answers", endpoint.names)
        ready = [w for w in endpoint.staying if w.status in READY and w.version == endpoint.version]
        for job in endpoint.waiting:
            worker = min(ready, key=lambda w: len(w.jobs), default=None)
            if worker is None or len(worker.jobs) >= endpoint.max_concurrency:
                return
            self._begin(worker, job, now, self.durations.answer + (slower.seconds if slower else 0))

    # Workers

    def tidy(self, endpoints: Iterable[Endpoint]) -> None:
        """After all of them are settled: what belongs to workers that are gone, goes too. Here there is nothing."""

    def _wake_workers(self, endpoint: Endpoint, now: float) -> None:
        full = self.faults.of("no_capacity", endpoint.names)
        for worker in endpoint.workers:
            if worker.status == THROTTLED and not full:
                self._place(endpoint, worker, now)
            elif worker.wakes is not None and now >= worker.wakes:
                if worker.status == UNHEALTHY:
                    self._start(endpoint, worker, now)
                else:
                    self._started(endpoint, worker, now)

    def _place(self, endpoint: Endpoint, worker: Worker, now: float) -> None:
        worker.placed = now
        worker.say(now, f"create container {worker.image}", "system")
        self._start(endpoint, worker, now, self.durations.pull)

    def _start(self, endpoint: Endpoint, worker: Worker, now: float, pull: float = 0.0) -> None:
        """`pull`: seconds until the image is there."""
        slower = self.faults.of("slow_start", endpoint.names)
        length = pull + self.durations.start + (slower.seconds if slower else 0)
        limit = endpoint.number("RUNPOD_INIT_TIMEOUT", INIT_TIMEOUT)
        worker.too_slow = length > limit
        worker.billed_from = now + pull
        worker.become(INITIALIZING, now, now + min(length, limit))
        worker.say(now, "start container", "system")

    def _started(self, endpoint: Endpoint, worker: Worker, now: float) -> None:
        crash = self.faults.of("crash_loop", endpoint.names)
        if crash or worker.too_slow:
            if crash:
                self.faults.use(crash)
                worker.say(now, f"RuntimeError: {CRASH}")
            self._fall(worker, now, "worker exited with exit code 1" if crash else TOO_SLOW)
            return
        worker.say(now, "Application startup complete.")
        self._ready(worker, now)

    def _fall(self, worker: Worker, now: float, why: str) -> None:
        worker.say(now, why, "system")
        worker.become(UNHEALTHY, now, now + CRASH_PAUSE)

    def _ready(self, worker: Worker, now: float) -> None:
        worker.started = now
        worker.say(now, "Worker ready.")
        worker.become(IDLE, now)

    def _add(self, endpoint: Endpoint, now: float) -> None:
        gpu = endpoint.settings.get("gpu")
        card = eligible(gpu)[0] if gpu else None
        count = gpu.get("count", 1) if gpu else 0
        price = PRICES[card] * count if card else CPU_PRICE
        worker = Worker(
            new_id("worker_"), endpoint.version, endpoint.settings.get("image", ""), card, count, now, price
        )
        endpoint.workers.append(worker)
        endpoint.last_added = now
        if self.faults.of("no_capacity", endpoint.names):
            worker.become(THROTTLED, now)
            worker.say(now, "no machine with this card is free", "system")
        else:
            self._place(endpoint, worker, now)

    # Scaling

    def _scale_up(self, endpoint: Endpoint, now: float) -> None:
        limits = endpoint.settings["workers"]
        wanted = limits["min"]
        scaling = endpoint.settings["scaling"]
        if scaling["type"] == "REQUEST_COUNT":
            pending = len(endpoint.waiting) + len(endpoint.working)
            wanted = max(wanted, math.ceil(pending / scaling["requestCount"]))
        elif (due := self._next_worker(endpoint)) is not None and now >= due:
            wanted = max(wanted, len(endpoint.staying) + 1)
        for _ in range(min(wanted, limits["max"]) - len(endpoint.staying)):
            self._add(endpoint, now)

    def _next_worker(self, endpoint: Endpoint) -> float | None:
        """When a queue delay adds a worker: the first at once, another for each job that waits too long."""
        waiting, have = endpoint.waiting, len(endpoint.staying)
        scaling = endpoint.settings["scaling"]
        if scaling["type"] != "QUEUE_DELAY" or not waiting or have >= endpoint.settings["workers"]["max"]:
            return None
        if have == 0:
            return waiting[0].queued
        if have >= len(waiting) + len(endpoint.working):
            return None
        return float(max(waiting[0].queued, endpoint.last_added) + scaling["queueDelay"])

    def _send_away(self, endpoint: Endpoint, now: float) -> None:
        """Workers of an older version and those above workers.max; who has a job ends it first."""
        for worker in endpoint.workers:
            worker.leaving = worker.leaving or worker.version != endpoint.version
        too_many = len(endpoint.staying) - endpoint.settings["workers"]["max"]
        by_use = sorted(endpoint.staying, key=lambda worker: FIRST_TO_GO.index(worker.status))
        for worker in by_use[: max(0, too_many)]:
            worker.leaving = True
        endpoint.workers = [worker for worker in endpoint.workers if worker.jobs or not worker.leaving]

    def _scale_down(self, endpoint: Endpoint, now: float) -> None:
        """Workers go that had nothing to do for the idle timeout, and those that never got ready for anything."""
        if endpoint.waiting or endpoint.working:
            endpoint.quiet_since = None
        elif endpoint.quiet_since is None:
            endpoint.quiet_since = now
        quiet = endpoint.quiet_since is not None and now >= endpoint.quiet_since + endpoint.idle_timeout
        for worker in list(endpoint.workers):
            idle = worker.status == IDLE and now >= worker.since + endpoint.idle_timeout and not endpoint.waiting
            useless = worker.status in {THROTTLED, UNHEALTHY} and quiet
            if (idle or useless) and len(endpoint.workers) > endpoint.settings["workers"]["min"]:
                endpoint.workers.remove(worker)

    def _scale_down_unused(self, endpoint: Endpoint, now: float) -> None:
        """The platform's own rule. It stays so until somebody raises workers.max."""
        unused = now - endpoint.last_request
        limits = endpoint.settings["workers"]
        if unused >= NONE_AFTER:
            limits["max"] = limits["min"] = 0
        elif unused >= FEWER_AFTER:
            limits["max"] = min(limits["max"], 2)
            limits["min"] = min(limits["min"], 2)
