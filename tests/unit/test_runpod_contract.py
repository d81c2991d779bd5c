"""Our client and RunPod's own description agree: every call, every field sent, every field read.

The description is pinned in tests/emulators/runpod; when it is renewed, this says what has to change with it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from releases.gpu import contract
from releases.gpu import runpod_shapes as shapes
from releases.gpu.contract import CONTROL_CALLS, JOB_CALLS, Call
from releases.gpu.nouns import Scaling, ScalingKind
from tests.engine.gpu.specs import spec

DESCRIPTION = json.loads((Path(__file__).parents[1] / "emulators" / "runpod" / "openapi-v2.json").read_text())
WAYS_TO_SPLIT = ("allOf", "oneOf", "anyOf")
CALL = pytest.mark.parametrize("call", CONTROL_CALLS, ids=lambda call: f"{call.method} {call.path}")


def followed(part: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to."""
    while "$ref" in part:
        found: Any = DESCRIPTION
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = {**found, **{key: value for key, value in part.items() if key != "$ref"}}
    return part


def branches(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema and all that it is put together from."""
    schema = followed(schema)
    yield schema
    for way in WAYS_TO_SPLIT:
        for part in schema.get(way, ()):
            yield from branches(part)


def below(schema: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The schemas of one field; empty if there is none. `name[]`: of its entries, `name{}`: it takes any names."""
    bare = name.removesuffix("[]").removesuffix("{}")
    found = [part["properties"][bare] for part in branches(schema) if bare in part.get("properties", {})]
    inner = [part for each in found for part in branches(each)]
    if name.endswith("[]"):
        return [part["items"] for part in inner if "items" in part]
    if name.endswith("{}"):
        return [part for part in inner if isinstance(part.get("additionalProperties"), dict)]
    return found


def knows(schema: dict[str, Any], field: str) -> bool:
    places = [schema]
    for name in field.split("."):
        places = [found for place in places for found in below(place, name)]
    return bool(places)


def operation(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = DESCRIPTION["paths"][call.path][call.method.lower()]
    return found


def request_schema(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = operation(call)["requestBody"]["content"]["application/json"]["schema"]
    return found


def response_schema(call: Call) -> dict[str, Any]:
    (good,) = (answer for status, answer in operation(call)["responses"].items() if status.startswith("2"))
    found: dict[str, Any] = followed(good)["content"]["application/json"]["schema"]
    return found


def parameters(call: Call) -> dict[str, str]:
    """Names of what can be asked for beside the body, and where each is put."""
    listed = DESCRIPTION["paths"][call.path].get("parameters", []) + operation(call).get("parameters", [])
    return {found["name"]: found["in"] for found in map(followed, listed)}


@CALL
def test_each_call_is_described(call: Call) -> None:
    assert call.method.lower() in DESCRIPTION["paths"].get(call.path, {})
    places = {name for name, place in parameters(call).items() if place == "path"}
    assert places == {part.strip("{}") for part in call.path.split("/") if part.startswith("{")}


@CALL
def test_each_field_that_we_send_is_described(call: Call) -> None:
    assert [field for field in call.sends if not knows(request_schema(call), field)] == []


@CALL
def test_each_parameter_that_we_send_is_described(call: Call) -> None:
    known = {name for name, place in parameters(call).items() if place in ("query", "header")}
    assert set(call.asks) <= known


@CALL
def test_each_field_that_we_read_is_described(call: Call) -> None:
    assert [field for field in call.reads if not knows(response_schema(call), field)] == []


@CALL
def test_what_is_done_twice_is_never_retried(call: Call) -> None:
    assert (call.retry is contract.Retry.NEVER) == (call.method == "POST")


def test_the_job_addresses_that_we_use_are_described() -> None:
    described = DESCRIPTION["components"]["schemas"]["QueueBasedRequestUrls"]
    assert set(contract.REQUEST_URLS) == set(described["required"])
    assert {call.url for call in JOB_CALLS} <= set(contract.REQUEST_URLS)


def test_the_check_finds_what_is_not_described() -> None:
    create, listing = request_schema(contract.CREATE), response_schema(contract.LIST)
    assert knows(create, "gpu.pools") and knows(create, "env{}") and knows(create, "scaling.queueDelay")
    assert not knows(create, "gpu.type") and not knows(create, "image{}") and not knows(create, "gpuIds")
    assert knows(listing, "endpoints[].workers.max") and not knows(listing, "endpoints[].workersMax")


# The code keeps to the table


BODIES = [
    spec(),
    spec(excluded_types=(), min_cuda=""),
    spec(scaling=Scaling(ScalingKind.REQUEST_COUNT, 4)),
]


def fields(body: Any, path: str = "") -> Iterator[str]:
    """Names of the leaves, with dots."""
    for name, value in body.items():
        if name == "env":
            yield "env{}"
        elif isinstance(value, dict):
            yield from fields(value, f"{path}{name}.")
        else:
            yield path + name


@pytest.mark.parametrize("wanted", BODIES, ids=["all", "least", "by requests"])
def test_what_we_send_is_in_the_table_and_valid(wanted: Any) -> None:
    body = shapes.creation(wanted, "qwen-r1")
    assert set(fields(body)) <= set(contract.CREATE.sends)
    schema = {**request_schema(contract.CREATE), "components": DESCRIPTION["components"]}
    assert [error.message for error in Draft202012Validator(schema).iter_errors(body)] == []


class Watched(dict[str, Any]):
    """A reply that notes what is read of it."""

    def __init__(self, content: dict[str, Any], path: str, seen: set[str]) -> None:
        super().__init__({name: watched(value, path + name, seen) for name, value in content.items()})
        self._path, self._seen = path, seen

    def __getitem__(self, name: str) -> Any:
        self._note(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._note(name)
        return super().get(name, default)

    def _note(self, name: str) -> None:
        self._seen.add(self._path + name)


def watched(value: Any, path: str, seen: set[str]) -> Any:
    if isinstance(value, dict):
        return Watched(value, f"{path}." if path else "", seen)
    if isinstance(value, list):
        return [watched(each, f"{path}[]", seen) for each in value]
    return value


ENDPOINT = {
    **shapes.creation(spec(), "qwen-r1"),
    "id": "one",
    "createdAt": "2026-06-01T12:00:00Z",
    "requestUrls": {name: f"https://api.runpod.ai/v2/one/{name}" for name in contract.REQUEST_URLS},
}
BY_COUNT = {**ENDPOINT, "scaling": {"type": "REQUEST_COUNT", "requestCount": 2}}
COUNTS = dict.fromkeys(("running", "idle", "initializing", "throttled", "unhealthy", "total"), 0)
WORKER = {"id": "w", "status": "IDLE", "isStale": False, "gpuCount": 1, "gpuTypeId": "NVIDIA L4"}
GPU = {"id": "NVIDIA L4", "pool": "AMPERE_24", "price": {"serverless": 0.684}, "availability": "LOW"}
AMOUNTS = {"totalAmount": 1.5, "gpuAmount": 1, "cpuAmount": 0, "diskAmount": 0.5, "feeAmount": 0}
WINDOW = {"startTime": "2026-06-01T00:00:00Z", "endTime": "2026-06-02T00:00:00Z"}
REPLIES = [
    (contract.GET, shapes.endpoint, ENDPOINT),
    (contract.CREATE, shapes.endpoint, BY_COUNT),
    (contract.LIST, shapes.endpoints, {"endpoints": [ENDPOINT, BY_COUNT]}),
    (contract.WORKERS, shapes.workers, {"workers": [WORKER], "summary": COUNTS, "endpointVersion": 3}),
    (contract.GPUS, shapes.cards, {"gpus": [GPU]}),
    (contract.BILLING, shapes.spend, {"records": [], "metadata": {"query": WINDOW, "totals": AMOUNTS}}),
]


@pytest.mark.parametrize(
    ("call", "read", "reply"), REPLIES, ids=[each[1].__name__ + each[0].method for each in REPLIES]
)
def test_what_we_read_is_in_the_table(call: Call, read: Any, reply: dict[str, Any]) -> None:
    seen: set[str] = set()
    assert read(watched(reply, "", seen))
    declared = {field.removesuffix("{}") for field in call.reads}
    inner = {field for field in seen if not any(other.startswith((f"{field}.", f"{field}[]")) for other in declared)}
    assert inner <= declared, "read, and not in the table"


@pytest.mark.parametrize(
    "call", [contract.GET, contract.WORKERS, contract.GPUS, contract.BILLING], ids=lambda c: c.path
)
def test_all_in_the_table_is_read(call: Call) -> None:
    seen: set[str] = set()
    for other, read, reply in REPLIES:
        if other.reads == call.reads:
            read(watched(reply, "", seen))
    assert {field.removesuffix("{}") for field in call.reads} <= seen
