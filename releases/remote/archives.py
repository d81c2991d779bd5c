"""A folder fetched from a machine as one tar, and what that tar holds.

The machine's own programs make the tar, so names are bytes here, and odd ones are written in more than one way.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

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
        # stream: no list of all members is kept. The stubs don't know it yet.
        with tarfile.open(archive, "r:", encoding="utf-8", errors="surrogateescape", stream=True) as tar:  # type: ignore[call-overload]
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
