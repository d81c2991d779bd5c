"""A worker's log over HTTP from a running server: what readers who leave, and a server that stops, leave behind."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client, RequestFactory

from cloudwiki.asgi import application
from cloudwiki.shutdown import stopping
from releases import secrets
from releases.models import User, Variable
from releases.views import gpu_logs
from tests.emulators.runpod.workers import Worker

from .caller import until
from .guarded import Guarded
from .specs import SECRET

Events = Iterator[dict[str, str]]
IN_DATABASE = "a-password-of-the-database"
TYPED_IN = "https://cache.example/typed-in"  # a variable of the endpoint that no secret is behind


@pytest.fixture
def server(transactional_db: None) -> Iterator[str]:
    """The address of the application under uvicorn."""
    config = uvicorn.Config(application, port=0, lifespan="off", log_level="error", timeout_graceful_shutdown=2)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    until(lambda: running.started)
    yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    running.should_exit = True
    thread.join(20)
    stopping.clear()
    assert not thread.is_alive()


class Logs:
    """An endpoint with a worker, and people who read its log."""

    def __init__(self, guarded: Guarded, server: str) -> None:
        self.guarded, self.server = guarded, server
        self.row = guarded.endpoint()
        made = guarded.runpod.endpoint(self.row.ref)
        made.settings["env"]["CACHE"] = TYPED_IN
        self.row.spec["env"]["CACHE"] = TYPED_IN
        self.row.save()
        made.settings["workers"]["min"] = 1
        guarded.runpod.skip(20)
        self.worker: Worker = guarded.runpod.endpoint(self.row.ref).workers[0]

    def say(self, text: str) -> None:
        """Let the worker print a line."""
        account = self.guarded.runpod.account
        with account.lock:
            self.worker.say(account.clock.reading(), text)
            account.lock.notify_all()

    @property
    def said(self) -> list[str]:
        with self.guarded.runpod.account.lock:
            return [line.text for line in self.worker.lines]

    def path(self, worker: str = "") -> str:
        return f"/gpu/endpoints/{self.row.pk}/workers/{worker or self.worker.id}/log-events"

    @contextmanager
    def answer(self, user: User | None = None, after: str = "", worker: str = "") -> Iterator[httpx.Response]:
        client = Client()
        if user:
            client.force_login(user)
        cookie = client.cookies.get(django_settings.SESSION_COOKIE_NAME)
        headers = {"Last-Event-ID": after} if after else {}
        cookies = {django_settings.SESSION_COOKIE_NAME: cookie.value} if cookie else {}
        with (
            httpx.Client(base_url=self.server, cookies=cookies, headers=headers, trust_env=False, timeout=20) as http,
            http.stream("GET", self.path(worker)) as answer,
        ):
            yield answer

    @contextmanager
    def read(self, after: str = "") -> Iterator[Events]:
        with self.answer(self.guarded.world.requester, after) as answer:
            assert answer.status_code == 200
            yield events(answer)


def events(answer: httpx.Response) -> Events:
    """Taken apart as a browser does."""
    found: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _colon, value = line.partition(": ")
        if line == "" and "event" in found:
            yield found
            found = {}
        elif name:
            found[name] = value


def lines(found: Events, count: int) -> list[dict[str, str]]:
    """So many lines of the log; `text` is what is shown."""
    taken = []
    for event in found:
        if event["event"] == "line":
            taken.append({**event, "text": json.loads(event["data"])["text"]})
        if len(taken) == count:
            break
    return taken


def texts(found: list[dict[str, str]]) -> list[str]:
    return [line["text"] for line in found]


@pytest.fixture
def logs(guarded: Guarded, server: str) -> Iterator[Logs]:
    made = Logs(guarded, server)
    yield made
    until(lambda: nobody_reads(made), 40)


def nobody_reads(logs: Logs) -> bool:
    """The relay notices at the next line that its reader has gone."""
    logs.say("bye")
    return not any(thread.name.startswith("worker-log-") for thread in threading.enumerate())


def test_resuming_loses_nothing_and_doubles_nothing(logs: Logs) -> None:
    for number in range(30):
        logs.say(f"before {number}")
    with logs.read() as found:
        first = lines(found, 7)
    for number in range(30):
        logs.say(f"meanwhile {number}")
    with logs.read(first[-1]["id"]) as found:
        second = lines(found, 20)
    logs.say("the last")
    with logs.read(second[-1]["id"]) as found:
        third = lines(found, len(logs.said) - 27)
    everything = [*first, *second, *third]
    assert texts(everything) == logs.said
    assert len({line["id"] for line in everything}) == len(everything)


def test_no_secret_is_shown(logs: Logs) -> None:
    environment, key = logs.guarded.environment, logs.guarded.runpod.key
    Variable.objects.create(
        environment=environment, name="db", is_secret=True, ciphertext=secrets.seal(IN_DATABASE), version=1
    )
    hidden = (key, SECRET, IN_DATABASE, TYPED_IN)
    for value in hidden:
        logs.say(f"value {value} end")
        logs.say(f"coded {base64.b64encode(value.encode()).decode()} end")
    logs.say("model Qwen/Qwen2.5-7B-Instruct end")
    with logs.read() as found:
        shown = texts(lines(found, len(logs.said)))
    assert shown[-1] == "model Qwen/Qwen2.5-7B-Instruct end"
    assert [text for text in shown if text.startswith("value")] == ["value •••••• end"] * len(hidden)
    coded = [text for text in shown if text.startswith("coded")]
    for value, text in zip(hidden, coded, strict=True):
        assert "••••••" in text and base64.b64encode(value.encode()).decode() not in text


def test_it_holds_no_database_connection(logs: Logs) -> None:
    before = connections()
    with logs.read() as found:
        lines(found, 1)
        until(lambda: connections() <= before)
        logs.say("and goes on")
        assert lines(found, len(logs.said) - 1)[-1]["text"] == "and goes on"


def connections() -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        return {pid for (pid,) in cursor.fetchall()}


def test_there_is_a_limit_that_readers_who_left_do_not_use_up(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_logs, "_free", threading.BoundedSemaphore(1))
    with logs.read() as found:
        lines(found, 1)
        with logs.answer(logs.guarded.world.requester) as refused:
            assert refused.status_code == 503
            assert refused.headers["Retry-After"]
    until(lambda: nobody_reads(logs))
    with logs.read() as found:
        assert lines(found, 1)


def test_an_answer_that_nobody_reads_takes_no_place(
    guarded: Guarded, rf: RequestFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser may be gone before the first byte."""
    monkeypatch.setattr(gpu_logs, "_free", threading.BoundedSemaphore(1))
    row, client = guarded.endpoint(), Client()
    client.force_login(guarded.world.requester)
    request = rf.get("/")
    request.session = client.session
    answer = async_to_sync(gpu_logs.worker_log_events)(request, row.pk, "w1")
    assert answer.status_code == 200
    answer.close()
    assert gpu_logs._free.acquire(blocking=False)
    gpu_logs._free.release()


def test_a_stopping_server_says_goodbye(logs: Logs) -> None:
    with logs.read() as found:
        lines(found, 1)
        stopping.set()
        assert [event["event"] for event in found][-1] == "bye"
