"""Commands that ask something, for F16. Each gives the shell text and what the reason of its failure has to say."""

import os
import re
import shutil
import subprocess

from tests.engine.sshd import Sshd, make_key
from tests.faults.slot import Slot

NOBODY = 65534


def _sudo(slot: Slot, other: Sshd) -> tuple[str, str]:
    """The real one where it has to ask, else a program of its name that behaves so."""
    if shutil.which("sudo") and shutil.which("setpriv") and os.getuid() == 0:
        return f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups sudo true", "NOPASSWD"
    program = slot.folder / "bin" / "sudo"
    program.parent.mkdir(exist_ok=True)
    words = "sudo: a terminal is required to read the password; either use the -S option or an askpass helper"
    program.write_text(f"#!/bin/sh\nread password </dev/tty && exit\necho '{words}' >&2\nexit 1\n")
    program.chmod(0o755)
    return f"PATH={program.parent}:$PATH; sudo true", "NOPASSWD"


def _read(slot: Slot, other: Sshd) -> tuple[str, str]:
    return "printf 'Overwrite all? [y/N] '; read answer && [ \"$answer\" = y ]", re.escape("Overwrite all? [y/N]")


def _read_terminal(slot: Slot, other: Sshd) -> tuple[str, str]:
    return "printf 'Name: ' >/dev/tty && read name </dev/tty", "-y"


def _ssh(other: Sshd, options: str) -> str:
    return f"ssh {options} -o GlobalKnownHostsFile=/dev/null -p {other.port} {other.user}@127.0.0.1 true"


def _unknown_host(slot: Slot, other: Sshd) -> tuple[str, str]:
    return _ssh(other, f"-o UserKnownHostsFile={slot.folder}/nobody -i {other.client_key}"), "known_hosts"


def _password(slot: Slot, other: Sshd) -> tuple[str, str]:
    options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o PubkeyAuthentication=no"
    return _ssh(other, options), "SSH"


def _passphrase(slot: Slot, other: Sshd) -> tuple[str, str]:
    key = other.folder / "locked_key"
    (other.folder / "authorized_keys").write_text(make_key(key) + "\n")
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a long passphrase", "-f", key],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return _ssh(other, f"-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i {key}"), "SSH"


QUESTIONS = {
    "sudo": _sudo,
    "read": _read,
    "read from the terminal": _read_terminal,
    "ssh to an unknown host": _unknown_host,
    "ssh with a password": _password,
    "ssh with a passphrase": _passphrase,
}
