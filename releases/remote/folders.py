"""A folder sent to a machine: only what changed travels, the live folder is swapped by a rename.

Names are bytes here: a file name need not be text.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import TransferFailed, TransferStopped
from .scripts import DEFAULT_FOLDER
from .transfer import MARGIN, Peer, Progress, Transferred
from .transport import CHUNK, Stop, Transport


@dataclass(frozen=True, slots=True)
class Entry:
    """`kind` is f (file), d (folder), l (link) or o (other); `content` is the SHA-256 or the link's target."""

    kind: str
    mode: int
    content: bytes


Manifest = dict[bytes, Entry]  # by path relative to the folder, b"." for itself


def upload_folder(
    transport: Transport,
    source: Path,
    destination: str,
    *,
    attempt: str,
    progress: Progress,
    stop: Stop,
    folder: str = DEFAULT_FOLDER,
    shell: str = "sh",
) -> Transferred:
    """Make `destination` equal to `source`: files, permission bits and links; what is not in it disappears.

    Unchanged files are not sent. The new folder is built and checked beside the live one, then both are renamed.
    Raises as `upload_file` does; the live folder is then untouched.
    """
    started = time.monotonic()
    peer = Peer(transport, destination, attempt, stop, folder, shell)
    wanted = read_manifest(source, stop)
    sizes = {path: _path(source, path).stat().st_size for path, e in wanted.items() if e.kind == "f"}
    live = _remote_manifest(peer, destination, "live", attempt)
    changed = [path for path, entry in wanted.items() if live.get(path) != entry]
    sent = [path for path in changed if path in sizes]
    if live != wanted:
        _send(peer, source, destination, attempt, wanted, live, {path: sizes[path] for path in sent}, progress)
    size = sum(sizes.values())
    progress(size, size)
    return Transferred(size, _digest(wanted), len(sizes), len(sent), time.monotonic() - started)


def _send(
    peer: Peer,
    source: Path,
    destination: str,
    attempt: str,
    wanted: Manifest,
    live: Manifest,
    sizes: dict[bytes, int],
    progress: Progress,
) -> None:
    needed = str(sum(sizes.values()) + MARGIN)
    dropped = [p for p, e in live.items() if e.kind != "d" and wanted.get(p) != e]
    listed = b"".join(b"./" + path + b"\0" for path in dropped) or b"./.nothing-to-drop\0"
    peer.ask("folder-stage", destination, attempt, needed, stdin=lambda: listed)
    stream = lambda: TarStream(source, wanted, sizes, progress)  # noqa: E731 made anew for each try
    peer.ask("folder-receive", destination, attempt, stdin=stream, size=sum(sizes.values()))
    arrived = _remote_manifest(peer, destination, "stage", attempt)
    if arrived != wanted:
        wrong = sorted(p for p in wanted.keys() | arrived.keys() if wanted.get(p) != arrived.get(p))
        raise TransferFailed(
            f"What arrived differs from {source} in {len(wrong)} entries, the first is {os.fsdecode(wrong[0])!r}.",
            "If files of the folder are being written, wait until that is over. What was there is untouched.",
        )
    if peer.stop():
        raise TransferStopped(f"The transfer of {destination} was stopped.")
    peer.ask("folder-swap", destination, attempt)


def read_manifest(source: Path, stop: Stop) -> Manifest:
    """What a local folder holds. Raises TransferFailed for what is neither file, folder nor link."""
    manifest: Manifest = {}
    for path, status in _walk(os.fsencode(source), b"."):
        if stop():
            raise TransferStopped(f"The transfer of {source} was stopped.")
        full = os.path.join(os.fsencode(source), path)  # noqa: PTH118 a path of bytes
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISREG(status.st_mode):
            with open(full, "rb") as file:  # noqa: PTH123
                manifest[path] = Entry("f", mode, hashlib.file_digest(file, "sha256").hexdigest().encode())
        elif stat.S_ISLNK(status.st_mode):
            manifest[path] = Entry("l", 0, os.readlink(full))  # noqa: PTH115
        elif stat.S_ISDIR(status.st_mode):
            manifest[path] = Entry("d", mode, b"")
        else:
            raise TransferFailed(f"{os.fsdecode(full)!r} is neither a file, a folder nor a link.")
    return manifest


def _walk(root: bytes, path: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    full = os.path.join(root, path)  # noqa: PTH118
    yield path, os.stat(full)  # noqa: PTH116
    with os.scandir(full) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        inner = entry.name if path == b"." else path + b"/" + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, inner)
        else:
            yield inner, entry.stat(follow_symlinks=False)


def _remote_manifest(peer: Peer, destination: str, place: str, attempt: str) -> Manifest:
    printed = bytearray()
    peer.ask("manifest", destination, place, attempt, write=printed.extend)
    return parse_manifest(bytes(printed)) if printed else {}


def parse_manifest(printed: bytes) -> Manifest:
    """Batches of transfer.sh. Raises TransferFailed when one is not whole (a file vanished meanwhile)."""
    manifest: Manifest = {}
    position = 0
    try:
        while True:
            line = printed.index(b"\n", position)
            kind, count = printed[position:line].decode().split(" ")
            if kind == "end":
                return manifest
            batch, position = _parse_batch(kind, int(count), printed, line + 1)
            manifest |= batch
    except (ValueError, IndexError) as error:
        raise TransferFailed(
            "The folder on the machine could not be read whole: it changed meanwhile, "
            "or holds files that the login user may not read."
        ) from error


def _parse_batch(kind: str, count: int, printed: bytes, position: int) -> tuple[Manifest, int]:
    def take(end: bytes) -> bytes:
        nonlocal position
        found = printed.index(end, position)
        taken, position = printed[position:found], found + len(end)
        return taken

    modes = [int(take(b"\n"), 8) for _ in range(count)] if kind in "fd" else [0] * count
    contents = [b""] * count
    if kind == "f":
        contents = [take(b"\n") for _ in range(count)]
    elif kind == "l":
        contents = [take(b"\0")]
    names = [take(b"\0").removeprefix(b"./") for _ in range(count)]
    triples = zip(names, modes, contents, strict=True)
    return {name: Entry(kind, mode, content) for name, mode, content in triples}, position


def _digest(manifest: Manifest) -> str:
    lines = (b"%s\0%s\0%o\0%s\0" % (p, e.kind.encode(), e.mode, e.content) for p, e in sorted(manifest.items()))
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _path(source: Path, path: bytes) -> Path:
    return source / os.fsdecode(path)


class TarStream:
    """A tar of all folders and links and of the changed files, made while it is read: nothing sits in memory."""

    def __init__(self, source: Path, wanted: Manifest, sizes: dict[bytes, int], progress: Progress) -> None:
        self._source = source
        self._wanted = wanted
        self._sizes = sizes
        self._progress = progress
        self._pieces = self._stream()
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        parts, have = [self._rest], len(self._rest)
        while have < size and (piece := next(self._pieces, b"")):
            parts.append(piece)
            have += len(piece)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]

    def _stream(self) -> Iterator[bytes]:
        folders = [(path, entry) for path, entry in self._wanted.items() if entry.kind == "d"]
        for path, entry in folders:  # writable until their content is in
            yield self._head(path, tarfile.DIRTYPE, entry.mode | 0o700)
        for path, entry in self._wanted.items():
            if entry.kind == "l":
                yield self._head(path, tarfile.SYMTYPE, 0o777, target=entry.content)
        sent, total = 0, sum(self._sizes.values())
        for path, size in self._sizes.items():
            yield self._head(path, tarfile.REGTYPE, self._wanted[path].mode, size)
            for piece in self._content(path, size):
                sent += len(piece)
                yield piece
                self._progress(min(sent, total), total)
            yield b"\0" * (-size % tarfile.BLOCKSIZE)
        for path, entry in reversed(folders):
            yield self._head(path, tarfile.DIRTYPE, entry.mode)
        yield b"\0" * (tarfile.BLOCKSIZE * 2)

    def _content(self, path: bytes, size: int) -> Iterator[bytes]:
        left = size
        with _path(self._source, path).open("rb") as file:
            while left and (piece := file.read(min(CHUNK, left))):
                left -= len(piece)
                yield piece
        if left:
            raise TransferFailed(f"{os.fsdecode(path)!r} became shorter while it was sent.")

    def _head(self, path: bytes, kind: bytes, mode: int, size: int = 0, target: bytes = b"") -> bytes:
        info = tarfile.TarInfo(os.fsdecode(b"./" + path))
        info.type, info.mode, info.size, info.linkname = kind, mode, size, os.fsdecode(target)
        info.mtime = int(_path(self._source, path).lstat().st_mtime)
        return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
