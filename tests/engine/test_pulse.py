"""A worker's sign of life, on a real database."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection

from releases.engine import clock
from releases.models import Heartbeat
from releases.system import picture, pulse

pytestmark = pytest.mark.django_db(transaction=True)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Iterator[pulse.Pulse]:
    monkeypatch.setattr(pulse, "SECONDS", 0.05)
    made = pulse.Pulse("celery@here", lambda: [7, 8])
    made.start()
    yield made
    made.stop()


def test_it_beats_and_says_goodbye(alive: pulse.Pulse) -> None:
    until(lambda: Heartbeat.objects.exists())
    first = Heartbeat.objects.get()
    assert first.detail == {"worker": "celery@here", "host": socket.gethostname(), "processes": [7, 8]}
    assert first.name.endswith(f":{os.getpid()}")
    until(lambda: Heartbeat.objects.get().at > first.at)
    assert [(one.name, one.is_alive) for one in picture.take().workers] == [("celery@here", True)]
    alive.stop()
    assert not Heartbeat.objects.exists()


def test_it_goes_on_when_the_database_is_back(alive: pulse.Pulse, monkeypatch: pytest.MonkeyPatch) -> None:
    until(lambda: Heartbeat.objects.exists())
    broken = threading.Event()
    beat = pulse.Pulse.beat

    def break_once(self: pulse.Pulse) -> None:
        if not broken.is_set():
            broken.set()
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        beat(self)

    monkeypatch.setattr(pulse.Pulse, "beat", break_once)
    until(broken.is_set)
    then = clock.now()
    until(lambda: Heartbeat.objects.get().at > then)


def test_a_silent_worker_is_shown_for_an_hour(alive: pulse.Pulse) -> None:
    detail = {"worker": "celery@gone", "host": "gone", "processes": [1]}
    rows = {minutes: Heartbeat(name=f"{pulse.PREFIX}gone:{minutes}", detail=detail) for minutes in (59, 61)}
    for minutes, row in rows.items():
        row.at = clock.now() - timedelta(minutes=minutes)
        row.save()
    until(lambda: not Heartbeat.objects.filter(name=rows[61].name).exists())
    seen = {one.name: one.is_alive for one in picture.take().workers}
    assert seen == {"celery@gone": False, "celery@here": True}


def test_other_heartbeats_are_no_workers(alive: pulse.Pulse) -> None:
    Heartbeat.objects.create(name="probes", at=clock.now() - timedelta(days=1))
    before = time.monotonic()
    until(lambda: time.monotonic() > before + 0.3 and Heartbeat.objects.count() == 2)
    assert len(picture.take().workers) == 1
