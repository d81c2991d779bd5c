"""Much data goes by the OpenSSH client: as safe as the connection, and taken up where either was cut."""

import dataclasses
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import psutil
import pytest

from releases.remote import connection, openssh
from releases.remote.connection import SshTransport, open_transport
from releases.remote.errors import ClientLost, ConnectionLost, SourceChanged, TransferStopped
from tests.engine.sshd import Sshd, make_key, wait_for

from .test_folders import make_tree, same
from .transfers import Put, quiet


class Runs:
    """What the client was started for, and how each run ended."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def __call__(self, *arguments: Any) -> Any:
        try:
            done = openssh.run_by_client(*arguments)
        except ClientLost:
            self.ends.append("lost")
            raise
        self.ends.append("stopped" if done.exit_code is None else str(done.exit_code))
        return done


@pytest.fixture(autouse=True)
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Everything counts as much."""
    monkeypatch.setattr(openssh, "FROM", 1)
    seen = Runs()
    patched = type("Patched", (), {"find_client": openssh.find_client, "FROM": 1, "run_by_client": seen})
    monkeypatch.setattr(connection, "openssh", patched)
    return seen


@pytest.fixture
def client() -> str:
    found = openssh.find_client()
    assert found
    return found


@pytest.fixture
def slow(put_file: Put, runs: Runs, sshd: Sshd, jar: Path, tmp_path: Path) -> str:
    """A shell on a machine where the receiver reads a million bytes and then no more."""
    put_file(jar, sshd.home / "first")  # the script is there from now on
    runs.ends.clear()
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "cat").write_text("#!/bin/sh\nhead -c 1000000\nexec sleep 30\n")
    (folder / "cat").chmod(0o755)
    return f"env PATH={folder}:{os.environ['PATH']} sh"


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """More than all buffers on the way hold."""
    path = tmp_path / "big.jar"
    path.write_bytes(random.Random(2).randbytes(1 << 20) * 40)
    return path


def test_a_file_and_a_folder_arrive_by_it(
    put_file: Put, put_folder: Put, runs: Runs, box: Path, jar: Path, tmp_path: Path, shell: str
) -> None:
    (box / "app.jar").write_text("old")
    assert put_file(jar, box / "app.jar", shell=shell).files_sent == 1
    assert (box / "app.jar").read_bytes() == jar.read_bytes()
    assert (box / "app.jar").stat().st_mode & 0o7777 == 0o640
    tree = tmp_path / "tree"
    tree.mkdir()
    put_folder(make_tree(tree), box / "app", shell=shell)
    assert same(tree, box / "app")
    assert sorted(path.name for path in box.iterdir()) == ["app", "app.jar"]
    assert runs.ends == ["0", "0"]


def test_the_file_before_a_big_one_goes_beside_the_way(put_file: Put, runs: Runs, box: Path, big: Path) -> None:
    shutil.copy(big, box / "app.jar")
    big.write_bytes(big.read_bytes() + b"more")
    seen: list[int] = []
    put_file(big, box / "app.jar", progress=lambda done, _: seen.append(done))
    assert (box / "app.jar").read_bytes() == big.read_bytes()
    assert seen == sorted(seen) and seen[-1] == big.stat().st_size
    wait_for(lambda: [path.name for path in box.iterdir()] == ["app.jar"], what="the older one to go")


def test_a_cut_one_goes_on_where_it_stopped(
    put_file: Put, runs: Runs, sshd: Sshd, box: Path, big: Path, slow: str
) -> None:
    (box / "app.jar").write_text("old")
    told: list[int] = []

    def cut(done: int, _total: int) -> None:
        told.append(done)
        if done > 1_000_000:
            wait_for(lambda: next(box.glob(".*")).stat().st_size == 1_000_000, what="the first bytes")
            sshd.stop()

    with pytest.raises(ConnectionLost):
        put_file(big, box / "app.jar", progress=cut, shell=slow)
    assert told[-1] < big.stat().st_size and (box / "app.jar").read_text() == "old"
    sshd.start()
    first: list[int] = []
    again = open_transport(sshd.target)
    put_file(big, box / "app.jar", transport=again, progress=lambda done, _: first.append(done))
    again.close()
    assert first[0] == 1_000_000
    assert (box / "app.jar").read_bytes() == big.read_bytes()
    assert runs.ends == ["lost", "0"]


def test_an_earlier_try_that_is_still_at_it_writes_into_nothing(put_file: Put, box: Path, big: Path, slow: str) -> None:
    """A worker that was killed, or is frozen, leaves its client behind: that goes on sending the file as it is then."""
    left: list[BinaryIO] = []

    def leave(done: int, _total: int) -> None:
        if done > 1_000_000 and not left:
            (stage,) = box.glob(".app.jar.upload-*")
            wait_for(lambda: stage.stat().st_size == 1_000_000, what="the first bytes")
            left.append(stage.open("ab", buffering=0))
            raise InterruptedError  # as far as this worker goes

    with pytest.raises(InterruptedError):
        put_file(big, box / "app.jar", progress=leave, shell=slow)
    with left[0] as other:
        put_file(big, box / "app.jar", progress=lambda _done, _total: other.write(b"of another build"))
        other.write(b"and after the end")
    assert (box / "app.jar").read_bytes() == big.read_bytes()
    assert [path.name for path in box.iterdir()] == ["app.jar"]


def test_a_stop_ends_it_at_once(put_file: Put, runs: Runs, box: Path, big: Path, slow: str) -> None:
    told: list[int] = []
    began = time.monotonic()
    with pytest.raises(TransferStopped):
        put_file(
            big,
            box / "app.jar",
            progress=lambda done, _: told.append(done),
            stop=lambda: bool(told and told[-1] > 1_000_000),
            shell=slow,
        )
    assert time.monotonic() - began < 10
    assert runs.ends == ["stopped"] and not (box / "app.jar").exists()


def test_a_file_that_is_not_the_right_one_is_let_go_of_on_the_way(
    put_file: Put, runs: Runs, box: Path, big: Path, slow: str
) -> None:
    (box / "app.jar").write_text("old")
    with pytest.raises(SourceChanged):
        put_file(big, box / "app.jar", sha256="0" * 64, shell=slow)
    assert [path.read_text() for path in box.iterdir()] == ["old"]
    assert runs.ends == ["stopped"]


def test_a_file_that_grows_on_the_way_does_not_arrive(put_file: Put, box: Path, big: Path) -> None:
    (box / "app.jar").write_text("old")
    grown = threading.Event()

    def grow(_done: int, _total: int) -> None:
        if not grown.is_set():
            with big.open("ab") as file:
                file.write(b"more")
            grown.set()

    with pytest.raises(SourceChanged):
        put_file(big, box / "app.jar", progress=grow)
    assert [path.read_text() for path in box.iterdir()] == ["old"]


def full_disk(made: Callable[..., Any], options: dict[str, Any]) -> Any:
    """A temporary file that is a link to a device which is always full."""
    file = made("wb", **options)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file.fileno())
    os.close(full)
    return file


OTHER_CLIENTS = {"not OpenSSH": "exit 1", "not runnable": None, "killed": "kill -KILL $$"}


@pytest.mark.parametrize("why", ["no client", "key", "host key", "no place", "no room", *OTHER_CLIENTS])
def test_where_it_is_not_let_in_the_connection_does_it(
    put_file: Put, sshd: Sshd, box: Path, jar: Path, tmp_path: Path, monkeypatch, why: str
) -> None:
    transport = open_transport(sshd.target)
    if why == "no client":
        monkeypatch.setenv("PATH", str(box))
    elif why == "key":
        sshd.client_key.chmod(0o644)
    elif why == "host key":  # an impostor where the client comes: nothing is said to it
        other = make_key(tmp_path / "other")
        monkeypatch.setattr(transport, "_target", dataclasses.replace(sshd.target, host_key=other))
    elif why == "no place":
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    elif why == "no room":
        made = tempfile.NamedTemporaryFile
        # Every write there fails: the disk is full.
        monkeypatch.setattr(tempfile, "NamedTemporaryFile", lambda *_how, **more: full_disk(made, more))
    else:
        program = tmp_path / "ssh"
        program.write_text(f"#!/bin/sh\n{OTHER_CLIENTS[why]}\n" if OTHER_CLIENTS[why] else "no program")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    logins = sshd.log.read_text().count("Accepted publickey")
    put_file(jar, box / "app.jar", transport=transport)
    transport.close()
    assert (box / "app.jar").read_bytes() == jar.read_bytes()
    assert sshd.log.read_text().count("Accepted publickey") == logins


def client_of(worker: subprocess.Popen[bytes]) -> psutil.Process | None:
    """Its ssh, and not what it looks with before whether a client can end with it: that is gone again at once."""
    for child in psutil.Process(worker.pid).children():
        with suppress(psutil.NoSuchProcess):
            if child.name() == "ssh":
                return child
    return None


def test_it_ends_with_its_worker(client: str, sshd: Sshd, big: Path) -> None:
    target = sshd.target
    code = f"""
from pathlib import Path
from releases.remote import openssh
from releases.remote.connection import Target
key = Path({str(target.private_key)!r})
target = Target("box", {target.address!r}, {target.port}, {target.user!r}, {target.host_key!r}, key)
openssh.run_by_client({client!r}, target, 15, "sleep 60", None, None, None, None)
"""
    worker = subprocess.Popen([sys.executable, "-c", code])
    run = wait_for(lambda: client_of(worker), what="the client")
    worker.kill()
    worker.wait()
    wait_for(lambda: not run.is_running() or run.status() == psutil.STATUS_ZOMBIE, what="its end")


@pytest.mark.parametrize("silence", [3])
def test_a_machine_that_swallows_everything_counts_as_lost(client: str, sshd: Sshd, silence: int) -> None:
    heard: list[bytes] = []

    def read(_size: int = -1) -> bytes:
        if heard:
            sshd.pause()
        return b"x" * 100_000

    endless = type("Endless", (), {"read": staticmethod(read)})()
    began = time.monotonic()
    with pytest.raises(ClientLost):
        openssh.run_by_client(
            client, sshd.target, silence, "echo in; cat >/dev/null", endless, heard.append, None, None
        )
    assert heard and silence - 1 < time.monotonic() - began < 3 * silence


def test_no_agent_setting_or_other_key_is_used(client: str, sshd: Sshd, tmp_path: Path) -> None:
    """As OpenSSH itself understands what it is given; it looks for keys in the home that the system knows."""
    key = tmp_path / "no such %h key"
    target = dataclasses.replace(sshd.target, private_key=key)
    words = openssh._words(client, target, 15, tmp_path / "known")
    words.insert(words.index(client) + 1, "-G")
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    settings = [line.split(" ", 1) for line in said if " " in line]
    assert [value for name, value in settings if name == "identityfile"] == [str(key).replace("%", "%%")]
    found = dict(settings)
    assert (found["identitiesonly"], found["identityagent"], found["forwardagent"]) == ("yes", "none", "no")
    assert (found["userknownhostsfile"], found["globalknownhostsfile"]) == (str(tmp_path / "known"), "none")
    assert (found["stricthostkeychecking"], found["batchmode"], found["hostkeyalias"]) == ("true", "yes", "pinned")
    with pytest.raises(ClientLost):
        openssh.run_by_client(client, target, 15, "true", None, None, None, None)


def test_a_connection_that_is_gone_is_not_begun_anew(
    put_file: Put, transport: SshTransport, sshd: Sshd, box, jar
) -> None:
    sshd.stop()
    with pytest.raises(ConnectionLost):
        put_file(jar, box / "app.jar", progress=quiet)
    assert not (box / "app.jar").exists()
