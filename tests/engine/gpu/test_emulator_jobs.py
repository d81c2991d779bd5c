"""The emulator's data port: jobs, the model's answers, and how workers come and go with them."""

from collections.abc import Iterator

import pytest

from tests.emulators.runpod import RunPod

from .caller import BODY, COLD, MODEL, Caller, said

HOUR = 3600


@pytest.fixture
def caller() -> Iterator[Caller]:
    """On an emulator in which time stands still."""
    with RunPod(speed=0) as runpod:
        yield Caller(runpod)


@pytest.fixture
def quick() -> Iterator[Caller]:
    """On one in which 200 seconds pass in one, for calls that wait."""
    with RunPod(speed=200) as runpod:
        yield Caller(runpod)


def test_the_first_job_starts_a_worker_that_goes_when_idle(caller: Caller) -> None:
    endpoint = caller.create()
    job = caller.run(endpoint)
    assert (caller.status(endpoint, job), caller.workers(endpoint)) == ("IN_QUEUE", ["INITIALIZING"])
    caller.runpod.skip(COLD)
    assert (caller.status(endpoint, job), caller.workers(endpoint)) == ("IN_PROGRESS", ["RUNNING"])
    caller.runpod.skip(1)
    found = caller.on(endpoint, "status", job).json()
    assert (found["status"], caller.workers(endpoint)) == ("COMPLETED", ["IDLE"])
    assert "4" in said(found)
    assert (found["delayTime"], found["executionTime"]) == (COLD * 1000, 1000)
    caller.runpod.skip(BODY["workers"]["idleTimeout"] - 1)
    assert caller.workers(endpoint) == ["IDLE"]
    caller.runpod.skip(1)
    assert caller.workers(endpoint) == []


def test_health_counts_jobs_and_workers(caller: Caller) -> None:
    endpoint = caller.warm()
    caller.run(endpoint)
    found = caller.health(endpoint)
    assert found["jobs"] == {"completed": 1, "failed": 0, "inProgress": 1, "inQueue": 0, "retried": 0}
    assert (found["workers"]["running"], found["workers"]["ready"], found["workers"]["idle"]) == (1, 1, 0)


def test_a_queue_delay_adds_workers_one_by_one_up_to_the_maximum(caller: Caller) -> None:
    endpoint = caller.create()
    for _ in range(4):
        caller.run(endpoint)
    assert len(caller.workers(endpoint)) == 1
    caller.runpod.skip(BODY["scaling"]["queueDelay"])
    assert len(caller.workers(endpoint)) == 2
    caller.runpod.skip(BODY["scaling"]["queueDelay"])
    assert len(caller.workers(endpoint)) == 2


def test_a_request_count_adds_workers_for_what_is_pending(caller: Caller) -> None:
    endpoint = caller.create(workers={"max": 5}, scaling={"type": "REQUEST_COUNT", "requestCount": 2})
    assert "idleTimeout" not in endpoint["workers"]
    for _ in range(5):
        caller.run(endpoint)
    assert len(caller.workers(endpoint)) == 3


def test_a_minimum_of_workers_stays(caller: Caller) -> None:
    endpoint = caller.create(workers={"min": 1, "max": 2})
    assert caller.workers(endpoint) == ["INITIALIZING"]
    caller.runpod.skip(HOUR)
    assert caller.workers(endpoint) == ["IDLE"]


def test_a_maximum_of_zero_keeps_jobs_waiting_and_lets_the_last_one_end(caller: Caller) -> None:
    endpoint = caller.warm()
    job = caller.run(endpoint)
    caller.call("PATCH", f"/{endpoint['id']}", {"workers": {"max": 0}})
    later = caller.run(endpoint)
    caller.runpod.skip(HOUR / 4)
    assert (caller.status(endpoint, job), caller.status(endpoint, later)) == ("COMPLETED", "IN_QUEUE")
    assert caller.workers(endpoint) == []
    caller.call("PATCH", f"/{endpoint['id']}", {"workers": {"max": 2}})
    caller.runpod.skip(COLD + 1)
    assert caller.status(endpoint, later) == "COMPLETED"


def test_a_week_without_requests_takes_all_workers(caller: Caller) -> None:
    endpoint = caller.create(workers={"max": 3})
    caller.runpod.skip(3 * 24 * HOUR)
    assert caller.call("GET", f"/{endpoint['id']}").json()["workers"]["max"] == 2
    caller.runpod.skip(4 * 24 * HOUR)
    assert caller.call("GET", f"/{endpoint['id']}").json()["workers"]["max"] == 0
    assert caller.call("PATCH", f"/{endpoint['id']}", {"workers": {"max": 2}}).json()["workers"]["max"] == 2
    caller.runpod.skip(HOUR)
    assert caller.call("GET", f"/{endpoint['id']}").json()["workers"]["max"] == 2


def test_a_worker_takes_as_many_jobs_as_it_can(caller: Caller) -> None:
    endpoint = caller.warm(workers={"max": 1, "idleTimeout": 30}, env={**BODY["env"], "MAX_CONCURRENCY": "2"})
    jobs = [caller.run(endpoint) for _ in range(3)]
    assert [caller.status(endpoint, job) for job in jobs] == ["IN_PROGRESS", "IN_PROGRESS", "IN_QUEUE"]


def test_a_job_is_cancelled_waiting_or_working(caller: Caller) -> None:
    endpoint = caller.create()
    waiting = caller.run(endpoint)
    assert caller.on(endpoint, "cancel", waiting).json() == {"id": waiting, "status": "CANCELLED"}
    working = caller.run(endpoint)
    caller.runpod.skip(COLD)
    assert caller.on(endpoint, "cancel", working).json()["status"] == "CANCELLED"
    assert caller.workers(endpoint) == ["IDLE"]


def test_purging_takes_what_waits_and_nothing_else(caller: Caller) -> None:
    endpoint = caller.warm(env={**BODY["env"], "MAX_CONCURRENCY": "1"})
    working, waiting = caller.run(endpoint), caller.run(endpoint)
    reply = caller.http.post(endpoint["requestUrls"]["purgeQueue"])
    assert reply.json() == {"removed": 1, "status": "completed"}
    assert [caller.status(endpoint, job) for job in (working, waiting)] == ["IN_PROGRESS", "CANCELLED"]


def test_a_job_out_of_time_is_retried_under_its_id(caller: Caller) -> None:
    endpoint = caller.warm()
    caller.runpod.fault("slow_answers", seconds=60)
    job = caller.run(endpoint, executionTimeout=10_000)
    assert caller.on(endpoint, "retry", job).status_code == 400
    caller.runpod.skip(10)
    assert caller.status(endpoint, job) == "TIMED_OUT"
    caller.runpod.clear()
    assert caller.on(endpoint, "retry", job).json() == {"id": job, "status": "IN_QUEUE"}
    caller.runpod.skip(1)
    assert caller.status(endpoint, job) == "COMPLETED"
    assert caller.health(endpoint)["jobs"]["retried"] == 1


def test_a_job_is_unknown_after_its_time_to_live(caller: Caller) -> None:
    endpoint = caller.create()
    job = caller.run(endpoint, ttl=5_000)
    caller.runpod.skip(5)
    assert caller.on(endpoint, "status", job).status_code == 404
    assert caller.health(endpoint)["jobs"]["inQueue"] == 0


def test_a_result_is_kept_for_half_an_hour(caller: Caller) -> None:
    endpoint = caller.create()
    job = caller.run(endpoint)
    caller.runpod.skip(COLD + 1 + HOUR / 2 - 1)
    assert caller.status(endpoint, job) == "COMPLETED"
    caller.runpod.skip(1)
    assert caller.on(endpoint, "status", job).status_code == 404


def test_input_is_required(caller: Caller) -> None:
    endpoint = caller.create()
    assert caller.http.post(endpoint["requestUrls"]["run"], json={"prompt": "hi"}).status_code == 400
    job = caller.http.post(endpoint["requestUrls"]["run"], json={"input": {"text": "hi"}}).json()["id"]
    caller.runpod.skip(COLD + 1)
    assert caller.status(endpoint, job) == "FAILED"


def test_a_payload_has_a_limit(caller: Caller) -> None:
    endpoint = caller.create()
    big = {"input": {"prompt": "x" * 10_000_000}}
    assert caller.http.post(endpoint["requestUrls"]["run"], json=big).status_code == 413


def test_runsync_waits_for_the_answer_or_gives_the_status(quick: Caller) -> None:
    endpoint = quick.create()
    url = endpoint["requestUrls"]["runSync"]
    body = {"input": {"prompt": "hello"}}
    early = quick.http.post(url, json=body, params={"wait": 1000}).json()
    assert early["status"] == "IN_QUEUE"
    found = quick.http.post(url, json=body).json()
    assert found["status"] == "COMPLETED"
    assert found["output"][0]["choices"][0]["text"] == "You said: hello"
    assert quick.on(endpoint, "stream", found["id"]).json()["stream"] == [{"output": found["output"][0]}]
    assert quick.http.post(url, json=body, params={"wait": 10}).status_code == 400


def ask(caller: Caller, endpoint: dict[str, str], **body: object) -> object:
    url = f"{caller.runpod.data_url}/{endpoint['id']}/openai/v1/chat/completions"
    return caller.http.post(url, json={"messages": [{"role": "user", "content": "What is 2+2?"}], **body})


def test_the_openai_route_answers_by_the_served_name(quick: Caller) -> None:
    name = "wiki"
    endpoint = quick.create(env={**BODY["env"], "OPENAI_SERVED_MODEL_NAME_OVERRIDE": name})
    models = quick.http.get(f"{quick.runpod.data_url}/{endpoint['id']}/openai/v1/models").json()
    assert [model["id"] for model in models["data"]] == [name]
    reply = ask(quick, endpoint, model=name, max_tokens=50)
    assert "4" in reply.json()["choices"][0]["message"]["content"]
    wrong = ask(quick, endpoint, model=MODEL)
    assert wrong.status_code == 500
    assert f"The model `{MODEL}` does not exist." in wrong.json()["error"]


def test_an_answer_is_cut_to_16_tokens_unless_told(quick: Caller) -> None:
    endpoint = quick.create()
    messages = [{"role": "user", "content": "word " * 40}]
    cut = ask(quick, endpoint, model=MODEL, messages=messages).json()
    assert (cut["usage"]["completion_tokens"], cut["choices"][0]["finish_reason"]) == (16, "length")
    whole = ask(quick, endpoint, model=MODEL, messages=messages, max_tokens=100).json()
    assert whole["choices"][0]["finish_reason"] == "stop"


def test_an_answer_is_streamed_in_words(quick: Caller) -> None:
    reply = ask(quick, quick.create(), model=MODEL, stream=True)
    assert reply.text.count("data: ") == 7  # five words, the end of the answer, the end of the stream
    assert reply.text.endswith("data: [DONE]\n\n")
