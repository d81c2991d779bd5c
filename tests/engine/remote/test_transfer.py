"""Files and folders arrive whole or not at all; the old ones stay until then."""

import hashlib
import os
import random
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from releases.remote.connection import SshTransport, open_transport
from releases.remote.errors import (
    ConnectionLost,
    InvalidStep,
    NoSpace,
    RemoteError,
    ToolMissing,
    TransferFailed,
    TransferStopped,
)
from releases.remote.folders import read_manifest, upload_folder
from releases.remote.transfer import Transferred, download, upload_file
from tests.engine.sshd import Sshd


def quiet(_done: int, _total: int) -> None:
    """No progress shown."""


def never() -> bool:
    return False


Put = Callable[..., Transferred]


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


NAMES = [
    "-rf",
    "a b",
    " lead and trail ",
    "quote'double\"back`tick",
    "$(touch pwned)",
    "back\\slash",
    "new\nline",
    "tab\there",
    "*?[x]",
    "한글",
    unicodedata.normalize("NFC", "é"),
    unicodedata.normalize("NFD", "é"),
    ".hidden",
    "\udcff\udcfe",
    "x" * 200,
    "a=b;c&d|e>f<g",
    "\r",
    "\\n",
]


@pytest.mark.parametrize("name", [name for name in NAMES if "\udcff" not in name])
def test_a_file_with_a_hostile_name_arrives(put_file: Put, transport, box: Path, jar: Path, tmp_path, name) -> None:
    put_file(jar, box / name)
    assert (box / name).read_bytes() == jar.read_bytes()
    assert len(list(box.iterdir())) == 1
    download(transport, str(box / name), tmp_path / "back", progress=quiet, stop=never)
    assert (tmp_path / "back").read_bytes() == jar.read_bytes()


class CutHalfWay:
    """A transport whose machine disappears after some bytes were sent."""

    def __init__(self, transport: SshTransport, cut: Callable[[], None], after: int) -> None:
        self.name = transport.name
        self.close = transport.close
        self._transport = transport
        self._cut = cut
        self._after = after

    def execute(self, command, stdin=None, **options):
        if stdin is not None and not isinstance(stdin, bytes):
            stdin = _Cutting(stdin, self._cut, self._after)
        return self._transport.execute(command, stdin, **options)


class _Cutting:
    def __init__(self, stdin, cut: Callable[[], None], after: int) -> None:
        self._stdin, self._cut, self._left = stdin, cut, after

    def read(self, size: int = -1) -> bytes:
        if self._left <= 0:
            self._cut()
        data = self._stdin.read(min(size, 100_000))
        self._left -= len(data)
        return data


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


def test_a_damaged_rest_of_an_earlier_try_is_found_out(put_file: Put, box: Path, jar: Path) -> None:
    (box / ".app.jar.upload-attempt-1").write_bytes(b"rubbish" * 1000)
    with pytest.raises(TransferFailed, match="differs"):
        put_file(jar, box / "app.jar")
    assert list(box.iterdir()) == []
    put_file(jar, box / "app.jar")
    assert (box / "app.jar").read_bytes() == jar.read_bytes()


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
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


# Folders


def make_tree(folder: Path) -> Path:
    (folder / "static" / "empty").mkdir(parents=True)
    for index, name in enumerate(NAMES):
        (folder / name).write_bytes(f"content {index}".encode())
        (folder / "static" / name).mkdir(exist_ok=True)
        (folder / "static" / name / name).write_text(name, errors="surrogateescape")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "secret").write_text("s")
    (folder / "secret").chmod(0o600)
    (folder / "link").symlink_to("run.sh")
    (folder / "broken link").symlink_to("/no/such\nplace")
    (folder / "folder link").symlink_to("static")
    (folder / "static").chmod(0o750)
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    return make_tree(folder)


def same(one: Path, other: Path) -> bool:
    return read_manifest(one, never) == read_manifest(other, never)


def test_a_folder_arrives_with_links_bits_and_any_names(put_folder: Put, box: Path, tree: Path, shell: str) -> None:
    done = put_folder(tree, box / "app", shell=shell)
    assert same(tree, box / "app")
    assert done.files == done.files_sent == len(NAMES) * 2 + 2
    assert [path.name for path in box.iterdir()] == ["app"]


def test_only_changed_files_are_sent(put_folder: Put, box: Path, tree: Path, shell: str) -> None:
    put_folder(tree, box / "app", shell=shell)
    kept = (box / "app" / "secret").stat().st_ino
    (tree / "run.sh").write_text("#!/bin/sh\necho 2\n")
    (tree / "added").write_text("new")
    (tree / "-rf").unlink()
    shutil.rmtree(tree / "static" / "a b")
    (tree / "link").unlink()
    (tree / "link").symlink_to("secret")
    (tree / "new\nline").unlink()
    (tree / "new\nline").mkdir()
    (tree / "new\nline" / "inner").write_text("x")
    (tree / "한글").chmod(0o700)
    done = put_folder(tree, box / "app", attempt="attempt-2", shell=shell)
    assert same(tree, box / "app")
    assert done.files_sent == 4  # run.sh, added, inner, and the one with other bits
    assert (box / "app" / "secret").stat().st_ino == kept
    assert [path.name for path in box.iterdir()] == ["app"]


def test_an_unchanged_folder_is_left_alone(put_folder: Put, box: Path, tree: Path, shell: str) -> None:
    put_folder(tree, box / "app", shell=shell)
    inode = (box / "app").stat().st_ino
    done = put_folder(tree, box / "app", attempt="attempt-2", shell=shell)
    assert done.files_sent == 0 and (box / "app").stat().st_ino == inode


def test_the_live_files_are_not_written_through_the_shared_ones(put_folder, sshd, transport, box, tree) -> None:
    put_folder(tree, box / "app")
    before = {path: path.read_bytes() for path in (box / "app").iterdir() if path.is_file()}
    (tree / "run.sh").write_bytes(random.Random(2).randbytes(4_000_000))
    (tree / "secret").chmod(0o644)
    with pytest.raises((ConnectionLost, TransferFailed)):
        put_folder(tree, box / "app", attempt="attempt-2", transport=CutHalfWay(transport, sshd.stop, 2_000_000))
    assert {path: path.read_bytes() for path in (box / "app").iterdir() if path.is_file()} == before
    assert (box / "app" / "secret").stat().st_mode & 0o777 == 0o600
    sshd.start()
    put_folder(tree, box / "app", attempt="attempt-2", transport=open_transport(sshd.target))
    assert same(tree, box / "app")
    assert [path.name for path in box.iterdir()] == ["app"]


def test_a_swap_cut_between_its_renames_is_mended_by_the_next_try(put_folder: Put, box: Path, tree: Path) -> None:
    put_folder(tree, box / "app")
    (box / "app").rename(box / "app.previous-attempt-2")
    done = put_folder(tree, box / "app", attempt="attempt-2")
    assert same(tree, box / "app")
    assert [path.name for path in box.iterdir()] == ["app"] and done.files > 0


def test_stop_leaves_the_live_folder(put_folder: Put, box: Path, tree: Path) -> None:
    put_folder(tree, box / "app")
    (tree / "run.sh").write_text("changed")
    with pytest.raises(TransferStopped):
        put_folder(tree, box / "app", attempt="attempt-2", stop=lambda: True)
    assert (box / "app" / "run.sh").read_text() == "#!/bin/sh\n"


def test_a_file_that_changes_while_it_is_sent_is_found_out(put_folder: Put, box: Path, tree: Path) -> None:
    big = tree / "big"
    big.write_bytes(b"a" * 1_000_000)

    def meddle(_done: int, _total: int) -> None:
        (tree / "zz last").write_bytes(b"b" * 1000)

    (tree / "zz last").write_bytes(b"a" * 1000)
    with pytest.raises(TransferFailed) as error:
        put_folder(tree, box / "app", progress=meddle)
    assert "zz last" in error.value.message and "being written" in error.value.mend
    assert not (box / "app").exists()


def test_what_is_no_file_folder_or_link_is_named(put_folder: Put, box: Path, tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(TransferFailed, match="pipe"):
        put_folder(tree, box / "app")


@pytest.mark.parametrize(("kind", "words"), [("link", "symbolic link"), ("file", "is a file")])
def test_a_destination_that_is_no_folder_is_refused(put_folder: Put, box: Path, tree: Path, kind, words) -> None:
    if kind == "link":
        (box / "real").mkdir()
        (box / "app").symlink_to("real")
    else:
        (box / "app").write_text("old")
    with pytest.raises(TransferFailed, match=words):
        put_folder(tree, box / "app")


# Downloads


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
