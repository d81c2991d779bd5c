"""Folders arrive whole or not at all; only what changed travels."""

import os
import random
import shutil
from pathlib import Path

import pytest

from releases.remote.connection import open_transport
from releases.remote.errors import (
    ConnectionLost,
    TransferFailed,
    TransferStopped,
)
from releases.remote.folders import read_manifest

from .transfers import NAMES, CutHalfWay, Put, never


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
