"""The demo, loaded and running."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import call_command

from cloudwiki.keys import ensure_ssh_key
from demo.machine import Machine, read
from releases.remote.connection import SshTransport, Target, open_transport
from tests.engine.probes.conftest import committed, flushable, until

__all__ = ["committed", "flushable"]


@pytest.fixture
def demo_data(db, data_dir: Path) -> Path:
    """A data folder in which the demo was loaded."""
    return load(data_dir)


def load(data: Path) -> Path:
    """Load the demo; returns the data folder."""
    ensure_ssh_key(data / "ssh" / "id_ed25519")
    call_command("load_demo", verbosity=0)
    return data


@contextmanager
def running_host(data: Path, before: str = "") -> Iterator[tuple[Machine, list[str]]]:
    """The demo host's process; gives what it says, and checks that it ends well."""
    environment = {**os.environ, "CLOUDWIKI_DATA": str(data)}
    environment.pop("CLOUDWIKI_SSH_KEY_FILE", None)
    code = f"import sys; from demo import host\n{before}\nsys.exit(host.main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if "listens on" in line:
                break
        assert "listens on" in said[-1], said
        yield read(data), said
    finally:
        process.terminate()
        rest, _nothing = process.communicate(timeout=20)
        said.extend(rest.splitlines())
    assert process.returncode == 0, said


def log_in(data: Path) -> SshTransport:
    """A connection as the controller makes it."""
    machine = read(data)
    return open_transport(
        Target("demo", machine.address, machine.port, machine.user, machine.host_key, data / "ssh" / "id_ed25519")
    )


__all__ += ["log_in", "running_host", "until"]
