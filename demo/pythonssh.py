"""The demo host's door where no OpenSSH server can serve: asyncssh, with the same key and the same programs."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE
from typing import Any

import asyncssh

from demo.machine import Machine
from demo.openssh import search_path


async def start(machine: Machine) -> asyncssh.SSHAcceptor:
    """Take connections; each command runs under `sh` in the host's home. Raises OSError when the port is taken."""

    async def serve(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        await _run(machine, process)

    return await asyncssh.create_server(
        asyncssh.SSHServer,
        machine.listen,
        machine.port,
        server_host_keys=[str(machine.folder / "ssh" / "host_key")],
        authorized_client_keys=str(machine.folder / "ssh" / "authorized_keys"),
        process_factory=serve,
        encoding=None,
        keepalive_interval=15,
        login_timeout=20,
    )


async def _run(machine: Machine, process: Any) -> None:
    if process.command is None or process.get_extra_info("username") != machine.user:
        process.stderr.write(b"the demo host runs commands of its own user only\n")
        process.exit(1)
        return
    environment = os.environ | {"HOME": machine.home, "PATH": search_path(machine), "USER": machine.user}
    child = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", process.command,
        cwd=machine.home, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True,
    )  # fmt: skip
    await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
    code = await child.wait()
    await process.stdout.drain()
    if code < 0:
        process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
    else:
        process.exit(code)
