"""The memory of a database that is away."""

import threading
import time

import pytest

from releases.public import database
from releases.public.database import Watch


class Server:
    """Answers or doesn't, and counts how often it was asked, and in which thread."""

    def __init__(self) -> None:
        self.is_up = True
        self.asked: list[str] = []
        self.was_asked = threading.Event()

    def __call__(self) -> bool:
        self.asked.append(threading.current_thread().name)
        self.was_asked.set()
        return self.is_up


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOOK_SECONDS", 0.01)


def until(condition: object, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_visitors_ask_once_and_a_thread_looks_for_them() -> None:
    server = Server()
    watch = Watch(server)
    assert watch.asks()
    server.is_up = False
    assert not watch.asks()
    asked_by_visitors = server.asked.count("MainThread")
    for _visitor in range(50):
        assert not watch.asks()
    assert server.asked.count("MainThread") == asked_by_visitors
    server.is_up = True
    until(lambda: not watch.is_away)
    assert watch.asks()


def test_it_is_looked_for_again_when_it_goes_twice() -> None:
    server = Server()
    watch = Watch(server)
    for _time in range(3):
        server.is_up = False
        assert not watch.asks()
        server.is_up = True
        until(lambda: not watch.is_away)


def test_many_misses_start_one_thread() -> None:
    server = Server()
    server.is_up = False
    watch = Watch(server)
    for _visitor in range(20):
        watch.miss()
    threads = [thread for thread in threading.enumerate() if thread.name == "public-database"]
    assert len(threads) == 1
    server.is_up = True
    until(lambda: not watch.is_away)
