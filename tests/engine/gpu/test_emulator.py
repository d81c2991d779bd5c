"""The emulator's control port: endpoints, their rules, workers, releases, prices and the bill."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.emulators import runpod as package
from tests.emulators.runpod import RunPod, pin

from .caller import BODY, COLD, Caller

GPU = BODY["gpu"]


@pytest.fixture
def caller() -> Iterator[Caller]:
    """On an emulator in which time stands still; it fails if any reply broke the description."""
    with RunPod(speed=0) as runpod:
        yield Caller(runpod)


def test_it_wants_the_key(caller: Caller) -> None:
    for url in (f"{caller.runpod.control_url}/serverless", f"{caller.runpod.data_url}/any/health"):
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            reply = httpx.get(url, headers=headers, trust_env=False)
            assert reply.status_code == reply.json()["status"] == 401
            assert reply.headers["Content-Type"] == "application/problem+json"


def test_an_endpoint_is_created_listed_read_and_deleted(caller: Caller) -> None:
    created = caller.create()
    assert caller.call("GET").json() == {"endpoints": [created]}
    assert caller.call("GET", f"/{created['id']}").json() == created
    assert created["env"] == BODY["env"]
    assert created["requestUrls"]["run"] == f"{caller.runpod.data_url}/{created['id']}/run"
    assert caller.workers(created) == []
    caller.run(created)
    caller.runpod.skip(1)
    reply = caller.call("DELETE", f"/{created['id']}")
    assert (reply.status_code, reply.content) == (204, b"")
    assert caller.call("GET", f"/{created['id']}").json()["title"] == "Not Found"
    assert caller.http.get(created["requestUrls"]["health"]).status_code == 404
    assert caller.runpod.workers == caller.runpod.jobs == []


def test_every_reply_tells_the_quota_of_requests(caller: Caller) -> None:
    headers = caller.call("GET").headers
    assert "RateLimit" in headers
    assert "RateLimit-Policy" in headers


@pytest.mark.parametrize(
    "changes",
    [
        {"colour": "green"},
        {"gpu": {**GPU, "size": 1}},
        {"workers": {"min": 0, "max": 2, "idleTimeout": 4000}},
        {"scaling": {"type": "QUEUE_DELAY", "queueDelay": 0.1}},
        {"type": "LOAD_BALANCER"},
        {"env": {"PORT": 80}},
        {"name": ""},
    ],
)
def test_what_the_description_forbids_is_422(caller: Caller, changes: dict[str, Any]) -> None:
    reply = caller.call("POST", json={**BODY, **changes})
    assert reply.status_code == 422
    assert reply.json()["errors"]
    assert caller.runpod.endpoints == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cpu": [{"id": "cpu5c", "vcpuCount": 2}]}, "exactly one of gpu and cpu"),
        ({"gpu": {**GPU, "allowedCudaVersions": ["12.8"]}}, "mutually exclusive"),
        ({"scaling": {"type": "REQUEST_COUNT", "requestCount": 1}}, "idleTimeout"),
        ({"gpu": {"pools": ["NOWHERE"]}}, "unknown pool"),
        ({"gpu": {**GPU, "excludedTypes": ["NVIDIA L40"]}}, "not a GPU type in one of the pools"),
        ({"gpu": {"pools": ["ADA_24"], "excludedTypes": ["NVIDIA GeForce RTX 4090"]}}, "leaves no GPU type"),
        ({"workers": {"min": 3, "max": 2}}, "workers.min"),
    ],
)
def test_what_only_prose_forbids_is_400(caller: Caller, changes: dict[str, Any], words: str) -> None:
    reply = caller.call("POST", json={**BODY, **changes})
    assert reply.status_code == 400
    assert words in reply.json()["detail"]


def test_a_body_that_is_no_json_is_400(caller: Caller) -> None:
    assert caller.http.post(f"{caller.runpod.control_url}/serverless", content="{").status_code == 400


def test_a_processor_without_a_card_and_a_load_balancer(caller: Caller) -> None:
    without = {name: value for name, value in BODY.items() if name != "gpu"}
    scaling = {"type": "REQUEST_COUNT", "requestCount": 4}
    body = {**without, "cpu": [{"id": "cpu5c", "vcpuCount": 2}], "type": "LOAD_BALANCER", "scaling": scaling}
    created = caller.call("POST", json=body).json()
    assert created["gpu"] is None
    assert created["cpu"] == [{"id": "cpu5c", "vcpuCount": 2, "memory": 4}]
    assert set(created["requestUrls"]) == {"base", "health"}
    assert caller.call("PATCH", f"/{created['id']}", {"gpu": GPU}).status_code == 400


def test_the_quota_counts_all_endpoints(caller: Caller) -> None:
    blue, green = caller.create(), caller.create()
    reply = caller.call("POST", json=BODY)
    assert reply.status_code == 400
    assert reply.json()["detail"] == "Max workers across all endpoints must not exceed your workers quota (5)"
    assert caller.call("PATCH", f"/{blue['id']}", {"workers": {"max": 4}}).status_code == 400
    assert caller.call("PATCH", f"/{green['id']}", {"workers": {"max": 0}}).json()["workers"]["max"] == 0
    assert caller.call("POST", json=BODY).status_code == 201


def test_new_pools_clear_the_exclusions(caller: Caller) -> None:
    path = f"/{caller.create()['id']}"
    kept = caller.call("PATCH", path, {"gpu": {"minCudaVersion": "12.8"}}).json()["gpu"]
    assert kept["excludedTypes"] == GPU["excludedTypes"]
    assert "excludedTypes" not in caller.call("PATCH", path, {"gpu": {"pools": ["AMPERE_24"]}}).json()["gpu"]
    assert caller.call("PATCH", path, {"gpu": {"excludedTypes": ["NVIDIA L4"]}}).status_code == 422


def test_a_change_that_conflicts_with_what_stays_is_400(caller: Caller) -> None:
    path = f"/{caller.create()['id']}"
    assert caller.call("PATCH", path, {"gpu": {"allowedCudaVersions": ["13.0"]}}).status_code == 400
    both = {"gpu": {"allowedCudaVersions": ["13.0"], "minCudaVersion": ""}}
    assert caller.call("PATCH", path, both).json()["gpu"]["minCudaVersion"] is None
    by_count = {"scaling": {"type": "REQUEST_COUNT", "requestCount": 1}}
    assert caller.call("PATCH", path, {**by_count, "workers": {"idleTimeout": 9}}).status_code == 400
    assert "idleTimeout" not in caller.call("PATCH", path, by_count).json()["workers"]


def test_a_new_environment_is_a_release_that_replaces_idle_workers(caller: Caller) -> None:
    endpoint = caller.warm()
    path = f"/{endpoint['id']}"
    assert caller.call("GET", f"{path}/releases").json()["rollout"]["percentOnLatest"] == 100
    assert caller.call("PATCH", path, {"workers": {"idleTimeout": 60}}).status_code == 200
    assert caller.call("GET", f"{path}/workers").json()["endpointVersion"] == 1
    caller.run(endpoint)
    assert caller.call("PATCH", path, {"env": {"MODEL_NAME": "other"}}).json()["env"] == {"MODEL_NAME": "other"}
    found = caller.call("GET", f"{path}/workers").json()
    assert [(w["status"], w["isStale"], w["version"]) for w in found["workers"]] == [("RUNNING", True, 1)]
    releases = caller.call("GET", f"{path}/releases").json()
    assert (releases["endpointVersion"], releases["rollout"]["inProgress"]) == (2, True)
    assert [change["field"] for change in releases["releases"][0]["diff"]] == ["template.env"]
    caller.runpod.skip(1)
    assert caller.workers(endpoint) == []


def test_the_catalogue_has_prices_and_stock(caller: Caller) -> None:
    url = f"{caller.runpod.control_url}/catalog/gpus"
    cards = {card["id"]: card for card in caller.http.get(url).json()["gpus"]}
    assert cards["NVIDIA L4"]["price"]["serverless"] == 0.684
    assert cards["NVIDIA GeForce RTX 4090"]["pool"] == "ADA_24"
    assert "availability" not in cards["NVIDIA L4"]
    query = {"include": "AVAILABILITY", "product": "SERVERLESS"}
    assert caller.http.get(f"{url}/NVIDIA L4", params=query).json()["availability"] == "HIGH"
    caller.runpod.fault("no_capacity")
    assert {card["availability"] for card in caller.http.get(url, params=query).json()["gpus"]} == {"NONE"}
    assert caller.http.get(url, params={"include": "AVAILABILITY"}).status_code == 400
    assert caller.http.get(url, params={"product": "SERVERLESS"}).status_code == 400
    assert caller.http.get(url, params={"include": "PRICES"}).status_code == 422


def test_start_work_and_idling_are_billed_and_nothing_after(caller: Caller) -> None:
    endpoint = caller.warm()
    idle = BODY["workers"]["idleTimeout"]
    caller.runpod.skip(1000)
    seconds = 8 + 1 + idle  # pulling the image costs nothing
    assert caller.runpod.billed_seconds == pytest.approx(seconds)
    url = f"{caller.runpod.control_url}/billing/serverless"
    caller.call("DELETE", f"/{endpoint['id']}")
    found = caller.http.get(url, params={"serverlessId": endpoint["id"], "bucketSize": "hour", "lastN": 2}).json()
    assert found["metadata"]["totals"]["totalAmount"] == pytest.approx(seconds * 0.684 / 3600)
    assert {record["serverlessId"] for record in found["records"]} == {endpoint["id"]}
    assert caller.http.get(url, params={"serverlessId": "another"}).json()["records"] == []
    both = {"lastN": 2, "startTime": "2026-01-01T00:00:00Z"}
    assert caller.http.get(url, params=both).status_code == 400


def test_a_log_is_streamed_and_taken_up_again(caller: Caller) -> None:
    endpoint = caller.create()
    caller.run(endpoint)
    url = f"{caller.runpod.control_url}/serverless/{endpoint['id']}/workers/{caller.runpod.workers[0].id}/logs"
    with caller.http.stream("GET", url) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        first = [next(lines) for _ in range(3)]
        assert "create container" in json.loads(first[1].removeprefix("data: "))["line"]
        caller.runpod.skip(COLD)
        assert any("Worker ready." in line for line in lines)
    last = first[0].removeprefix("id: ")
    caller.runpod.skip(1)
    with caller.http.stream("GET", url, headers={"Last-Event-ID": last}) as stream:
        lines = stream.iter_lines()
        next(lines)
        assert "start container" in next(lines)
        caller.runpod.skip(BODY["workers"]["idleTimeout"])
        assert "Finished job" in [line for line in lines if line.startswith("data:")][-1]
    assert caller.http.get(url).status_code == 404


def test_a_log_can_be_cut_to_its_end_and_to_one_source(caller: Caller) -> None:
    endpoint = caller.warm()
    url = f"{caller.runpod.control_url}/serverless/{endpoint['id']}/workers/{caller.runpod.workers[0].id}/logs"
    with caller.http.stream("GET", url, params={"tail": 1, "source": "system"}) as stream:
        lines = stream.iter_lines()
        next(lines)
        assert "start container" in next(lines)
    with caller.http.stream("GET", url, params={"tail": 1}) as stream:
        last = next(stream.iter_lines()).removeprefix("id: ")
    with caller.http.stream("GET", url, params={"since": last.partition("/")[0], "tail": 5}) as stream:
        lines = stream.iter_lines()
        caller.call("DELETE", f"/{endpoint['id']}")
        assert "Finished job" in "".join(lines)


def test_a_reply_that_breaks_the_description_is_noticed() -> None:
    runpod = RunPod(speed=0)
    caller = Caller(runpod)
    caller.create()
    runpod.endpoints[0].settings["timeout"] = "soon"
    assert caller.call("GET").status_code == 500
    assert "'soon' is not of type 'integer'" in runpod.violations[0]
    with pytest.raises(AssertionError, match="soon"):
        runpod.__exit__(None, None, None)


def test_the_pinned_description_is_closed_in_itself() -> None:
    kept = json.loads(pin.PINNED.read_text())
    assert pin.cut(kept) == kept


def test_it_runs_as_a_program() -> None:
    command = [sys.executable, "-m", package.__name__, "--speed", "1"]
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as program:
        found = json.loads(program.stdout.readline())
        headers = {"Authorization": f"Bearer {found['key']}"}
        reply = httpx.get(f"{found['control_url']}/serverless", headers=headers, trust_env=False)
        program.terminate()
    assert reply.json() == {"endpoints": []}
    assert program.returncode == 0
