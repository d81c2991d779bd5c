"""Fixtures of the tests of checks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.stage import Stage, start_host


@pytest.fixture
def stage(db: None, data_dir: Path, tmp_path: Path) -> Iterator[Stage]:
    """A host by SSH and an environment that knows it."""
    server = start_host(tmp_path)
    yield Stage(server, tmp_path)
    server.stop()
