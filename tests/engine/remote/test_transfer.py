"""Files and folders arrive whole or not at all; the old ones stay until then."""

import hashlib
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from releases.remote.connection import SshTransport, open_transport
from releases.remote.errors import (
    ConnectionLost,
    InvalidStep,
    NoSpace,
    RemoteError,
    ToolMissing,
    TransferDiffers,
    TransferFailed,
    TransferStopped,
)
from releases.remote.transfer import Peer, download
from tests.engine.sshd import Sshd, wait_for

from .transfers import NAMES, CutHalfWay, Put, never, quiet


def test_a_file_arrives_with_its_bits_and_replaces_the_old_one(put_file: Put, box: Path, jar: Path, shell: str) -> None:
    (box / "app.jar").write_text("old")
    seen: list[tuple[int, int]] = []
    done = put_file(jar, box / "app.jar", progress=lambda a, b: seen.append((a, b)), shell=shell)
    assert (box / "app.jar").read_bytes() == jar.read_bytes()
    assert (box / "app.jar").stat().st_mode & 0o7777 == 0o640
    assert (done.size, done.files, done.files_sent) == (5_000_000, 1, 1)
    assert done.sha256 == hashlib.sha256(jar.read_bytes()).hexdigest()
    assert seen == sorted(seen) and seen[-1] == (5_000_000, 5_000_000)
    assert [path.name for path in box.iterdir()] == ["app.jar"]


def test_a_file_already_there_is_not_sent(put_file: Put, box: Path, jar: Path) -> None:
    put_file(jar, box / "app.jar")
    inode = (box / "app.jar").stat().st_ino
    assert put_file(jar, box / "app.jar", attempt="attempt-2").files_sent == 0
    assert (box / "app.jar").stat().st_ino == inode


def test_an_empty_file_arrives(put_file: Put, box: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert put_file(tmp_path / "empty", box / "empty").size == 0
    assert (box / "empty").read_bytes() == b""


def test_a_path_in_the_home_folder_is_found(put_file: Put, sshd: Sshd, jar: Path) -> None:
    put_file(jar, "~/app.jar")
    assert (sshd.home / "app.jar").stat().st_size == jar.stat().st_size


@pytest.mark.parametrize("name", [name for name in NAMES if "\udcff" not in name])
def test_a_file_with_a_hostile_name_arrives(put_file: Put, transport, box: Path, jar: Path, tmp_path, name) -> None:
    put_file(jar, box / name)
    assert (box / name).read_bytes() == jar.read_bytes()
    assert len(list(box.iterdir())) == 1
    download(transport, str(box / name), tmp_path / "back", progress=quiet, stop=never)
    assert (tmp_path / "back").read_bytes() == jar.read_bytes()


def test_a_cut_upload_leaves_the_old_file_and_goes_on_where_it_stopped(
    put_file: Put, sshd: Sshd, transport: SshTransport, box: Path, jar: Path
) -> None:
    (box / "app.jar").write_text("old")
    with pytest.raises((ConnectionLost, TransferFailed)):
        put_file(jar, box / "app.jar", transport=CutHalfWay(transport, sshd.stop, 3_000_000))
    assert (box / "app.jar").read_text() == "old"
    sshd.start()
    first: list[int] = []
    put_file(jar, box / "app.jar", transport=open_transport(sshd.target), progress=lambda done, _: first.append(done))
    assert (box / "app.jar").read_bytes() == jar.read_bytes()
    assert first[0] > 0
    assert [path.name for path in box.iterdir()] == ["app.jar"]


def test_a_damaged_rest_of_an_earlier_try_is_sent_anew(put_file: Put, box: Path, jar: Path) -> None:
    (box / ".app.jar.upload-attempt-1.earlier").write_bytes(b"rubbish" * 1000)
    (box / ".app.jar.upload-attempt-10.earlier").write_bytes(b"another's")
    seen: list[int] = []
    put_file(jar, box / "app.jar", progress=lambda done, _: seen.append(done))
    assert (box / "app.jar").read_bytes() == jar.read_bytes()
    assert seen[0] == 7000 and 0 in seen
    assert sorted(path.name for path in box.iterdir()) == [".app.jar.upload-attempt-10.earlier", "app.jar"]


def test_a_try_that_is_overtaken_takes_nothing_from_the_next(
    transport: SshTransport, box: Path, jar: Path, tmp_path: Path
) -> None:
    """Its connection broke while it copied what there was; the shell on the machine knows nothing of that."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "cp").write_text(
        f"#!/bin/sh\ntouch {folder}/began\nuntil [ -e {folder}/go ]; do sleep 0.05; done\nexec /bin/cp $*\n"
    )
    (folder / "cp").chmod(0o755)
    (box / ".app.jar.upload-attempt-1.first").write_bytes(jar.read_bytes()[:1000])
    slow = Peer(transport, "x", "attempt-1", never, "~/.cloudwiki", f"env PATH={folder}:{os.environ['PATH']} sh")
    words = (str(box / "app.jar"), "attempt-1.second", "5000000")
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(slow.ask, "file-begin", *words)
        wait_for((folder / "began").exists)
        third = box / ".app.jar.upload-attempt-1.third"
        third.write_bytes(b"what the third has got")
        (folder / "go").touch()
        assert second.result()["have"] == "1000"
    assert third.exists()


def test_stop_stops_and_leaves_the_old_file(put_file: Put, box: Path, jar: Path) -> None:
    (box / "app.jar").write_text("old")
    with pytest.raises(TransferStopped) as error:
        put_file(jar, box / "app.jar", stop=lambda: True)
    assert error.value.code == "transfer_stopped" and error.value.mend
    assert (box / "app.jar").read_text() == "old"


@pytest.mark.parametrize(
    ("destination", "words"),
    [("no/such/app.jar", "does not exist"), ("", "is a folder"), ("../relative", "must be absolute")],
)
def test_a_wrong_destination_is_explained(put_file: Put, box: Path, jar: Path, destination: str, words: str) -> None:
    place = "relative/app.jar" if words.startswith("must") else str(box / destination)
    with pytest.raises(TransferFailed, match=words):
        put_file(jar, place)


@pytest.mark.parametrize("attempt", ["", "../x", "a b", "a\n"])
def test_a_hostile_attempt_is_refused(put_file: Put, put_folder: Put, box: Path, jar: Path, attempt: str) -> None:
    with pytest.raises(InvalidStep):
        put_file(jar, box / "x", attempt=attempt)
    with pytest.raises(InvalidStep):
        put_folder(box, box / "x", attempt=attempt)


def test_a_missing_tool_is_named(put_file: Put, busybox_path: Path, box: Path, jar: Path, tmp_path: Path) -> None:
    fewer = tmp_path / "bin"
    fewer.mkdir()
    for command in busybox_path.iterdir():
        if command.name != "df":
            (fewer / command.name).symlink_to(command.readlink())
    with pytest.raises(ToolMissing, match="has no df"):
        put_file(jar, box / "x", shell=f"env PATH={fewer} sh")


def test_too_little_room_is_refused_before_anything_is_sent(put_file, put_folder, tmp_path, jar) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system")
    try:
        (disk / "app.jar").write_text("old")
        sent: list[int] = []
        with pytest.raises(NoSpace) as error:
            put_file(jar, disk / "app.jar", progress=lambda done, _: sent.append(done))
        assert error.value.mend and sent == []
        assert (disk / "app.jar").read_text() == "old"
        source = tmp_path / "tree"
        source.mkdir()
        shutil.copy(jar, source)
        with pytest.raises(NoSpace):
            put_folder(source, disk / "tree")
        assert [path.name for path in disk.iterdir()] == ["app.jar"]
        (disk / ".app.jar.upload-attempt-1.earlier").write_bytes(jar.read_bytes()[:2_900_000])
        with pytest.raises(NoSpace):  # there is no room for a copy of it, either
            put_file(jar, disk / "app.jar")
        (kept,) = disk.glob(".app.jar.upload-attempt-1.*")
        assert kept.stat().st_size == 2_900_000
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_download_arrives_and_is_checked(transport, shell, jar: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    done = download(
        transport,
        str(jar),
        tmp_path / "got",
        progress=lambda a, b: seen.append((a, b)),
        stop=never,
        shell=shell,
    )
    assert (tmp_path / "got").read_bytes() == jar.read_bytes()
    assert done.sha256 == hashlib.sha256(jar.read_bytes()).hexdigest()
    assert seen[-1] == (5_000_000, 5_000_000) and {total for _, total in seen} == {5_000_000}


def test_a_failed_download_leaves_nothing(transport, sshd: Sshd, jar: Path, tmp_path: Path) -> None:
    target = tmp_path / "place" / "got"
    target.parent.mkdir()
    target.write_text("old")
    with pytest.raises(TransferFailed, match="There is no file"):
        download(transport, "/no/such/file", target, progress=quiet, stop=never)

    def cut(_done: int, _total: int) -> None:
        sshd.stop()

    with pytest.raises(RemoteError):
        download(transport, str(jar), target, progress=cut, stop=never)
    assert target.read_text() == "old" and list(target.parent.iterdir()) == [target]


def test_only_what_was_read_before_is_put_in_place(put_file: Put, box: Path, jar: Path) -> None:
    (box / "app.jar").write_text("old")
    with pytest.raises(TransferDiffers):
        put_file(jar, box / "app.jar", sha256=hashlib.sha256(b"something else").hexdigest())
    assert [path.read_text() for path in box.iterdir()] == ["old"]
    sha256 = hashlib.sha256(jar.read_bytes()).hexdigest()
    assert put_file(jar, box / "app.jar", sha256=sha256).sha256 == sha256
    assert (box / "app.jar").read_bytes() == jar.read_bytes()


def test_a_download_is_checked_against_an_earlier_sum(transport, shell, jar: Path, tmp_path: Path) -> None:
    target = tmp_path / "place" / "got"
    target.parent.mkdir()
    sha256 = hashlib.sha256(jar.read_bytes()).hexdigest()
    download(transport, str(jar), target, progress=quiet, stop=never, sha256=sha256, shell=shell)
    assert target.read_bytes() == jar.read_bytes()
    jar.write_bytes(b"changed since")
    with pytest.raises(TransferDiffers):
        download(transport, str(jar), target, progress=quiet, stop=never, sha256=sha256, shell=shell)
    assert hashlib.sha256(target.read_bytes()).hexdigest() == sha256 and list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("says", ["exit 1", "echo nonsense", "cat >/dev/null; exit 3"])
def test_an_openssl_that_can_not_sum_up_is_not_needed(put_file: Put, box: Path, jar: Path, tmp_path, says) -> None:
    program = tmp_path / "bin" / "openssl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)
    done = put_file(jar, box / "app.jar", shell=f"env PATH={program.parent}:{os.environ['PATH']} sh")
    assert done.sha256 == hashlib.sha256((box / "app.jar").read_bytes()).hexdigest()
