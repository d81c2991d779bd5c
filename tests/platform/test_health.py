"""The two addresses that a supervisor or a load balancer asks."""

import pytest
from django.conf import LazySettings
from django.test import Client


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


def test_a_health_address_is_read_only(client: Client) -> None:
    assert client.post("/healthz").status_code == 405
