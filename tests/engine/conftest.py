"""Fixtures of the engine's tests: a real SSH server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .sshd import Sshd


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """An OpenSSH server of this test alone: .target, .folder, .stop(), .start(), .pause(), .resume()."""
    server = Sshd(tmp_path / "sshd")
    server.start()
    yield server
    server.resume()
    server.stop()
