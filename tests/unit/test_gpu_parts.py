"""The small pure parts under the providers: waiting, refusals, addresses, log events, answers."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.gpu import answers, errors
from releases.gpu.errors import (
    AddressUntrusted,
    EndpointGone,
    GpuError,
    KeyRefused,
    ProviderRefused,
    ProviderUnavailable,
    QuotaFull,
    RateLimited,
    Stopped,
    UnknownModel,
)
from releases.gpu.http import LONGEST_PAUSE, Retry, belongs_to, may_repeat, pause_before, safe_address
from releases.gpu.nouns import LogLine
from releases.gpu.patience import Deadline, Patience
from releases.gpu.problems import Problem, error_for, hide, read_problem, seconds_to_wait, secrets_of
from releases.gpu.sse import log_lines
from tests.engine.gpu.specs import question, spec

# Errors


def kinds() -> list[type[GpuError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GpuError)]


def test_each_error_has_a_code_of_its_own_and_a_mend() -> None:
    codes = [kind.code for kind in kinds()]
    assert len(set(codes)) == len(codes)
    assert all(kind.mend.endswith(".") for kind in kinds())


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (401, "", KeyRefused),
        (403, "not yours", KeyRefused),
        (404, "endpoint not found", EndpointGone),
        (429, "", RateLimited),
        (400, "bad", ProviderRefused),
        (422, "bad", ProviderRefused),
        (302, "", ProviderRefused),
        (400, "Max workers across all endpoints must not exceed your workers quota (30)", QuotaFull),
        (500, "Max workers across all endpoints must not exceed your workers quota (30)", QuotaFull),
        (403, "workers quota exceeded", QuotaFull),
        (500, "", ProviderUnavailable),
        (503, "", ProviderUnavailable),
        (404, "The model `a` does not exist.", UnknownModel),
        (500, "The model `a` does not exist.", UnknownModel),
    ],
)
def test_each_status_is_an_error(status: int, text: str, kind: type[GpuError]) -> None:
    error = error_for("RunPod", "do it", status, {}, Problem(detail=text))
    assert type(error) is kind
    assert "RunPod" in error.message


def test_a_quota_is_read_from_its_text() -> None:
    text = "Max workers across all endpoints must not exceed your workers quota (30)"
    error = error_for("RunPod", "do it", 400, {}, Problem(detail=text))
    assert isinstance(error, QuotaFull) and error.quota == 30


def test_a_problem_is_told_whole() -> None:
    body = {"title": "Unprocessable Entity", "status": 422, "detail": "Validation failed.", "errors": ["a: b", "c: d"]}
    problem = read_problem(json.dumps(body).encode(), ())
    assert problem.text == "Unprocessable Entity. Validation failed: a: b; c: d"


@pytest.mark.parametrize(
    "body",
    [
        '{"error": {"message": "no such thing", "code": 404}}',
        '{"error": "no such thing"}',
        '{"object": "error", "message": "no such thing"}',
        '"no such thing"',
    ],
)
def test_refusals_of_other_servers_are_read(body: str) -> None:
    assert read_problem(body.encode(), ()).text == "no such thing"


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_no_body_breaks_the_reading_of_a_refusal(body: bytes | str) -> None:
    read_problem(body if isinstance(body, bytes) else body.encode(), ("secret",))


@given(st.text(min_size=6, alphabet=st.characters(categories=["L"])), st.text(alphabet=" .:/0123456789"))
def test_no_secret_is_repeated(secret: str, around: str) -> None:
    secrets = secrets_of("rpa_key", {"LONG": "x" + secret, "TOKEN": secret, "FEW": "2"})
    body = {"title": secret, "detail": f"{around}x{secret}{secret} rpa_key", "errors": [f"env.TOKEN: x{secret}"]}
    problem = read_problem(json.dumps(body).encode(), secrets)
    assert (problem.title, problem.detail) == ("***", f"{around}****** ***")
    assert problem.errors == ("env.TOKEN: ***",)


def test_switches_and_short_numbers_are_no_secrets() -> None:
    env = {"A": "true", "B": "0.95", "C": "8192", "D": "", "E": "abc", "TOKEN": "hf_abcdef"}
    assert secrets_of("rpa_key", env) == ("hf_abcdef", "rpa_key")
    assert hide("quota 8192, hf_abcdef", secrets_of("k", env)) == "quota 8192, ***"


def test_a_spec_shows_no_variable() -> None:
    assert "hf_a-secret" not in repr(spec())


# Waiting


@given(st.integers(min_value=0, max_value=10_000), st.floats(min_value=0, max_value=1e6))
def test_a_pause_is_never_shorter_than_asked_for_nor_without_bound(attempt: int, asked_for: float) -> None:
    pause = pause_before(attempt, asked_for)
    assert asked_for <= pause <= asked_for + LONGEST_PAUSE
    assert pause > 0


@pytest.mark.parametrize(("said", "seconds"), [("12", 12), ("0", 0), ("1.5", 1.5), ("", None), ("soon", None)])
def test_retry_after_in_seconds(said: str, seconds: float | None) -> None:
    assert seconds_to_wait({"Retry-After": said}) == seconds


def test_retry_after_as_a_date() -> None:
    seconds = seconds_to_wait({"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=90))})
    assert seconds is not None and 80 < seconds <= 90
    assert seconds_to_wait({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0


@pytest.mark.parametrize(
    ("retry", "error", "may"),
    [
        (Retry.ALWAYS, ProviderUnavailable("", sent=True), True),
        (Retry.NOT_DONE, ProviderUnavailable("", sent=True), False),
        (Retry.NOT_DONE, ProviderUnavailable("", sent=False), True),
        (Retry.NOT_DONE, RateLimited("", seconds=1), True),
        (Retry.NEVER, ProviderUnavailable("", sent=False), False),
        (Retry.NEVER, RateLimited("", seconds=1), False),
    ],
)
def test_only_what_was_not_done_is_repeated(retry: Retry, error: RateLimited | ProviderUnavailable, may: bool) -> None:
    assert may_repeat(retry, error) is may


def test_a_deadline_ends_a_pause_and_stop_does() -> None:
    deadline = Patience(0.05).begin()
    deadline.pause(1000)
    assert deadline.passed and deadline.left == 0
    assert 0 < deadline.at_least(5).left <= 5
    with pytest.raises(Stopped):
        Deadline(1000, lambda: True).pause(1000)


def test_a_part_of_a_deadline_is_never_longer_than_it() -> None:
    assert Deadline(1).shorter(1000).left <= 1
    assert Deadline(1000).shorter(1).left <= 1


# Addresses


def test_a_key_goes_only_where_it_is_safe() -> None:
    assert safe_address("https://api.runpod.io/") == "https://api.runpod.io"
    assert safe_address("http://127.0.0.1:81/v2") == "http://127.0.0.1:81/v2"
    assert safe_address("http://emulator:81", plain=True) == "http://emulator:81"
    for address in ("http://api.runpod.io", "ftp://api.runpod.io", "api.runpod.io", ""):
        with pytest.raises(AddressUntrusted):
            safe_address(address)


@pytest.mark.parametrize(
    ("url", "belongs"),
    [
        ("https://api.runpod.ai/v2/one/run", True),
        ("https://one.api.runpod.ai/run", True),
        ("http://api.runpod.ai/v2/one/run", False),
        ("https://api.runpod.ai:444/v2/one/run", False),
        ("https://api.runpod.ai.evil.example/run", False),
        ("https://evilapi.runpod.ai/run", False),
        ("https://api.runpod.ai@evil.example/run", False),
        ("/run", False),
    ],
)
def test_job_addresses_belong_to_the_provider(url: str, belongs: bool) -> None:
    assert belongs_to(url, "https://api.runpod.ai") is belongs


# Log events


TEXT = st.text(alphabet=st.characters(categories=["L", "N", "P", "Zs"]))


@given(st.lists(st.tuples(TEXT, TEXT)))
def test_events_come_out_as_they_went_in(lines: list[tuple[str, str]]) -> None:
    stream = [": keep-alive", ""]
    for identifier, text in lines:
        data = json.dumps({"ts": "", "source": "container", "line": text})
        stream += [f"id: {identifier}", f"data: {data}", "", ": keep-alive", ""]
    assert list(log_lines(stream)) == [LogLine(identifier, text, "container") for identifier, text in lines]


def test_an_event_that_was_cut_off_is_left_for_the_resume() -> None:
    assert list(log_lines(["id: 1", 'data: {"line": "a"}', "", "id: 2", 'data: {"line": "b"}'])) == [LogLine("1", "a")]


@pytest.mark.parametrize("data", ["plain text", "[1]", "{}", '"a"'])
def test_an_odd_event_is_shown_as_it_is(data: str) -> None:
    assert list(log_lines([f"data:{data}", ""])) == [LogLine("", data)]


# Answers


def completion(text: object = "Paris.", reason: str = "stop") -> dict[str, object]:
    return {"model": "m", "choices": [{"message": {"content": text}, "finish_reason": reason}]}


def test_an_answer_is_read_bare_and_from_a_list() -> None:
    for answer in (completion(), [completion()], [[completion()]]):
        said = answers.read(answer, 1.5)
        assert (said.ok, said.text, said.model, said.cut, said.seconds) == (True, "Paris.", "m", False, 1.5)
    assert answers.read(completion(reason="length"), 0).cut


@pytest.mark.parametrize(
    "answer", [None, [], {}, "x", {"choices": []}, {"choices": [None]}, completion(None), completion(" "), [[]]]
)
def test_an_answer_without_text_is_none(answer: object) -> None:
    assert answers.read(answer, 0).error == answers.NOTHING_SAID


@pytest.mark.parametrize(
    "answer", [{"error": "no"}, {"error": {"message": "no"}}, {"object": "error", "message": "no"}, [{"error": "no"}]]
)
def test_an_error_in_the_place_of_an_answer_is_one(answer: object) -> None:
    assert answers.read(answer, 0).error == "no"


def test_an_unknown_model_is_raised_from_the_text_of_a_job() -> None:
    with pytest.raises(UnknownModel):
        answers.failed("{'message': 'The model `x` does not exist.', 'type': 'NotFoundError', 'code': 404}", 0)


def test_a_question_always_says_its_limits() -> None:
    job = answers.chat_job(question(max_tokens=5, execution_timeout=1.5, time_to_live=20))
    assert job["policy"] == {"executionTimeout": 1500, "ttl": 20000}
    assert job["input"]["openai_input"]["max_tokens"] == 5
