"""What a check sends with a POST, what must come back, and that it is never sent more often than the step says."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
from django.utils.translation import override

from releases.actions.base import ActionError, StepContext
from releases.actions.http_check import HttpCheck
from releases.models import Attempt
from releases.remote.errors import ConnectionLost
from tests.engine.stage import STEP, Done, Stage

PLACES = pytest.mark.parametrize("place", ["host", "controller"])


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Backend(ThreadingHTTPServer):
    """Answers 503 `failures` times, then 200 with `answer`. /held answers after `release`, /half begins before it,
    /cut closes without a word. `during` is called while the one who asks still waits."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[Asked] = []
        self.failures = 0
        self.answer = b'{"answer": "\xed\x95\x9c\xea\xb5\xad 12"}'
        self.release, self.hung_up = threading.Event(), threading.Event()
        self.during: Callable[[], object] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api"

    def handle_error(self, *_details: Any) -> None:
        """Whoever asked is gone."""


class Handler(BaseHTTPRequestHandler):
    server: Backend
    protocol_version: ClassVar[str] = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.server.asked.append(Asked(self.command, self.path, dict(self.headers), self.rfile.read(length)))
        self.close_connection = True
        self.server.during()
        if self.path.endswith("/cut"):
            return
        if self.path.endswith("/held"):
            self.hold()
        self.send_response(503 if len(self.server.asked) <= self.server.failures else 200)
        self.end_headers()
        self.wfile.write(self.server.answer)
        if self.path.endswith("/half"):
            self.wfile.flush()
            self.hold()

    do_POST = do_GET  # noqa: N815 the name that the server looks for

    def hold(self) -> None:
        """Wait for `release`, or until the other side hangs up."""
        self.connection.settimeout(0.05)
        while not self.server.release.is_set():
            with suppress(TimeoutError):
                if not self.connection.recv(1):
                    self.server.hung_up.set()
                    return

    def log_message(self, *_arguments: Any) -> None:
        """Nothing on the test's output."""


@pytest.fixture
def backend() -> Iterator[Backend]:
    server = Backend()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()


def post(stage: Stage, url: str | list[str], place: str = "host", **more: Any) -> Done:
    with override("en"):
        return stage.perform("http_check", parameters(url, place, **more))


def parameters(url: str | list[str], place: str = "host", **more: Any) -> dict[str, Any]:
    urls = [url] if isinstance(url, str) else url
    return {"urls": urls, "from": place, "method": "POST", "interval": 0, "attempts": 1, "timeout": 5, **more}


def begun(stage: Stage, **more: Any) -> tuple[StepContext, Callable[[], list[str]]]:
    """An attempt on the controller that was told to let go before it sent anything, and the lines of its log."""
    step = {**STEP, "action": "http_check", "parameters": parameters(place="controller", **more)}
    done = stage.attempt(stage.draft([step]), stop=lambda: True)
    return done.context, lambda: done.log.splitlines()


def again(context: StepContext, stop: Callable[[], bool] = lambda: False) -> StepContext:
    """The same attempt in another worker, which has only what is in the database."""
    attempt = Attempt.objects.get(pk=context.attempt.pk)
    fresh = replace(context, attempt=attempt, stop=stop, evidence={})
    with override("en"):
        HttpCheck().run(fresh)
    return fresh


@PLACES
def test_the_body_is_sent_as_it_is(stage: Stage, backend: Backend, place: str) -> None:
    question = 'it\'s "$(id)" `id` \\ 한국'
    stage.variable("question", question)
    body = '{"prompt": "{question}", "max_tokens": 16, "home": "$HOME"}\n\n'
    given = parameters(backend.url, place, body=body, content_type="application/json; charset=utf-8")
    done = stage.perform("http_check", given, variables=[{"name": "question", "type": "string"}])
    assert done.problem == ""
    (asked,) = backend.asked
    assert asked.method == "POST"
    assert asked.body.decode() == body.replace("{question}", question)
    assert asked.headers["Content-Type"] == "application/json; charset=utf-8"
    assert done.log.splitlines()[0].startswith(
        "$ curl -X POST -H 'Content-Type: application/json; charset=utf-8' --data "
    )


@PLACES
@pytest.mark.parametrize("body", ["@/etc/passwd", "-d x", "x" * 200_000, ""])
def test_no_body_is_read_otherwise(stage: Stage, backend: Backend, place: str, body: str) -> None:
    assert post(stage, backend.url, place, body=body).problem == ""
    (asked,) = backend.asked
    assert asked.body.decode() == body
    assert asked.headers["Content-Length"] == str(len(body))
    assert asked.headers["Content-Type"] == "application/json"
    assert "Expect" not in asked.headers


@PLACES
def test_a_get_sends_no_body(stage: Stage, backend: Backend, place: str) -> None:
    assert post(stage, backend.url, place, method="GET").problem == ""
    (asked,) = backend.asked
    assert (asked.method, asked.body) == ("GET", b"")
    assert not {"Content-Type", "Content-Length"} & set(asked.headers)


def test_the_body_is_in_no_command_line(stage: Stage, backend: Backend) -> None:
    mark, seen = uuid.uuid4().hex, list[str]()

    def look() -> None:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                seen.append(" ".join([*process.cmdline(), *process.environ().values()]))

    backend.during = look
    assert post(stage, backend.url, body=mark).problem == ""
    assert backend.asked[0].body.decode() == mark
    assert any(backend.url in line for line in seen)
    assert not any(mark in line for line in seen)


@PLACES
@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"matches": r'"answer":\s*"한. \d+"'}, ""),
        ({"matches": r"\d", "text": "한국"}, ""),
        ({"matches": r"^\d"}, r"the answer does not match ^\d"),
        ({"matches": r"\d", "text": "paris"}, "the expected text was not in the answer"),
        ({"matches": r"nope", "text": "한국"}, "the answer does not match nope"),
        ({"matches": r"\d", "status": 201}, "answered with status 200"),
    ],
)
def test_the_answer_must_match(
    stage: Stage, backend: Backend, place: str, wanted: dict[str, Any], problem: str
) -> None:
    done = post(stage, backend.url, place, **wanted)
    assert (problem in done.problem) if problem else done.problem == ""
    assert len(backend.asked) == 1


@PLACES
def test_a_get_must_match_too(stage: Stage, backend: Backend, place: str) -> None:
    assert "does not match" in post(stage, backend.url, place, method="GET", matches="nope").problem
    assert post(stage, backend.url, place, method="GET", matches="answer").problem == ""


@PLACES
def test_a_pattern_that_takes_for_ever_is_given_up(stage: Stage, backend: Backend, place: str) -> None:
    backend.answer = b"a" * 5000 + b"!"
    done = post(stage, backend.url, place, matches="(a|a|aa)+$")
    assert "takes too long" in done.problem and "(a|a|aa)+$" in done.problem


@PLACES
def test_it_is_sent_as_often_as_the_step_says(stage: Stage, backend: Backend, place: str) -> None:
    backend.failures = 2
    assert "status 503" in post(stage, backend.url, place, attempts=2).problem
    assert len(backend.asked) == 2
    done = post(stage, backend.url, place, attempts=2)
    assert done.problem == ""
    assert done.context.evidence["answers"][0]["tries"] == 1


@PLACES
def test_a_request_that_breaks_is_not_sent_again_unasked(stage: Stage, backend: Backend, place: str) -> None:
    assert post(stage, f"{backend.url}/cut", place).problem
    assert len(backend.asked) == 1


def test_what_the_login_wants_of_curl_changes_nothing(stage: Stage, backend: Backend) -> None:
    (stage.home / ".curlrc").write_text('retry = 2\nretry-delay = 1\nheader = "X-Own: 1"\n')
    backend.failures = 1
    assert "status 503" in post(stage, backend.url).problem
    assert len(backend.asked) == 1
    assert "X-Own" not in backend.asked[0].headers


@PLACES
@pytest.mark.parametrize("path", ["held", "half"])
def test_an_answer_that_comes_too_late(stage: Stage, backend: Backend, place: str, path: str) -> None:
    done = post(stage, f"{backend.url}/{path}", place, timeout=1, matches="never")
    assert "no answer within 1 s" in done.problem or "timed out" in done.problem
    assert backend.hung_up.wait(10)
    assert len(backend.asked) == 1


@PLACES
def test_a_cold_start_is_waited_for(stage: Stage, backend: Backend, place: str) -> None:
    asked_to_stop = 0

    def stop() -> bool:
        nonlocal asked_to_stop
        asked_to_stop += bool(backend.asked)
        if asked_to_stop > 4:
            backend.release.set()
        return False

    step = {**STEP, "action": "http_check", "parameters": parameters(f"{backend.url}/held", place, timeout=300)}
    done = stage.attempt(stage.draft([step]), stop=stop)
    assert done.problem == ""
    assert asked_to_stop > 4  # it was asked while the answer was waited for
    assert done.context.evidence["answers"][0]["status"] == 200


@PLACES
def test_it_lets_go_of_a_request_under_way(stage: Stage, backend: Backend, place: str) -> None:
    more = {"attempts": 5, "timeout": 300}
    step = {**STEP, "action": "http_check", "parameters": parameters(f"{backend.url}/held", place, **more)}
    done = stage.attempt(stage.draft([step]), stop=lambda: bool(backend.asked))
    assert done.problem == ""
    assert "answers" not in done.context.evidence
    assert len(backend.asked) == 1
    assert len(done.log.splitlines()) == 1  # the command: nothing is said of an answer nobody waited for
    assert place == "host" or backend.hung_up.wait(10)


def test_another_worker_sends_no_more_than_is_left(stage: Stage, backend: Backend) -> None:
    backend.failures = 9
    context, log = begun(stage, url=backend.url, attempts=2)
    again(context, stop=lambda: bool(backend.asked))
    assert Attempt.objects.get(pk=context.attempt.pk).evidence == {"sent": [1]}
    with pytest.raises(ActionError, match="status 503"):
        again(context)
    assert len(backend.asked) == 2
    assert "2/2" in log()[-1]
    with pytest.raises(ActionError, match="lost before the answer came"):
        again(context)
    assert len(backend.asked) == 2


def test_another_worker_sends_nothing_again_that_was_answered(stage: Stage, backend: Backend) -> None:
    urls = [f"{backend.url}/one", f"{backend.url}/held"]
    context, _log = begun(stage, url=urls, attempts=2)
    again(context, stop=lambda: len(backend.asked) == 2)
    backend.release.set()
    answers = again(context).evidence["answers"]
    assert [asked.path for asked in backend.asked] == ["/api/one", "/api/held", "/api/held"]
    assert [(answer["url"], answer["tries"]) for answer in answers] == [(urls[0], 1), (urls[1], 2)]


def test_each_address_has_all_the_tries(stage: Stage, backend: Backend) -> None:
    backend.failures = 1
    context, _log = begun(stage, url=[f"{backend.url}/one", f"{backend.url}/two"], attempts=2)
    assert [answer["tries"] for answer in again(context).evidence["answers"]] == [2, 1]
    assert Attempt.objects.get(pk=context.attempt.pk).evidence["sent"] == [2, 1]


def test_a_get_begins_anew_in_another_worker(stage: Stage, backend: Backend) -> None:
    backend.failures = 1
    context, _log = begun(stage, url=backend.url, method="GET")
    with pytest.raises(ActionError, match="status 503"):
        again(context)
    assert again(context).evidence["answers"][0]["tries"] == 1
    assert Attempt.objects.get(pk=context.attempt.pk).evidence == {}


def test_a_broken_connection_to_the_host_counts_as_sent(stage: Stage, backend: Backend) -> None:
    backend.during = stage.server.kill
    with pytest.raises(ConnectionLost):
        post(stage, f"{backend.url}/held")
    assert len(backend.asked) == 1
    assert Attempt.objects.get().evidence == {"sent": [1]}


def test_no_way_to_the_host_uses_up_no_try(stage: Stage, backend: Backend) -> None:
    step = {**STEP, "action": "http_check", "parameters": parameters(backend.url)}
    context = stage.attempt(stage.draft([step]), stop=lambda: True).context

    def away() -> Any:
        raise ConnectionLost("away")

    with pytest.raises(ConnectionLost):
        HttpCheck().run(replace(context, transport=away, stop=lambda: False))
    assert Attempt.objects.get().evidence == {}


def test_a_plan_of_before_still_asks(stage: Stage, backend: Backend) -> None:
    context, _log = begun(stage, url=backend.url, method="GET")
    older = {"urls": [backend.url], "from": "controller", "status": 200, "attempts": 1, "interval": 0, "timeout": 5}
    planned = replace(context.planned, parameters=older)
    assert again(replace(context, planned=planned)).evidence["answers"][0]["status"] == 200
    assert backend.asked[0].method == "GET"


def test_curl_leaves_nothing_behind(stage: Stage, backend: Backend) -> None:
    folder = stage.folder / "temporary"
    folder.mkdir()
    stage.server.stop()
    stage.server.settings += f" TMPDIR={folder}"
    stage.server.start()
    seen = list[Path]()
    backend.during = lambda: seen.extend(folder.iterdir())
    assert post(stage, backend.url, body="x").problem == ""
    assert seen and not any(b"x" in path.read_bytes() for path in seen if path.exists())
    assert list(folder.iterdir()) == []
