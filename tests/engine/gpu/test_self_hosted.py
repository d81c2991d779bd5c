"""A vLLM server of our own, over real HTTP: ready, loading, away, with another model."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from releases.gpu.errors import (
    AddressUntrusted,
    EndpointGone,
    KeyRefused,
    NotSupported,
    ProviderUnavailable,
    UnknownModel,
)
from releases.gpu.nouns import Phase
from releases.gpu.provider import Provider
from releases.gpu.self_hosted import SelfHosted

from .servers import Scripted, answer, cut_off, silent
from .specs import MODEL, question, spec

CHAT = "POST /v1/chat/completions"
COMPLETION = {"model": MODEL, "choices": [{"message": {"content": "5"}, "finish_reason": "stop"}]}


@pytest.fixture
def server() -> Iterator[Scripted]:
    routes = {
        "GET /health": answer(200, b""),
        "GET /v1/models": answer(200, {"object": "list", "data": [{"id": MODEL}]}),
        CHAT: answer(200, COMPLETION),
    }
    with Scripted(routes) as running:
        yield running


@pytest.fixture
def client(server: Scripted) -> Iterator[SelfHosted]:
    with SelfHosted("gpu-1", server.url, MODEL, "the-key") as hosted:
        yield hosted


def test_it_is_ready_when_it_serves_the_model(client: SelfHosted) -> None:
    assert client.readiness("gpu-1", 0).phase is Phase.READY


def test_it_is_cold_while_it_loads(client: SelfHosted, server: Scripted) -> None:
    server.routes["GET /health"] = answer(503, b"")
    assert client.readiness("gpu-1", 0).phase is Phase.COLD


def test_another_model_is_told(client: SelfHosted, server: Scripted) -> None:
    server.routes["GET /v1/models"] = answer(200, {"data": [{"id": "other"}]})
    seen = client.readiness("gpu-1", 0)
    assert seen.phase is Phase.DOWN and "serves other, not our-model" in seen.reason


@pytest.mark.parametrize("how", [answer(200, "<html>"), answer(200, "[]"), answer(200, '{"data": 1}'), cut_off])
def test_an_odd_server_is_not_ready(client: SelfHosted, server: Scripted, how: object) -> None:
    server.routes["GET /v1/models"] = how  # type: ignore[assignment]
    assert client.readiness("gpu-1", 0).phase in (Phase.DOWN, Phase.COLD)


def test_no_server_is_down() -> None:
    with Scripted({}) as server:
        url = server.url
    with SelfHosted("gpu-1", url, MODEL) as client:
        assert client.readiness("gpu-1", 0).phase is Phase.DOWN
        with pytest.raises(ProviderUnavailable):
            client.within(1).probe("gpu-1", question())


def test_a_silent_server_is_not_waited_for(client: SelfHosted, server: Scripted) -> None:
    server.routes["GET /health"] = silent
    assert client.within(0.3).readiness("gpu-1", 0).phase is Phase.DOWN


def test_a_refused_key_is_told(client: SelfHosted, server: Scripted) -> None:
    server.routes["GET /v1/models"] = answer(401, {"error": "Unauthorized"})
    with pytest.raises(KeyRefused):
        client.readiness("gpu-1", 0)


def test_a_probe_asks_the_chat_route_with_its_limit_of_tokens(client: SelfHosted, server: Scripted) -> None:
    said = client.probe("gpu-1", question(max_tokens=7))
    assert said.ok and said.text == "5" and said.model == MODEL and said.job is None
    line, headers, body = server.requests[-1]
    assert line == CHAT and headers["Authorization"] == "Bearer the-key"
    assert body["max_tokens"] == 7 and "policy" not in body


def test_an_unknown_model_is_told(client: SelfHosted, server: Scripted) -> None:
    message = {"message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}
    server.routes[CHAT] = answer(404, {"error": message})
    with pytest.raises(UnknownModel):
        client.probe("gpu-1", question(model="x"))


def test_what_it_has_not_is_said_and_not_pretended(client: SelfHosted) -> None:
    provider: Provider = client
    can = provider.capabilities
    assert not (can.create or can.scaling or can.queue or can.logs or can.billing)
    now = datetime.now(UTC)
    for call in (
        lambda: provider.create(spec(), "r1"),
        lambda: provider.set_capacity("gpu-1", 0, 1),
        lambda: provider.workers("gpu-1"),
        lambda: provider.health("gpu-1"),
        lambda: provider.cancel("gpu-1", "job"),
        lambda: provider.purge("gpu-1"),
        lambda: provider.logs("gpu-1", "worker"),
        lambda: provider.price(spec()),
        lambda: provider.limits(),
        lambda: provider.spend("gpu-1", now, now),
        lambda: provider.stop_spending("gpu-1"),
        lambda: provider.delete("gpu-1"),
    ):
        with pytest.raises(NotSupported, match="gpu-1"):
            call()


def test_it_is_one_endpoint_by_its_name(client: SelfHosted, server: Scripted) -> None:
    assert [each.id for each in client.list_all()] == ["gpu-1"]
    assert client.list_owned("gpu-") and not client.list_owned("cloud-")
    assert client.get("gpu-1").urls == {"chat": f"{server.url}/v1/chat/completions"}
    with pytest.raises(EndpointGone):
        client.probe("gpu-2", question())


def test_a_key_does_not_travel_readable() -> None:
    with pytest.raises(AddressUntrusted):
        SelfHosted("gpu-1", "http://gpu.example", MODEL, "the-key")
    SelfHosted("gpu-1", "http://gpu.example", MODEL).close()
