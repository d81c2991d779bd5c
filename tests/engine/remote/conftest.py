"""Steps on a real SSH server."""

import random
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from releases.remote.connection import SshTransport, open_transport
from releases.remote.folders import upload_folder
from releases.remote.steps import StepClient, StepScript, StepStatus
from releases.remote.transfer import Transferred, upload_file
from tests.engine.sshd import Sshd

from .transfers import Put, never, quiet

SHELLS = ("dash", "bash", "busybox")
MakeStep = Callable[..., StepScript]


@pytest.fixture(scope="session")
def busybox_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with BusyBox's commands alone: a machine without coreutils and util-linux."""
    folder = tmp_path_factory.mktemp("busybox")
    busybox = shutil.which("busybox")
    assert busybox
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        (folder / applet).symlink_to(busybox)
    if "flock" not in applets:  # Debian builds it without this one, others have it
        (folder / "flock").symlink_to(shutil.which("flock") or "flock")
    return folder


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, busybox_path: Path) -> str:
    """The shell on the machine; with "busybox" all its commands are BusyBox's too."""
    if request.param == "busybox":
        return f"env PATH={shlex.quote(str(busybox_path))} sh"
    return str(request.param)


@pytest.fixture
def transport(sshd: Sshd) -> Iterator[SshTransport]:
    transport = open_transport(sshd.target)
    yield transport
    transport.close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The wrapper's folder on the machine."""
    return tmp_path / "state folder"


@pytest.fixture
def client(transport: SshTransport, state: Path) -> StepClient:
    return StepClient(transport, str(state))


@pytest.fixture
def make_step() -> MakeStep:
    def make(text: str | bytes = "true", **changes: Any) -> StepScript:
        values: dict[str, Any] = {
            "attempt": uuid.uuid4().hex,
            "text": text.encode() if isinstance(text, str) else text,
            "parameters": {},
            "secrets": {},
            "lock": "environment-1",
            "token": 1,
            "timeout": 60,
            "silence_timeout": None,
            "grace": 1,
        }
        return StepScript(**values | changes)

    return make


Run = Callable[..., tuple[StepStatus, bytes]]


@pytest.fixture
def run(client: StepClient, make_step: MakeStep) -> Run:
    """Run a step to its end: its status and its whole log."""

    def run_step(text: str | bytes, on: StepClient | None = None, **changes: Any) -> tuple[StepStatus, bytes]:
        log = bytearray()
        step = make_step(text, **changes)
        status = (on or client).launch_and_follow(step, 0, log.extend, lambda: False)
        return status, bytes(log)

    return run_step


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A folder of the machine."""
    folder = tmp_path / "box"
    folder.mkdir()
    return folder


@pytest.fixture
def put_file(transport: SshTransport) -> Put:
    def put(source: Path, destination: object, **options: object) -> Transferred:
        values = {"attempt": "attempt-1", "progress": quiet, "stop": never} | options
        return upload_file(values.pop("transport", transport), source, str(destination), **values)

    return put


@pytest.fixture
def put_folder(transport: SshTransport) -> Put:
    def put(source: Path, destination: object, **options: object) -> Transferred:
        values = {"attempt": "attempt-1", "progress": quiet, "stop": never} | options
        return upload_folder(values.pop("transport", transport), source, str(destination), **values)

    return put


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    path = tmp_path / "app.jar"
    path.write_bytes(random.Random(1).randbytes(5_000_000))
    path.chmod(0o640)
    return path
