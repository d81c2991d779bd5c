"""The stream of a run is read by a thread of its own, which sees only what is committed."""

import pytest

from tests.factories import client_of, make_world


@pytest.mark.django_db(transaction=True)
def test_the_stream_is_for_members() -> None:
    world = make_world()
    deployment = world.draft()
    path = f"/deployments/{deployment.pk}/events"
    assert client_of(None).get(path).status_code == 401
    assert client_of(world.outsider).get(path).status_code == 404
    answer = client_of(world.requester).get(path)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/event-stream")
    answer.close()
