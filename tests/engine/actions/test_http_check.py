"""Addresses are asked until they answer as they should; the last answer is told."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from django.utils.translation import override

from tests.engine.sshd import free_port
from tests.engine.stage import STEP, Done, Stage


class Service(ThreadingHTTPServer):
    """Answers 503 `failures` times, then 200. /moved redirects, /endless never ends."""

    failures = 0
    asked = 0

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version: ClassVar[str] = "HTTP/1.0"

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/health")
            self.end_headers()
            return
        status = 503 if self.server.asked <= self.server.failures else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"binary \0 \xff\n200 UP \xed\x95\x9c\n")
        if self.path == "/endless":
            with self.wfile:
                while True:
                    self.wfile.write(b"x" * 65536)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing on the test's output."""


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_details: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def check(stage: Stage, url: str, **more: Any) -> Done:
    parameters = {"urls": [url], "interval": 0, "attempts": 2, "timeout": 2, **more}
    with override("en"):
        return stage.perform("http_check", parameters)


def test_it_tries_again_until_the_answer_is_right(stage: Stage, service: Service) -> None:
    service.failures = 2
    done = check(stage, f"{service.url}/health?a='$(x)", attempts=5)
    assert done.problem == ""
    assert service.asked == 3
    assert done.context.evidence["answers"][0]["tries"] == 3
    lines = done.log.splitlines()
    assert lines[0].startswith("$ curl ")
    assert "503" in lines[1] and "2/5" in lines[2] and "200" in lines[3]


def test_it_says_what_was_answered_at_last(stage: Stage, service: Service) -> None:
    service.failures = 99
    done = check(stage, f"{service.url}/health")
    assert f"{service.url}/health" in done.problem
    assert "503" in done.problem
    assert service.asked == 2


@pytest.mark.parametrize(("text", "problem"), [("UP 한", False), ("DOWN", True)])
@pytest.mark.parametrize("place", ["host", "controller"])
def test_it_looks_for_a_text(stage: Stage, service: Service, place: str, text: str, problem: bool) -> None:
    url = service.url.replace("localhost", "127.0.0.1")
    done = check(stage, url, text=text, **{"from": place})
    assert bool(done.problem) is problem
    assert not problem or "expected text" in done.problem


def test_nobody_listens(stage: Stage) -> None:
    done = check(stage, f"http://localhost:{free_port()}/")
    assert "localhost" in done.problem
    assert "onnect" in done.problem


@pytest.mark.parametrize("place", ["host", "controller"])
def test_a_redirect_is_not_followed(stage: Stage, service: Service, place: str) -> None:
    url = service.url.replace("localhost", "127.0.0.1") + "/moved"
    assert "302" in check(stage, url, **{"from": place}).problem


def test_an_endless_answer_is_cut(stage: Stage, service: Service) -> None:
    assert check(stage, f"{service.url}/endless", text="UP").problem == ""


def test_the_controller_asks_no_private_address_but_the_hosts(stage: Stage, service: Service) -> None:
    stage.world.host.address = "192.0.2.1"
    stage.world.host.save()
    done = check(stage, service.url, attempts=1, **{"from": "controller"})
    assert "private" in done.problem
    assert service.asked == 0


def test_without_curl_it_says_so(stage: Stage, service: Service) -> None:
    program = stage.home / "bin"
    program.mkdir()
    stage.server.stop()
    stage.server.settings = f"SetEnv HOME={stage.home} PATH={program}"
    for name in ("sh", "cat"):
        (program / name).symlink_to(f"/bin/{name}")
    stage.server.start()
    assert "curl is not installed" in check(stage, service.url, attempts=1).problem


def test_it_lets_go_when_told(stage: Stage, service: Service) -> None:
    service.failures = 999
    parameters = {"urls": [service.url], "attempts": 999, "interval": 9}
    deployment = stage.draft([{**STEP, "action": "http_check", "parameters": parameters}])
    done = stage.attempt(deployment, stop=lambda: service.asked > 0)
    assert done.problem == ""
    assert "answers" not in done.context.evidence
