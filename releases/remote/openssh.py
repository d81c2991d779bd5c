"""Much data at once, by the OpenSSH client: it takes half the time of Paramiko's, which is bound to one processor.

A connection of its own for each command, as safe as the others: one pinned key, no agent, no other key, no settings but
ours. Where there is no such client, or where it is not let in, Paramiko's connection does the same (see scripts.py).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .errors import ClientLost
from .programs import NotStarted, login_environment, run_program
from .transport import Completed, Readable, Stop, Write

if TYPE_CHECKING:
    from .connection import Target

FROM: Final = 32 << 20  # bytes; with fewer its login takes longer than it saves
SILENCES: Final = 3  # questions without an answer after which the connection counts as lost
_LOST: Final = 255  # how it ends when the connection did
_PINNED: Final = "pinned"  # the name under which the machine's key stands in the list of known ones
_PREFIX: Final = "cloudwiki-known-"
_OLD: Final = 86_400  # seconds; no transfer takes that long
_OPTIONS: Final = {
    "BatchMode": "yes",
    "CheckHostIP": "no",
    "Ciphers": "^aes128-gcm@openssh.com",  # the quickest where the processor knows AES
    "ClearAllForwardings": "yes",
    "Compression": "no",
    "ControlPath": "none",
    "EscapeChar": "none",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "GlobalKnownHostsFile": "none",
    "HostKeyAlias": _PINNED,
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "LogLevel": "ERROR",
    "PreferredAuthentications": "publickey",
    "ServerAliveCountMax": str(SILENCES),
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
}


def find_client() -> str | None:
    """Where the client is on this machine."""
    return shutil.which("ssh")


def run_by_client(
    client: str,
    target: Target,
    silence: int,
    command: str,
    stdin: Readable | bytes | None,
    write: Write | None,
    write_error: Write | None,
    stop: Stop | None,
) -> Completed:
    """Run `command` on the machine as `Transport.execute` does. Raises ClientLost, also after `silence` seconds."""
    asked = threading.Event()

    def watched() -> bool:
        if stop is not None and stop():
            asked.set()
        return asked.is_set()

    try:
        with _known(target) as known:
            words = [*_words(client, target, silence, known), command]
            done = run_program(words, login_environment(), "/", stdin, write, write_error, watched)
    except NotStarted as error:
        raise ClientLost(str(error)) from error
    if done.exit_code == _LOST or (done.exit_code is None and not asked.is_set()):
        raise ClientLost(f"The connection to {target.name} broke.")
    return done


@contextmanager
def _known(target: Target) -> Iterator[Path]:
    """A list of known hosts with the pinned key alone. Raises NotStarted."""
    try:
        _sweep()
        file = tempfile.NamedTemporaryFile("wb", buffering=0, prefix=_PREFIX)  # noqa: SIM115 closed below
    except OSError as error:
        raise NotStarted(f"There is no place for a list of known hosts: {error.strerror}.") from error
    with file:
        try:
            file.write(f"{_PINNED} {' '.join(target.host_key.split()[:2])}\n".encode())
        except OSError as error:
            raise NotStarted(f"The list of known hosts could not be written: {error.strerror}.") from error
        yield Path(file.name)


def _sweep() -> None:
    """Remove the lists of workers that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _OLD:
                left.unlink()


def _words(client: str, target: Target, silence: int, known: Path) -> list[str]:
    options = _OPTIONS | {
        "IdentityFile": '"' + str(target.private_key).replace("%", "%%") + '"',  # -i would allow others beside it
        "UserKnownHostsFile": '"' + str(known) + '"',
        "ConnectTimeout": str(max(1, round(target.connect_timeout))),
        "ServerAliveInterval": str(silence // SILENCES),
    }
    settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    where = ["-p", str(target.port), "-l", target.user, "--", target.address]
    return [*_ending_with_us(), client, "-F", "none", "-T", *settings, *where]


@cache
def _ending_with_us() -> tuple[str, ...]:
    """What makes a worker that is killed take its client with it; nothing where that is not to be had."""
    words = ("setpriv", "--pdeathsig", "KILL")
    try:
        works = subprocess.run([*words, "true"], capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return words if works else ()
