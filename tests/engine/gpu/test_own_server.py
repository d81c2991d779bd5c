"""A server of one's own in place of RunPod: the same steps, as far as there is something to do."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from releases.engine.errors import EngineError
from releases.models import EndpointState, GpuAccount

from .fleet import MODEL, Fleet, fresh
from .servers import Scripted, answer

pytestmark = pytest.mark.django_db(transaction=True)


def said(text: str) -> dict[str, object]:
    return {"model": MODEL, "choices": [{"message": {"content": text}, "finish_reason": "stop"}]}


@pytest.fixture
def servers() -> Iterator[list[Scripted]]:
    """Two that answer every question with what is expected."""
    routes = {
        "GET /health": answer(200, ""),
        "GET /v1/models": answer(200, {"data": [{"id": MODEL}]}),
        "POST /v1/chat/completions": answer(200, said("Paris 42")),
    }
    with ExitStack() as stack:
        yield [stack.enter_context(Scripted(dict(routes))) for _ in range(2)]


def account(fleet: Fleet, server: Scripted, name: str) -> GpuAccount:
    return GpuAccount.objects.create(
        project=fleet.world.project,
        name=name,
        provider=GpuAccount.Provider.SELF_HOSTED,
        data_url=server.url,
        model=MODEL,
    )


def test_blue_and_green_are_two_servers(fleet: Fleet, servers: list[Scripted]) -> None:
    accounts = [account(fleet, server, f"vllm-{n}") for n, server in enumerate(servers, 1)]
    fleet.rules.account = accounts[0]
    fleet.rules.save()
    blue = fleet.endpoint(fleet.deploy("v1", method="self_hosted", image="", pools=[]))
    assert (blue.ref, blue.base_url, blue.state) == ("vllm-1", f"{servers[0].url}/v1", EndpointState.ACTIVE)
    fleet.rules.account = accounts[1]
    fleet.rules.save()
    second = fleet.deploy("v2", method="self_hosted", image="", pools=[])
    assert fleet.variables()["RUNPOD_BASE_URL"] == f"{servers[1].url}/v1"
    assert fresh(blue).state == EndpointState.RETAINED
    back = fleet.run(fleet.draft_back(second))
    assert back.status == "succeeded", fleet.told(back)
    assert fleet.variables()["RUNPOD_BASE_URL"] == f"{servers[0].url}/v1"
    assert (fresh(blue).state, fleet.endpoint(second).state) == (EndpointState.ACTIVE, EndpointState.FAILED)


def test_the_server_that_has_the_traffic_is_no_new_one(fleet: Fleet, servers: list[Scripted]) -> None:
    fleet.rules.account = account(fleet, servers[0], "vllm")
    fleet.rules.save()
    fleet.deploy("v1", method="self_hosted", image="", pools=[])
    again = fleet.run(fleet.draft("v2", method="self_hosted", image="", pools=[]))
    assert again.status == "failed"
    assert "vllm is in use" in again.steps.get(key="create").reason


def test_a_release_of_another_sort_than_the_account_makes_no_plan(fleet: Fleet, servers: list[Scripted]) -> None:
    with pytest.raises(EngineError, match="another sort"):
        fleet.draft("v1", method="self_hosted", image="", pools=[])


def test_a_server_with_another_model_gets_no_traffic(fleet: Fleet, servers: list[Scripted]) -> None:
    servers[0].routes["POST /v1/chat/completions"] = answer(
        404, {"object": "error", "message": f"The model `{MODEL}` does not exist.", "code": 404}
    )
    fleet.rules.account = account(fleet, servers[0], "vllm")
    fleet.rules.save()
    done = fleet.run(fleet.draft("v1", method="self_hosted", image="", pools=[]))
    assert done.status == "failed" and MODEL in done.steps.get(key="prove").reason
    assert "RUNPOD_ENDPOINT_ID" not in fleet.variables()
