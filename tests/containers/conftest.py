import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import images, stack
from tests.containers.requirements import missing
from tests.containers.stack import Stack

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.containers)
            item.add_marker(pytest.mark.timeout(1200))  # the first one builds the images


@pytest.fixture(scope="session")
def container_support() -> None:
    """Clears what earlier runs left and makes the images; skips, or fails in CI, where no container can run."""
    if reason := missing():
        if os.environ.get("CLOUDWIKI_CI") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    stack.sweep()
    images.prepare()


@pytest.fixture(scope="session")
def site(container_support: None) -> Iterator[Stack]:
    """Cloud Wiki from docker-compose.yml, with the demo, ready."""
    with Stack() as running:
        yield running
