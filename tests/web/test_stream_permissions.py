"""The stream of a run is read by a thread of its own, which sees only what is committed."""

import pytest
from django.test import Client

from releases.models import User
from tests.factories import make_world


def _client(user: User | None) -> Client:
    client = Client(HTTP_HOST="localhost")
    if user is not None:
        client.force_login(user)
    return client


@pytest.mark.django_db(transaction=True)
def test_the_stream_is_for_members() -> None:
    world = make_world()
    deployment = world.draft()
    path = f"/deployments/{deployment.pk}/events"
    assert _client(None).get(path).status_code == 401
    assert _client(world.outsider).get(path).status_code == 404
    answer = _client(world.requester).get(path)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/event-stream")
    answer.close()
