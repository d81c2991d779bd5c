"""The connection to the broker, when the broker comes and goes."""

import time
import uuid
from itertools import count
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError

from cloudwiki.broker import RETRY_SECONDS
from cloudwiki.celery import app


class Enough(Exception):
    """It was tried often enough."""


def test_it_knocks_at_a_steady_pace_for_ever(tmp_path: Path) -> None:
    """Celery's own pace slows down to 30 s, and its worker ends after 100 times."""
    knocks = count(1)

    def enough(error: Exception, interval: float) -> None:
        assert interval == RETRY_SECONDS
        if next(knocks) == 3:
            raise Enough

    with pytest.raises(Enough):
        app.connection_for_read(f"redis+socket://{tmp_path}/nobody").ensure_connection(
            enough, app.conf.broker_connection_max_retries
        )
    assert app.conf.broker_connection_max_retries is None


def test_who_sends_does_not_wait_for_an_absent_broker(tmp_path: Path) -> None:
    with app.connection_for_write(f"redis+socket://{tmp_path}/nobody") as connection:
        began = time.monotonic()
        with pytest.raises(OperationalError):
            app.send_task("nothing", connection=connection, retry=False)
    assert time.monotonic() - began < 1.5


def test_a_message_taken_before_the_connection_broke_is_acknowledged_after() -> None:
    """A worker that can't do that ends, with all that its processes drive."""
    connection = app.connection_for_write()
    queue = connection.SimpleQueue(f"test-{uuid.uuid4().hex}")
    try:
        queue.put({"any": 1})
        message = queue.get(timeout=5)
        connection.collect()
        connection.close()
        message.ack()
        assert message.acknowledged
    finally:
        queue.close()
        connection.close()
