"""What the emulator lets go wrong, set by Python and by HTTP."""

from collections.abc import Iterator

import httpx
import pytest

from tests.emulators.runpod import KINDS, RunPod

from .caller import BODY, COLD, Caller, said, until

CRASHED = COLD + 1  # s after which a first start has crashed, and its pause of 10 s is not over


@pytest.fixture
def caller() -> Iterator[Caller]:
    """On an emulator in which time stands still."""
    with RunPod(speed=0) as runpod:
        yield Caller(runpod)


def test_no_capacity_throttles_workers_until_there_is_some(caller: Caller) -> None:
    caller.runpod.fault("no_capacity")
    endpoint = caller.create()
    job = caller.run(endpoint)
    caller.runpod.skip(3600)
    assert set(caller.workers(endpoint)) == {"THROTTLED"}
    assert (caller.status(endpoint, job), caller.runpod.billed_seconds) == ("IN_QUEUE", 0)
    caller.runpod.clear("no_capacity")
    caller.runpod.skip(COLD + 1)
    assert caller.status(endpoint, job) == "COMPLETED"


def test_a_crash_loop_goes_on_and_is_billed(caller: Caller) -> None:
    caller.runpod.fault("crash_loop", target=BODY["image"])
    endpoint = caller.create(workers={"max": 1})
    job = caller.run(endpoint)
    caller.runpod.skip(CRASHED)
    assert caller.workers(endpoint) == ["UNHEALTHY"]
    assert caller.health(endpoint)["workers"]["unhealthy"] == 1
    caller.runpod.skip(10)
    assert caller.workers(endpoint) == ["INITIALIZING"]
    caller.runpod.skip(8)
    assert caller.workers(endpoint) == ["UNHEALTHY"]
    assert caller.runpod.billed_seconds == pytest.approx(16)
    assert caller.status(endpoint, job) == "IN_QUEUE"
    assert [line.text for line in caller.runpod.workers[0].lines if "exit code 1" in line.text]
    caller.on(endpoint, "cancel", job)
    caller.runpod.skip(60)
    assert caller.workers(endpoint) == []


def test_a_crash_can_happen_once(caller: Caller) -> None:
    caller.runpod.fault("crash_loop", times=1)
    endpoint = caller.create()
    job = caller.run(endpoint)
    caller.runpod.skip(60)
    assert caller.status(endpoint, job) == "COMPLETED"


def test_a_slow_start_delays_and_one_above_the_limit_is_unhealthy(caller: Caller) -> None:
    caller.runpod.fault("slow_start", seconds=500)
    patient = caller.create()
    hasty = caller.create(env={"MODEL_NAME": "m"})
    caller.run(patient)
    caller.run(hasty)
    caller.runpod.skip(425)  # the platform waits 420 s unless RUNPOD_INIT_TIMEOUT says 800
    assert caller.workers(patient) == ["INITIALIZING"]
    assert caller.workers(hasty) == ["UNHEALTHY"]
    caller.runpod.skip(100)
    assert caller.workers(patient) == ["IDLE"]


def test_too_many_requests_says_when_to_come_back(caller: Caller) -> None:
    caller.runpod.fault("rate_limit", times=2, retry_after=7, plane="control")
    endpoint = f"{caller.runpod.data_url}/any/health"
    assert caller.http.get(endpoint).status_code == 404
    for _ in range(2):
        reply = caller.call("GET")
        assert (reply.status_code, reply.headers["Retry-After"]) == (429, "7")
    assert caller.call("GET").status_code == 200


def test_server_errors_of_the_api_and_of_a_proxy_before_it(caller: Caller) -> None:
    endpoint = caller.create()
    caller.runpod.fault("server_error", times=1)
    assert caller.call("GET").json()["status"] == 500
    caller.runpod.fault("server_error", status=502, only="*/health")
    assert caller.call("GET").status_code == 200
    reply = caller.http.get(endpoint["requestUrls"]["health"])
    assert (reply.status_code, reply.headers["Content-Type"]) == (502, "text/html")
    assert caller.health(endpoint)["jobs"]["inQueue"] == 0


def test_an_endpoint_is_created_though_the_reply_is_lost(caller: Caller) -> None:
    caller.runpod.fault("lost_reply")
    assert caller.call("GET").status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        caller.call("POST", json=BODY)
    assert [endpoint["name"] for endpoint in caller.call("GET").json()["endpoints"]] == [BODY["name"]]
    assert caller.runpod.requests.count("POST /v2/serverless") == 1


def test_an_endpoint_is_created_though_no_reply_comes(caller: Caller) -> None:
    caller.runpod.fault("no_reply", only="POST *")
    with pytest.raises(httpx.ReadTimeout):
        caller.http.post(f"{caller.runpod.control_url}/serverless", json=BODY, timeout=0.3)
    assert [endpoint["name"] for endpoint in caller.call("GET").json()["endpoints"]] == [BODY["name"]]


def test_a_dead_engine_fails_jobs_while_health_looks_fine(caller: Caller) -> None:
    endpoint = caller.warm()
    caller.runpod.fault("engine_dead", target=endpoint["id"])
    job = caller.run(endpoint)
    caller.runpod.skip(1)
    found = caller.on(endpoint, "status", job).json()
    assert (found["status"], "vLLM is not running" in found["error"]) == ("FAILED", True)
    assert caller.health(endpoint)["workers"] == {
        "idle": 1,
        "ready": 1,
        "running": 0,
        "initializing": 0,
        "throttled": 0,
        "unhealthy": 0,
    }


def test_a_maximum_forced_to_zero_stays_until_raised(caller: Caller) -> None:
    endpoint = caller.warm()
    caller.runpod.fault("max_zero", target=endpoint["name"])
    assert caller.runpod.endpoint(endpoint["name"]).settings["workers"]["max"] == 0
    assert caller.workers(endpoint) == []
    assert caller.call("GET", f"/{endpoint['id']}").json()["workers"]["max"] == 0
    caller.call("PATCH", f"/{endpoint['id']}", {"workers": {"max": 1}})
    job = caller.run(endpoint)
    caller.runpod.skip(COLD + 1)
    assert caller.status(endpoint, job) == "COMPLETED"


def test_a_broken_image_is_ready_and_takes_no_job(caller: Caller) -> None:
    caller.runpod.fault("broken_image", target="qwen-red")
    endpoint = caller.create(name="qwen-red")
    caller.run(endpoint)
    caller.runpod.skip(3600)
    found = caller.health(endpoint)
    assert (found["workers"]["ready"], found["jobs"]["inQueue"], found["jobs"]["inProgress"]) == (1, 1, 0)


def test_a_fault_of_one_endpoint_leaves_the_others_alone(caller: Caller) -> None:
    blue, green = caller.warm(name="blue"), caller.warm(name="green")
    caller.runpod.fault("wrong_answers", target="green")
    jobs = [(endpoint, caller.run(endpoint)) for endpoint in (blue, green)]
    caller.runpod.skip(1)
    right, wrong = (said(caller.on(endpoint, "status", job).json()) for endpoint, job in jobs)
    assert "4" in right
    assert "4" not in wrong


def test_faults_are_set_and_cleared_by_http(caller: Caller) -> None:
    url = f"{caller.runpod.admin_url}/faults"
    assert caller.http.post(url, json={"kind": "no_capacity"}).status_code == 201
    assert caller.http.post(url, json={"kind": "earthquake"}).status_code == 422
    assert caller.http.post(url, json={"kind": "no_capacity", "depth": 3}).status_code == 422
    found = caller.http.get(url).json()
    assert [fault["kind"] for fault in found["faults"]] == ["no_capacity"]
    assert found["kinds"] == KINDS
    endpoint = caller.create()
    caller.run(endpoint)
    assert caller.workers(endpoint) == ["THROTTLED"]
    assert caller.http.delete(url, params={"kind": "no_capacity"}).status_code == 204
    assert caller.http.post(f"{caller.runpod.admin_url}/skip", json={"seconds": COLD}).status_code == 200
    state = caller.http.get(f"{caller.runpod.admin_url}/state").json()
    assert [worker["status"] for worker in state["endpoints"][0]["workers"]] == ["RUNNING"]


def test_time_passes_by_itself() -> None:
    with RunPod(speed=500) as runpod:
        caller = Caller(runpod)
        endpoint = caller.create()
        job = caller.run(endpoint)
        until(lambda: caller.status(endpoint, job) == "COMPLETED")
        until(lambda: caller.workers(endpoint) == [])
        assert 8 < runpod.billed_seconds < 60
        assert runpod.cost == pytest.approx(runpod.billed_seconds * 0.684 / 3600)


def test_nothing_answers_once_it_is_stopped() -> None:
    with RunPod(speed=0) as runpod:
        caller = Caller(runpod)
        assert caller.call("GET").status_code == 200
    with pytest.raises(httpx.ConnectError):
        caller.call("GET")
