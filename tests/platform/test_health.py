"""The two addresses that a supervisor or a load balancer asks."""

import time

import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cloudwiki import health
from cloudwiki.shutdown import stopping


def test_healthz_needs_no_database(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_readyz_says_that_all_is_well(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "reasons": []}


@pytest.mark.django_db
def test_readyz_names_what_does_not_answer(client: Client, settings: LazySettings) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock?db=0"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reasons": ["Redis does not answer (ConnectionError)"]}


@pytest.mark.django_db
def test_readyz_does_not_wait_for_a_redis_that_hangs(
    client: Client, settings: LazySettings, silent_server: str
) -> None:
    settings.REDIS_URL = silent_server
    began = time.monotonic()
    answer = client.get("/readyz")
    assert time.monotonic() - began < 4, "the health check of the container gives it 5 s"
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["Redis does not answer (TimeoutError)"]


@pytest.mark.django_db
def test_readyz_does_not_wait_for_a_database_that_hangs(
    client: Client, monkeypatch: pytest.MonkeyPatch, silent_server: str
) -> None:
    monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connection.settings_dict, "PORT", silent_server.split(":")[2].removesuffix("/0"))
    began = time.monotonic()
    answer = client.get("/readyz")
    assert time.monotonic() - began < 4.5
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["PostgreSQL does not answer (ConnectionTimeout)"]


@pytest.mark.django_db
def test_readyz_waits_for_the_migrations(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "tables", health.Tables())
    with transaction.atomic():
        MigrationRecorder(connection).record_unapplied("releases", "0001_initial")
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["reasons"] == ["The tables are of another version: run the migrations"]
        MigrationRecorder(connection).record_applied("releases", "0001_initial")
    assert client.get("/readyz").status_code == 200
    with CaptureQueriesContext(connection) as asked:
        assert client.get("/readyz").status_code == 200
    assert len(asked) == 0, "what was made stays made"


@pytest.mark.django_db
def test_an_ending_process_wants_no_new_visitors(client: Client) -> None:
    stopping.set()
    try:
        answer = client.get("/readyz")
    finally:
        stopping.clear()
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["This process is ending"])
    assert client.get("/healthz").status_code == 200


def test_a_health_address_is_read_only(client: Client) -> None:
    assert client.post("/healthz").status_code == 405
