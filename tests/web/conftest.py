"""A world of rows for each test."""

import pytest

from tests.factories import World, make_world


@pytest.fixture
def world(db: None) -> World:
    """A project ready for its first deployment."""
    return make_world()
