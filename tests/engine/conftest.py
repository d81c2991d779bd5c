"""Fixtures of the engine's tests: a real SSH server, and a stage on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from .database import new_database
from .sshd import Sshd
from .stage import Stage, start_host
from .team import Team


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """An OpenSSH server of this test alone: .target, .folder, .stop(), .start(), .pause(), .resume()."""
    server = Sshd(tmp_path / "sshd")
    server.start()
    yield server
    server.resume()
    server.stop()


@pytest.fixture
def stage(db: None, data_dir: Path, tmp_path: Path) -> Iterator[Stage]:
    """A host by SSH and an environment that knows it."""
    server = start_host(tmp_path)
    yield Stage(server, tmp_path)
    server.stop()


@pytest.fixture
def team(stage: Stage, settings: LazySettings) -> Iterator[Team]:
    """An application on that host, with a runbook to deploy it and one to go back."""
    settings.SSH_KEY_FILE = stage.server.client_key
    with new_database() as server:
        yield Team(stage, server)
