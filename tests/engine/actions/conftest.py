"""Fixtures of the actions' tests."""

import uuid
from collections.abc import Iterator

import pytest

from tests.engine.actions.dumped import Server


@pytest.fixture(params=["plain name"])
def server(db: None, request: pytest.FixtureRequest) -> Iterator[Server]:
    mark = uuid.uuid4().hex[:10]
    name = f"app_{mark}" if request.param == "plain name" else f"{mark} {request.param}"
    made = Server(name)
    try:
        made.create()
        yield made
    finally:
        made.remove()
