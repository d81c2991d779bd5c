"""The one place that sends requests, against servers that misbehave."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from releases.gpu.errors import ProviderRefused, ProviderUnavailable, RateLimited
from releases.gpu.http import Http, Request, Retry
from releases.gpu.patience import Deadline

from .servers import Answer, Scripted, answer, cut_off, dripping, in_turn, silent

KEY, SECRET = "rpa_the-key", "hf_a-secret"


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted({}) as running:
        yield running


@pytest.fixture
def http() -> Iterator[Http]:
    client = Http("RunPod", KEY)
    yield client
    client.close()


def ask(http: Http, server: Scripted, how: Answer, seconds: float = 20, method: str = "GET", **settings: Any) -> Any:
    server.routes[f"{method} /it"] = how
    return http.ask(Request(method, f"{server.url}/it", "do it", **settings), Deadline(seconds))


def test_the_key_and_the_body_arrive_and_numbers_are_exact(http: Http, server: Scripted) -> None:
    assert ask(http, server, answer(200, '{"a": 0.1}'), method="POST", body={"b": 1}) == {"a": Decimal("0.1")}
    _, headers, body = server.requests[0]
    assert headers["Authorization"] == f"Bearer {KEY}" and body == {"b": 1}


def test_an_empty_answer_is_none(http: Http, server: Scripted) -> None:
    assert ask(http, server, answer(204, b"")) is None


FAILURES = [cut_off, answer(502, "<html>"), answer(200, "<html>")]


@pytest.mark.parametrize("first", [*FAILURES, answer(503, "", Retry_After="1")])
def test_what_failed_is_tried_again(http: Http, server: Scripted, first: Answer) -> None:
    assert ask(http, server, in_turn(first, answer(200, {"ok": 1}))) == {"ok": 1}
    assert len(server.requests) == 2


@pytest.mark.parametrize("first", FAILURES)
@pytest.mark.parametrize("retry", [Retry.NEVER, Retry.NOT_DONE])
def test_what_may_have_been_done_is_not(http: Http, server: Scripted, first: Answer, retry: Retry) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        ask(http, server, in_turn(first, answer(200, {})), method="POST", retry=retry)
    assert caught.value.sent
    assert len(server.requests) == 1


def test_a_limited_request_was_not_done_and_is_tried_again(http: Http, server: Scripted) -> None:
    how = in_turn(answer(429, {}, Retry_After="0"), answer(200, {"ok": 1}))
    assert ask(http, server, how, method="POST", retry=Retry.NOT_DONE) == {"ok": 1}
    with pytest.raises(RateLimited):
        ask(http, server, answer(429, {}, Retry_After="0"), method="POST", retry=Retry.NEVER)


def test_a_redirect_is_not_followed(http: Http, server: Scripted) -> None:
    with pytest.raises(ProviderRefused, match="302"):
        ask(http, server, answer(302, "", Location=f"{server.url}/elsewhere"))
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", [dripping, silent], ids=["dripping", "silent"])
def test_no_answer_takes_longer_than_it_may(http: Http, server: Scripted, how: Answer) -> None:
    began = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        ask(http, server, how, seconds=0.5)
    assert time.monotonic() - began < 5


def test_silence_counts_as_lost_before_all_patience_is_gone(http: Http, server: Scripted) -> None:
    with pytest.raises(ProviderUnavailable, match="no answer in time"):
        ask(http, server, silent, seconds=100, quiet=0.2, retry=Retry.NEVER)


def test_a_flood_is_cut(http: Http, server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("releases.gpu.http.ANSWER_LIMIT", 1000)
    with pytest.raises(ProviderUnavailable, match="far too much"):
        ask(http, server, answer(200, "1" * 1001), seconds=0.3)


def test_no_error_repeats_a_secret(http: Http, server: Scripted) -> None:
    said = {"title": "Bad Request", "status": 400, "detail": f"{SECRET} {KEY}", "errors": [f"env.TOKEN: {SECRET}"]}
    with pytest.raises(ProviderRefused) as caught:
        ask(http, server, answer(400, said), method="POST", body={"env": {"TOKEN": SECRET}}, env={"TOKEN": SECRET})
    assert str(caught.value) == "RunPod refused to do it (400): Bad Request. *** ***: env.TOKEN: ***"
    assert SECRET not in repr(caught.value) and KEY not in repr(caught.value)
