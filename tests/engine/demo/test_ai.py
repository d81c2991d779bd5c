"""The AI route of the demo's backend: a real service process in front of the emulator of RunPod."""

import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo import ai, curl
from demo.machine import Database, Site, install
from demo.service import STOP_SECONDS
from tests.emulators.runpod import RunPod
from tests.engine.demo.conftest import until
from tests.engine.gpu.caller import MODEL, Caller
from tests.engine.gpu.servers import Answer, Scripted, answer, silent

QUESTION = "What is the capital of France?"
LONG = " ".join(f"word{number}" for number in range(40))  # more than an endpoint answers without max_tokens
CHAT = "POST /v2/e1/openai/v1/chat/completions"


class Backend:
    """The backend of a demo host, which has no SSH server and no database here."""

    def __init__(self, site: Site) -> None:
        self.site, self.file = site, site.folder / "etc" / ai.FILE
        self.url = f"http://127.0.0.1:{site.services['backend']}"
        with zipfile.ZipFile(site.app / "backend" / "app.jar", "w") as jar:
            jar.writestr("META-INF/version", "v1\n")

    def service(self, verb: str) -> float:
        """Run the host's own program; returns how long it took, in s."""
        began = time.monotonic()
        subprocess.run([self.site.bin / "service", verb, "backend"], check=True, capture_output=True, timeout=30)
        return time.monotonic() - began

    def point_to(self, base_url: str, key: str, **changes: str) -> None:
        """Write the environment file; the service knows nothing of it yet."""
        values = {"RUNPOD_ENDPOINT_ID": base_url.split("/")[4], "RUNPOD_BASE_URL": base_url, "RUNPOD_API_KEY": key}
        values |= {"AI_MODEL": MODEL, **changes}
        self.file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))

    def ask(self, message: str = QUESTION) -> httpx.Response:
        return httpx.post(f"{self.url}{ai.ROUTE}", json={"message": message}, timeout=60, trust_env=False)

    @property
    def log(self) -> str:
        return (self.site.app / "backend" / "logs" / "app.log").read_text()


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    """Not started yet."""
    machine = install(tmp_path, "ssh-ed25519 AAAA nobody", Database("127.0.0.1", 5432, "u", "p", "d"), {})
    made = Backend(machine.sites["production"])
    yield made
    made.service("halt")


@pytest.fixture
def caller() -> Iterator[Caller]:
    with RunPod() as runpod:
        yield Caller(runpod)


def base_of(caller: Caller, endpoint: dict[str, Any]) -> str:
    return f"{caller.runpod.data_url}/{endpoint['id']}/openai/v1"


def started(backend: Backend, caller: Caller, **changes: str) -> dict[str, Any]:
    """An endpoint without a worker, and the backend running with its address."""
    endpoint = caller.create()
    backend.point_to(base_of(caller, endpoint), caller.runpod.key, **changes)
    backend.service("start")
    return endpoint


def test_without_an_endpoint_it_says_what_is_missing(backend: Backend) -> None:
    assert backend.file.read_text() == ""
    assert backend.file.stat().st_mode & 0o777 == 0o600
    backend.service("start")
    reply = backend.ask()
    assert reply.status_code == 503
    assert all(name in reply.json()["error"] for name in ai.NAMES)
    assert httpx.get(f"{backend.url}/health").json()["status"] == "UP"
    assert httpx.post(f"{backend.url}/api/other", json={}).status_code == 404


def test_a_second_set_up_keeps_the_file(backend: Backend, tmp_path: Path) -> None:
    backend.file.write_text("AI_MODEL=mine\n")
    install(tmp_path, "ssh-ed25519 AAAA nobody", Database("127.0.0.1", 5432, "u", "p", "d"), {})
    assert backend.file.read_text() == "AI_MODEL=mine\n"


def test_it_waits_for_a_cold_start_and_gives_the_whole_answer(backend: Backend, caller: Caller) -> None:
    endpoint = started(backend, caller)
    assert caller.workers(endpoint) == []
    reply = backend.ask(LONG)
    assert reply.json() == {"answer": f"You said: {LONG}", "endpoint": endpoint["id"]}
    assert caller.runpod.jobs[0].given["openai_input"]["max_tokens"] == ai.MAX_TOKENS
    assert f"asks endpoint {endpoint['id']}" in backend.log
    assert caller.runpod.key not in backend.log


def test_an_answer_in_korean_is_readable_as_it_is(backend: Backend, caller: Caller) -> None:
    started(backend, caller)
    assert "김치찌개" in backend.ask("김치찌개").text


def test_a_switch_takes_a_restart(backend: Backend, caller: Caller) -> None:
    blue = started(backend, caller)
    green = caller.create()
    backend.point_to(base_of(caller, green), caller.runpod.key)
    assert backend.ask().json()["endpoint"] == blue["id"]
    backend.service("restart")
    assert backend.ask().json()["endpoint"] == green["id"]


def test_who_waits_for_the_endpoint_holds_up_nobody_and_no_restart(backend: Backend, caller: Caller) -> None:
    started(backend, caller)
    caller.runpod.fault("no_capacity")
    with ThreadPoolExecutor(4) as people:
        waiting = [people.submit(backend.ask) for _ in range(4)]
        until(lambda: len(caller.runpod.jobs) == 4)
        assert httpx.get(f"{backend.url}/health").status_code == 200
        assert backend.service("restart") < STOP_SECONDS
        assert all(isinstance(each.exception(), httpx.TransportError) for each in waiting)
    assert httpx.get(f"{backend.url}/health").status_code == 200


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "engine_dead"}, "answered 500: vLLM is not running"),
        ({"kind": "server_error", "status": 503, "plane": "data"}, "answered 503: "),
        ({"kind": "rate_limit", "plane": "data"}, "answered 429: rate limit exceeded"),
        ({"kind": "lost_reply", "only": "POST /v2/*/openai/*"}, "can't be asked: "),
    ],
)
def test_a_failure_of_the_endpoint_is_told(backend: Backend, caller: Caller, fault: dict[str, Any], words: str) -> None:
    started(backend, caller)
    caller.runpod.fault(**fault)
    reply = backend.ask()
    assert reply.status_code == 502
    assert words in reply.json()["error"]
    assert words in backend.log


def test_a_wrong_key_a_wrong_model_and_a_deleted_endpoint_are_told(backend: Backend, caller: Caller) -> None:
    endpoint = started(backend, caller, RUNPOD_API_KEY="rpa_wrong", AI_MODEL="other")
    reply = backend.ask()
    assert (reply.status_code, reply.json()["error"]) == (502, "the AI endpoint answered 401: invalid bearer token")
    backend.point_to(base_of(caller, endpoint), caller.runpod.key, AI_MODEL="other")
    backend.service("restart")
    assert "The model `other` does not exist" in backend.ask().json()["error"]
    caller.call("DELETE", f"/{endpoint['id']}")
    assert backend.ask().json()["error"] == "the AI endpoint answered 404: endpoint not found"
    assert "rpa_wrong" not in backend.log


def test_the_demos_own_curl_can_ask_it(backend: Backend, caller: Caller) -> None:
    """A machine without curl: the integration test of the procedure posts by the demo's."""
    started(backend, caller)
    arguments = ["-q", "--header", "Content-Type: application/json", "--header", "Expect:", "--data-binary", "@-"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", curl.__file__, *arguments, "--silent", f"{backend.url}{ai.ROUTE}"],
        input=b'{"message": "What is 17 + 25?"}', capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert b"17 + 25 = 42" in done.stdout


# The route without a process


def chat_of(url: str, **changes: str) -> ai.Chat:
    values = {"RUNPOD_ENDPOINT_ID": "e1", "RUNPOD_BASE_URL": url, "RUNPOD_API_KEY": "rpa_secret", "AI_MODEL": MODEL}
    return ai.Chat({**values, **changes})


def respond(chat: ai.Chat, body: bytes = b'{"message": "Hello"}') -> tuple[int, dict[str, str]]:
    return chat.respond(str(len(body)), BytesIO(body))


@pytest.mark.parametrize(
    "given",
    [
        answer(200, {"choices": []}),
        answer(200, {"choices": [{"message": {"content": None}}]}),
        answer(200, "[" * 100_000),
        answer(200, "<html>"),
    ],
)
def test_an_answer_that_is_no_completion_is_told(given: Answer) -> None:
    with Scripted({CHAT: given}) as server:
        said = respond(chat_of(f"{server.url}/v2/e1/openai/v1"))
    assert said == (502, {"error": "the AI endpoint's answer is no chat completion"})


def test_an_endpoint_that_repeats_the_key_does_not_make_it_known() -> None:
    with Scripted({CHAT: answer(500, {"error": {"message": "no such key: rpa_secret"}})}) as server:
        status, said = respond(chat_of(f"{server.url}/v2/e1/openai/v1"))
    assert status == 502
    assert "no such key: ***" in said["error"]


def test_the_key_does_not_follow_a_redirect() -> None:
    with Scripted({}) as other, Scripted({CHAT: answer(302, "", Location=f"{other.url}/")}) as server:
        status, said = respond(chat_of(f"{server.url}/v2/e1/openai/v1"))
        assert other.requests == []
        assert server.requests[0][1]["Authorization"] == "Bearer rpa_secret"
    assert (status, said["error"][:31]) == (502, "the AI endpoint answered 302: ")


def test_a_silent_endpoint_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ai, "ANSWER_SECONDS", 0.2)
    with Scripted({CHAT: silent}) as server:
        said = respond(chat_of(f"{server.url}/v2/e1/openai/v1"))
    assert said == (502, {"error": "the AI endpoint did not answer within 0.2 s"})


@pytest.mark.parametrize("url", ["somewhere", "ftp://127.0.0.1/v1", "http://127.0.0.1:99999/v1", "http://[/v1"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    status, said = respond(chat_of(url))
    assert status == 502
    assert "can't be asked" in said["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 60_000, 400),
        (b'"Hello"', 400),
        (b'{"message": 1}', 400),
        (b'{"message": "  "}', 400),
        (b" " * (ai.LONGEST + 1), 413),
    ],
)
def test_a_question_that_is_none_is_refused(body: bytes, status: int) -> None:
    assert respond(chat_of("http://127.0.0.1:1"), body)[0] == status


@pytest.mark.parametrize("length", ["", "-1", "ten"])
def test_a_question_without_a_length_is_refused(length: str) -> None:
    assert chat_of("http://127.0.0.1:1").respond(length, BytesIO(b"{}"))[0] == 411


def test_the_environment_file_is_read_as_systemd_reads_it(tmp_path: Path) -> None:
    file = tmp_path / ai.FILE
    lines = ["# a comment", "; another=1", "", "AI_MODEL=old", "  AI_MODEL = new ", "nothing"]
    lines += ['A="with \\"quotes\\" and \\$"', "B='as $it is'"]
    file.write_text("\n".join(lines))
    assert ai.settings(file) == {"AI_MODEL": "new", "A": 'with "quotes" and $', "B": "as $it is"}
    assert ai.settings(tmp_path / "absent") == {}
