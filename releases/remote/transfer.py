"""Files to and from machines: checked by SHA-256 there, made visible by a rename, resumed after a cut.

Memory stays bounded whatever the size. Folders are in folders.py.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Never

from .errors import InvalidStep, NoSpace, SourceChanged, TransferDiffers, TransferFailed, TransferStopped
from .scripts import DEFAULT_FOLDER, NAME, RemoteScript, package_text, require_tools
from .summing import Summing
from .transport import Completed, Stop, Transport

Progress = Callable[[int, int], None]  # bytes so far, bytes in all
TRANSFER = package_text("transfer.sh")
MARGIN = 1 << 20  # bytes left free beside what is sent

REFUSALS = {
    "relative": "The path {path} must be absolute or start with ~/.",
    "nofolder": "The folder of {path} does not exist on {machine}.",
    "notwritable": "The login user may not write {path} on {machine}.",
    "unreadable": "The login user may not read {path} on {machine}.",
    "isfolder": "{path} is a folder on {machine}: name the file.",
    "isfile": "{path} is a file on {machine}, not a folder.",
    "islink": "{path} is a symbolic link on {machine}: name the folder it stands for.",
    "nofile": "There is no file {path} on {machine}.",
    "absent": "There is no folder {path} on {machine}.",
    "unread": "The folder {path} on {machine} could not be read whole.",
    "short": "The transfer of {path} to {machine} was cut half way.",
    "differs": "What arrived at {path} on {machine} differs from what was sent.",
    "nostage": "The prepared copy of {path} on {machine} has disappeared.",
}


@dataclass(frozen=True, slots=True)
class Transferred:
    """`size` in bytes and `sha256` of the content (of a folder: of its manifest); `files_sent` <= `files`."""

    size: int
    sha256: str
    files: int
    files_sent: int
    seconds: float


def upload_file(
    transport: Transport,
    source: Path,
    destination: str,
    *,
    attempt: str,
    progress: Progress,
    stop: Stop,
    sha256: str = "",
    folder: str = DEFAULT_FOLDER,
    shell: str = "sh",
) -> Transferred:
    """Put `source` in place of `destination` in one rename, keeping its permission bits.

    `sha256`: what `source` must hold, where that is known: nothing else is put in place. It is read for its sum while
    it is sent. The next call with the same `attempt` goes on where a cut one stopped. Raises NoSpace, ToolMissing,
    TransferDiffers, TransferFailed, TransferStopped, ConnectionLost; what was there before is then untouched.
    """
    started = time.monotonic()
    with source.open("rb") as file, Summing(file, sha256) as summing:
        one_try = f"{attempt}.{secrets.token_hex(4)}"
        peer = Peer(transport, destination, attempt, stop, folder, shell)
        receiver = Peer(transport, destination, attempt, lambda: stop() or summing.differs, folder, shell)
        try:
            sent = _send(peer, receiver, one_try, file, summing, progress)
            found = summing.result(stop)
        except SourceChanged:
            peer.ask("file-forget", destination, one_try)
            raise
    progress(summing.size, summing.size)
    return Transferred(summing.size, found, 1, sent, time.monotonic() - started)


def _send(peer: Peer, receiver: Peer, one_try: str, file: BinaryIO, summing: Summing, progress: Progress) -> int:
    """The number of files sent: 0 where it is there already."""
    words = (peer.path, one_try, str(summing.size))
    begun = peer.ask("file-begin", *words)
    if begun.get("state") == "there":
        if begun.get("sha") == summing.result(peer.stop):
            return 0
        begun = peer.ask("file-begin", *words, "other")
    offset = int(begun.get("have", "0"))
    try:
        _deliver(peer, receiver, words, file, summing, progress, offset)
    except SourceChanged:
        raise
    except TransferDiffers:
        if not offset:
            raise
        _deliver(peer, receiver, words, file, summing, progress, 0)  # it was the earlier part that was not this file's
    return 1


def _deliver(
    peer: Peer,
    receiver: Peer,
    words: tuple[str, str, str],
    file: BinaryIO,
    summing: Summing,
    progress: Progress,
    offset: int,
) -> None:
    progress(offset, summing.size)
    rest = Counted(file, offset, summing.size, progress)
    try:
        receiver.ask("file-receive", *words, str(offset), stdin=lambda: rest.rewound(), size=summing.size - offset)
    except (TransferStopped, TransferFailed):
        summing.result(peer.stop)  # raises what it was stopped for
        summing.require_same()  # a file that grew is sent to its new end
        raise
    found = summing.result(peer.stop)
    summing.require_same()
    peer.ask("file-finish", *words, found, f"{stat.S_IMODE(summing.mode):o}")


def download(
    transport: Transport,
    remote_path: str,
    destination: Path,
    *,
    progress: Progress,
    stop: Stop,
    sha256: str = "",
    passing: bool = False,
    folder: str = DEFAULT_FOLDER,
    shell: str = "sh",
) -> Transferred:
    """Fetch a file; it appears at `destination` only when both sides computed the same SHA-256.

    `sha256`: what the machine's side computed earlier; it does not read the file once more then. `passing`: it is used
    at once and removed, so it need not be on the disk when this returns.
    """
    started = time.monotonic()
    peer = Peer(transport, remote_path, "download", stop, folder, shell)
    partial = destination.with_name(f".{destination.name}.{os.getpid()}-{time.monotonic_ns()}.part")
    try:
        with partial.open("wb") as file:
            fetched = _Fetched(file, progress)
            words = ["known"] if sha256 else []
            said = peer.ask("send", remote_path, *words, write=fetched.write, said=fetched.hear)
            size = file.tell()
            file.flush()
            if not passing:
                os.fsync(file.fileno())
        if (sha256 or said.get("sha")) != fetched.digest.hexdigest():
            raise TransferDiffers(f"{remote_path} changed on {transport.name} while it was fetched.")
        partial.replace(destination)
        progress(size, size)
    finally:
        partial.unlink(missing_ok=True)
    return Transferred(size, fetched.digest.hexdigest(), 1, 1, time.monotonic() - started)


class _Fetched:
    """What comes in of a file: written, summed up, and told of."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        self._file, self._progress, self._total = file, progress, 0
        self.digest = hashlib.sha256()

    def hear(self, words: dict[str, str]) -> None:
        """Its size is said on another stream, so it may come a little later than the first bytes."""
        self._total = int(words.get("size", self._total))

    def write(self, data: bytes) -> None:
        """The next bytes."""
        self._file.write(data)
        self.digest.update(data)
        if self._total:
            self._progress(self._file.tell(), max(self._total, self._file.tell()))


class Peer:
    """The script transfer.sh on the machine, for one transfer; turns its refusals into errors."""

    def __init__(self, transport: Transport, path: str, attempt: str, stop: Stop, folder: str, shell: str) -> None:
        if not NAME.match(attempt):
            raise InvalidStep(f"{attempt!r} is not a name of letters, digits, - and _.")
        if "\0" in path:
            raise InvalidStep("A path cannot contain a NUL.")
        self._script = RemoteScript(transport, TRANSFER, folder, shell)
        self._machine = transport.name
        self.path, self.stop = path, stop

    def ask(self, verb: str, *arguments: str, **options: object) -> dict[str, str]:
        """Run one verb to its end. `options` are those of RemoteScript.run."""
        # A sender is busy with reading and sending: only TCP can tell that it is stuck.
        quiet = {"quiet_limit": None} if "stdin" in options else {}
        completed, words = self._script.run(verb, "x", *arguments, stop=self.stop, **quiet, **options)  # type: ignore[arg-type]
        if words.get("state") in ("done", "there", "begun") and completed.exit_code == 0:
            return words
        self._fail(completed, words)

    def _fail(self, completed: Completed, words: Mapping[str, str]) -> Never:
        if completed.exit_code is None and self.stop():
            raise TransferStopped(f"The transfer of {self.path} was stopped.")
        require_tools(dict(words), self._machine)
        why, _, detail = words.get("why", "").partition(":")
        if why == "nospace":
            raise NoSpace(f"{self._machine} has {detail} bytes free for {self.path}: too few.")
        if why in REFUSALS:
            kind = TransferDiffers if why == "differs" else TransferFailed
            raise kind(REFUSALS[why].format(path=self.path, machine=self._machine))
        raise TransferFailed(f"The transfer of {self.path} broke off on {self._machine}.")


class Counted:
    """A file read from `offset` to `total`, telling progress."""

    def __init__(self, file: BinaryIO, offset: int, total: int, progress: Progress) -> None:
        self._file = file
        self._offset = offset
        self._total = total
        self._progress = progress

    def rewound(self) -> Counted:
        self._file.seek(self._offset)
        return self

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(min(size, self._total - self._file.tell()))
        self._progress(self._file.tell(), self._total)
        return data

    def hand_over(self) -> int:
        """For a program that reads it by itself, to its end wherever that is by then."""
        os.lseek(self._file.fileno(), self._offset, os.SEEK_SET)
        return self._file.fileno()

    def tell_progress(self) -> None:
        """How far that program is: the place in the file is one for both."""
        self._progress(min(os.lseek(self._file.fileno(), 0, os.SEEK_CUR), self._total), self._total)
