"""Much data at once, by the OpenSSH client: it takes half the time of Paramiko's, which is bound to one processor.

A connection of its own for each command, as safe as the others: one pinned key, no agent, no other key, no settings but
ours. Where there is no such client, or where it is not let in, Paramiko's connection does the same (see scripts.py).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .errors import ClientLost
from .programs import login_environment, run_program
from .transport import Completed, Readable, Stop, Write

if TYPE_CHECKING:
    from .connection import Target

FROM: Final = 32 << 20  # bytes; with fewer its login takes longer than it saves
SILENCES: Final = 3  # questions without an answer after which the connection counts as lost
_LOST: Final = 255  # how it ends when the connection did
_PINNED: Final = "pinned"  # the name under which the machine's key stands in the list of known ones
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
    with tempfile.NamedTemporaryFile("w", prefix="cloudwiki-known-", encoding="ascii") as known:
        known.write(f"{_PINNED} {' '.join(target.host_key.split()[:2])}\n")
        known.flush()
        words = _words(client, target, silence, Path(known.name))
        done = run_program([*words, command], login_environment(), stdin, write, write_error, stop)
    if done.exit_code == _LOST:
        raise ClientLost(f"The connection to {target.name} broke.")
    return done


def _words(client: str, target: Target, silence: int, known: Path) -> list[str]:
    options = _OPTIONS | {
        "UserKnownHostsFile": str(known),
        "ConnectTimeout": str(max(1, round(target.connect_timeout))),
        "ServerAliveInterval": str(silence // SILENCES),
    }
    settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    where = ["-i", str(target.private_key), "-p", str(target.port), "-l", target.user, "--", target.address]
    return [client, "-F", "none", "-T", *settings, *where]
