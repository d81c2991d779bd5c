"""The emulator with real workers behind it: RunPod's own package takes the jobs that our client sends, and does them.

RunPod's worker loop and our client meet over real HTTP, each as it is; the emulator between them is all that is ours to
get wrong. The workers' processes are counted by their environment, the SDK's own children with them.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

from releases.gpu.errors import UnknownModel
from releases.gpu.nouns import Phase, ProbeAnswer, Way
from releases.gpu.runpod import RunPod
from tests.emulators.runpod import RunPod as Emulator
from tests.emulators.runpod.workers import Worker

from .specs import MODEL, question, spec

ROOT = Path(__file__).parents[3]
LONG = 300  # s that a slow answer takes: no test waits for it
NUMBERS = count()


@dataclass
class Served:
    """An endpoint on the emulator, and our client of it."""

    emulator: Emulator
    client: RunPod
    ref: str
    threads: ThreadPoolExecutor

    def probe(self, **changes: Any) -> ProbeAnswer:
        return self.client.within(60).probe(self.ref, question(**changes))

    def ask(self, **changes: Any) -> Future[ProbeAnswer]:
        """A probe in a thread, when it is at work."""
        before = {job.id for job in self.jobs("IN_PROGRESS")}
        answer = self.threads.submit(self.probe, **changes)
        until(lambda: {job.id for job in self.jobs("IN_PROGRESS")} - before)
        return answer

    def jobs(self, status: str) -> list[Any]:
        return [job for job in list(self.emulator.endpoint(self.ref).jobs.values()) if job.status == status]

    @contextmanager
    def fault(self, kind: str, **settings: Any) -> Iterator[None]:
        self.emulator.fault(kind, target=self.ref, **settings)
        try:
            yield
        finally:
            self.emulator.clear(kind)

    @property
    def worker(self) -> Worker:
        (worker,) = self.emulator.endpoint(self.ref).workers
        return worker

    @property
    def log(self) -> str:
        return "\n".join(line.text for line in list(self.worker.lines))


def until(true: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def processes(ref: str) -> list[psutil.Process]:
    """What runs for an endpoint on this machine."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("RUNPOD_ENDPOINT_ID") == ref and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def client_of(control_url: str, data_url: str, key: str) -> RunPod:
    return RunPod(key, control_url=control_url, data_url=data_url, settle=0.3, look_again=0.05)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Without the time that pulling an image takes."""
    with Emulator(sdk_workers=True, pull=0, start=0, quota=20) as running:
        yield running


@pytest.fixture(scope="module")
def client(emulator: Emulator) -> Iterator[RunPod]:
    with client_of(emulator.control_url, emulator.data_url, emulator.key) as runpod:
        yield runpod


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as pool:
        yield pool


Make = Callable[[], Served]


@pytest.fixture(scope="module")
def make(emulator: Emulator, client: RunPod, threads: ThreadPoolExecutor) -> Make:
    def create() -> Served:
        made = client.within(20).create(spec(max_workers=1, idle_timeout=600), f"r{next(NUMBERS)}")
        return Served(emulator, client, made.id, threads)

    return create


@pytest.fixture(scope="module")
def shared(make: Make) -> Served:
    """For tests that leave its one worker as they find it."""
    served = make()
    assert served.probe().ok
    return served


# What the worker does


def test_the_sdk_answers_a_job(shared: Served) -> None:
    answer = shared.probe(text="What is 17 + 25?")
    assert (answer.text, answer.model) == ("17 + 25 = 42", MODEL)
    assert answer.job and answer.job.worker == shared.worker.id
    pids = {process.environ()["RUNPOD_POD_ID"] for process in processes(shared.ref)}
    assert pids == {shared.worker.id}
    assert "Starting Serverless Worker" in shared.log


def test_the_sdk_answers_a_chat(shared: Served) -> None:
    assert shared.probe(text="What is the capital of France?", way=Way.CHAT).text == "The capital of France is Paris."


def test_it_does_jobs_at_once(shared: Served) -> None:
    with shared.fault("slow_answers", seconds=0.5):
        answers = [shared.threads.submit(shared.probe, text=f"What is {n} + 1?") for n in range(6)]
        until(lambda: len(shared.jobs("IN_PROGRESS")) == 6)
        assert {job.worker for job in shared.jobs("IN_PROGRESS")} == {shared.worker.id}
        assert [answer.result().text for answer in answers] == [f"{n} + 1 = {n + 1}" for n in range(6)]


def test_a_cancelled_job_is_given_up_and_the_worker_goes_on(shared: Served) -> None:
    with shared.fault("slow_answers", seconds=LONG):
        answer = shared.ask()
    (job,) = shared.jobs("IN_PROGRESS")
    shared.client.within(10).cancel(shared.ref, job.id)
    assert not answer.result().ok
    assert job.status == "CANCELLED"
    until(lambda: f'"requestId": "{job.id}", "message": "Job stopped."' in shared.log)
    assert shared.probe().ok


def test_a_job_out_of_time_is_given_up(shared: Served) -> None:
    with shared.fault("slow_answers", seconds=LONG):
        answer = shared.probe(execution_timeout=1)
    assert answer.job and answer.job.status == "TIMED_OUT"
    until(lambda: f'"requestId": "{answer.job.id}", "message": "Job stopped."' in shared.log)
    assert shared.client.health(shared.ref).in_progress == 0


@pytest.mark.parametrize("way", Way)
def test_a_wrong_model_is_the_handlers_error(shared: Served, way: Way) -> None:
    with pytest.raises(UnknownModel, match="The model `another` does not exist"):
        shared.probe(model="another", way=way)


def test_a_dead_engine_fails_every_job_of_a_worker_that_looks_fine(shared: Served) -> None:
    with shared.fault("engine_dead"):
        assert "vLLM is not running" in shared.probe().error
        assert shared.client.readiness(shared.ref, 0.0).phase is Phase.READY
    assert "EngineDeadError" in shared.log
    assert shared.probe().ok


def test_nonsense_comes_from_the_process_too(shared: Served) -> None:
    with shared.fault("wrong_answers"):
        assert shared.probe().text.startswith("Lorem ipsum")


def test_an_image_that_takes_no_jobs(shared: Served) -> None:
    with shared.fault("broken_image"):
        answer = shared.threads.submit(shared.client.within(2).probe, shared.ref, question())
        until(lambda: shared.jobs("IN_QUEUE"))
        assert (shared.worker.status, shared.jobs("IN_PROGRESS")) == ("IDLE", [])
        assert "cancelled" in answer.result().error


# When processes end


def at_work(make: Make) -> tuple[Served, Future[ProbeAnswer]]:
    """An endpoint with a job that takes long."""
    served = make()
    with served.fault("slow_answers", seconds=LONG):
        answer = served.ask()
    assert processes(served.ref)
    return served, answer


def test_stopping_what_costs_kills_the_processes(make: Make) -> None:
    served, answer = at_work(make)
    (job,) = served.jobs("IN_PROGRESS")
    stopping = served.client.within(20).stop_spending(served.ref, (job.id,))
    assert (stopping.forbidden, stopping.workers_left, stopping.jobs_left) == (True, 0, 0)
    assert not answer.result().ok
    until(lambda: not processes(served.ref))


def test_deleting_an_endpoint_kills_its_processes_at_their_work(make: Make) -> None:
    served, answer = at_work(make)
    served.client.within(20).delete(served.ref, with_jobs=True)
    assert not answer.result().ok
    until(lambda: not processes(served.ref))


def test_a_process_that_crashes_at_its_start_is_an_unhealthy_worker(make: Make) -> None:
    served = make()
    with served.fault("crash_loop"):
        answer = served.threads.submit(served.probe)
        until(lambda: served.emulator.endpoint(served.ref).workers and served.worker.status == "UNHEALTHY")
        assert "\nRuntimeError: CUDA error" in served.log
        assert "worker exited with exit code 1" in served.log
        assert not processes(served.ref)
    served.emulator.skip(10)  # until the platform starts it again
    assert answer.result().ok


def test_the_job_of_a_process_that_dies_is_done_by_the_next(make: Make) -> None:
    served, answer = at_work(make)
    for process in processes(served.ref):
        if process.parent() and process.parent().pid == os.getpid():
            process.kill()
    until(lambda: served.worker.status == "UNHEALTHY")
    assert "exit code -9" in served.log
    assert not processes(served.ref), "its pings go on"
    served.emulator.skip(10)
    assert answer.result().ok
    health = served.emulator.endpoint(served.ref).health()
    assert (health["jobs"]["retried"], health["jobs"]["completed"]) == (1, 1)


def test_an_emulator_that_stops_leaves_no_process() -> None:
    with (
        Emulator(sdk_workers=True, pull=0, start=0) as emulator,
        client_of(emulator.control_url, emulator.data_url, emulator.key) as client,
    ):
        made = client.within(20).create(spec(max_workers=2, min_workers=2), "r1")
        until(lambda: len(processes(made.id)) >= 2)
    assert not processes(made.id)


def test_an_emulator_that_is_killed_leaves_no_process() -> None:
    command = [sys.executable, "-m", "tests.emulators.runpod", "--sdk", "--speed", "10"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        found = json.loads(program.stdout.readline())
        with client_of(found["control_url"], found["data_url"], found["key"]) as client:
            made = client.within(20).create(spec(min_workers=1), "r1")
            until(lambda: client.within(10).workers(made.id).idle)
        assert len(processes(made.id)) == 2, "the worker and its pings"
        program.kill()
        program.wait(20)
        until(lambda: not processes(made.id))
