"""Folders that are slow to make, kept under `.cache/test-host` of the checkout and shared by parallel runs."""

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "test-host"

_in_use: dict[Path, IO[bytes]] = {}  # shared locks, held until this process ends


def digest(*inputs: Path | str) -> str:
    """SHA-256 (16 hex digits) of texts and of files, folders being walked in order, modes and names included."""
    total = hashlib.sha256()
    for item in inputs:
        if isinstance(item, str):
            total.update(item.encode() + b"\0")
            continue
        for file in _files(item):
            total.update(f"{file.relative_to(item.parent)}\0{os.access(file, os.X_OK)}\0".encode())
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


def _files(item: Path) -> Iterable[Path]:
    if item.is_file():
        return [item]
    return sorted(file for file in item.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def cached(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder `<kind>-<key>`, made by `build(path)` when absent; older keys that nobody uses are removed.

    `build` fills a folder of another name, so that a half-made one is never taken for a whole one.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / f"{kind}-{key}"
    while folder not in _in_use:
        lock = _open_lock(folder)
        fcntl.flock(lock, fcntl.LOCK_SH)
        if folder.exists():
            _in_use[folder] = lock
            break
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _build(folder, build)
        lock.close()
        _remove_unused(kind, keep=folder)
    return folder


def _open_lock(folder: Path) -> IO[bytes]:
    return folder.with_name(folder.name + ".lock").open("ab")


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    unfinished = folder.with_name(folder.name + ".unfinished")
    remove(unfinished)
    build(unfinished)
    unfinished.rename(folder)


def _remove_unused(kind: str, keep: Path) -> None:
    for lock_file in CACHE.glob(f"{kind}-*.lock"):
        folder = lock_file.with_suffix("")
        if folder == keep or folder in _in_use:
            continue
        with lock_file.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            remove(folder)
            remove(folder.with_name(folder.name + ".unfinished"))
            lock_file.unlink()


def remove(folder: Path) -> None:
    """Removes a folder, but nothing of a file system that is still mounted in it."""
    subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=True)
