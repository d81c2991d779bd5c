"""A folder fetched from a machine as one tar, and what that tar holds.

The machine's own programs make the tar, so names are bytes here, and odd ones are written in more than one way.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

from .errors import TransferFailed
from .scripts import DEFAULT_FOLDER
from .transfer import Peer
from .transport import Stop, Transport

# How sha256sum writes the name of a file: BusyBox as it is, coreutils escaped, newer ones also the carriage return.
_PLAIN: Final[tuple[tuple[bytes, bytes], ...]] = ()
_ESCAPED: Final = ((b"\\", b"\\\\"), (b"\n", b"\\n"))
_STYLES: Final = (_PLAIN, _ESCAPED, (*_ESCAPED, (b"\r", b"\\r")))


def fetch_folder(
    transport: Transport,
    remote_path: str,
    file: BinaryIO,
    *,
    progress: Callable[[int], None],
    stop: Stop,
    folder: str = DEFAULT_FOLDER,
    shell: str = "sh",
) -> None:
    """Write a tar of what the folder holds into `file`; `progress` hears the bytes so far.

    Raises ToolMissing, TransferFailed, TransferStopped, ConnectionLost.
    """
    peer, done = Peer(transport, remote_path, "download", stop, folder, shell), 0

    def write(data: bytes) -> None:
        nonlocal done
        file.write(data)
        done += len(data)
        progress(done)

    peer.ask("send-folder", remote_path, write=write)


def folder_digests(archive: Path) -> set[str]:
    """What `folder_sum` (actions/scripts/machine.sh) says of the folder in a tar, for each way to write odd names.

    Raises TransferFailed for a tar that is not whole.
    """
    sums: dict[bytes, str] = {}
    links: dict[bytes, bytes] = {}
    folders: list[bytes] = []
    try:
        with _members(archive) as tar:
            for member in tar:
                name = _name(member.name)
                if member.isdir():
                    folders.append(name)
                elif member.issym():
                    links[name] = _bytes(member.linkname)
                elif member.isreg():
                    sums[name] = _sum(tar, member)
                elif member.islnk() and (target := _name(member.linkname)) in links:
                    links[name] = links[target]
                elif member.islnk():
                    sums[name] = sums[target]
    except (tarfile.TarError, EOFError, KeyError) as error:
        raise TransferFailed(f"{archive.name} is not a whole tar of a folder.") from error
    others = [*folders, *(name + b" -> " + target.rstrip(b"\n") for name, target in links.items())]
    return {_listing([*others, *(_line(name, value, style) for name, value in sums.items())]) for style in _STYLES}


def open_folders(archive: Path) -> None:
    """Let the folders of a tar be written in until all is unpacked: BusyBox closes those that are closed too early.

    Their own permission bits come once more at the end; BusyBox, where it is not root, leaves them open then.
    """
    closed, end = [], 0
    with _members(archive) as tar:
        for member in tar:
            end = member.offset_data + (
                -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE if member.isreg() else 0
            )
            if member.isdir() and member.mode & 0o700 != 0o700:
                closed.append(member)
    if not closed:
        return
    with archive.open("r+b") as file:
        for member in closed:
            _set_mode(file, member.offset_data - tarfile.BLOCKSIZE, member.mode | 0o700)
        file.seek(end)
        for member in reversed(closed):
            file.write(member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
        file.write(b"\0" * (tarfile.BLOCKSIZE * 2))
        file.truncate()


def _members(archive: Path) -> tarfile.TarFile:
    # stream: no list of all members is kept. The stubs don't know it yet.
    options: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "stream": True}
    return tarfile.TarFile.open(archive, "r:", **options)


def _set_mode(file: BinaryIO, at: int, mode: int) -> None:
    """Change the permission bits in the header at this place, and its checksum."""
    file.seek(at)
    head = bytearray(file.read(tarfile.BLOCKSIZE))
    head[100:108] = b"%07o\0" % mode
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    file.seek(at)
    file.write(head)


def _sum(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content = tar.extractfile(member)
    assert content is not None  # noqa: S101 - it is a file
    return hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]


def _line(name: bytes, value: str, style: tuple[tuple[bytes, bytes], ...]) -> bytes:
    written = name
    for odd, instead in style:
        written = written.replace(odd, instead)
    return (b"\\" if written != name else b"") + value.encode() + b"  " + written


def _listing(lines: list[bytes]) -> str:
    """The digest of the sorted lines; a name with a line break in it makes two."""
    found = sorted(b"\n".join(lines).split(b"\n"))
    return hashlib.sha256(b"".join(line + b"\n" for line in found)).hexdigest()


def _name(name: str) -> bytes:
    found = _bytes(name)
    return found if found == b"." or found.startswith(b"./") else b"./" + found


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
