"""The demo host's door: a real OpenSSH server for one user on one port. Needs no privileges."""

import asyncio
import os
import shlex
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path

from cloudwiki.embedded.process import end_with_parent
from demo.machine import Machine

CONFIGURATION = """# Simulated: the demo host of Cloud Wiki.
Port {port}
ListenAddress {listen}
HostKey "{ssh}/host_key"
AuthorizedKeysFile "{ssh}/authorized_keys"
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers {user}
PermitUserRC no
PermitUserEnvironment no
DisableForwarding yes
PrintMotd no
UseDNS no
MaxSessions 100
MaxStartups 100
ClientAliveInterval 15
LogLevel ERROR
SetEnv "HOME={home}" "PATH={path}"
ForceCommand cd {quoted_home} && exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
"""


class Unusable(Exception):
    """OpenSSH cannot serve here. The text says why."""


def search_path(machine: Machine) -> str:
    """PATH on the demo host: its own programs first."""
    return f"{machine.bin}:{os.environ.get('PATH', os.defpath)}"


def find() -> str:
    """The sshd program. Raises Unusable when there is none or when it could not work here."""
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Unusable("no sshd is installed")
    if os.geteuid() == 0 and not Path("/run/sshd").is_dir():
        raise Unusable("sshd would need the folder /run/sshd, which is the system's to make")
    return found


async def start(machine: Machine) -> Process:
    """Start sshd and return once it takes connections. Raises Unusable."""
    program = find()
    ssh = machine.folder / "ssh"
    text = CONFIGURATION.format(
        port=machine.port, listen=machine.listen, ssh=ssh, user=machine.user, home=machine.home,
        path=search_path(machine), quoted_home=shlex.quote(machine.home),
    )  # fmt: skip
    (ssh / "sshd_config").write_text(text)
    preparation = end_with_parent(signal.SIGTERM) if sys.platform == "linux" else None
    # A file and not a pipe: connections that outlive sshd would hold a pipe open, and nobody would read it.
    with (ssh / "sshd.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, "-D", "-e", "-f", str(ssh / "sshd_config"),
            stdin=DEVNULL, stdout=DEVNULL, stderr=log, start_new_session=True, preexec_fn=preparation,
        )  # fmt: skip
    try:
        await _until_it_listens(machine, process)
    except BaseException:
        if process.returncode is None:
            process.kill()
        raise
    return process


async def _until_it_listens(machine: Machine, process: Process) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    while asyncio.get_running_loop().time() < deadline:
        if process.returncode is not None:
            said = (machine.folder / "ssh" / "sshd.log").read_text(errors="replace").strip()
            raise Unusable(f"sshd ended: {said or process.returncode}")
        try:
            _reader, writer = await asyncio.open_connection(machine.listen, machine.port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
    raise Unusable(f"sshd did not listen on port {machine.port} within 10 s")
