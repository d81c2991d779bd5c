"""The demo host's door where no OpenSSH server can serve: asyncssh, with the same key and the same programs."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, BinaryIO

import asyncssh

from demo.machine import Machine
from demo.openssh import search_path

PIECE = 64 * 1024  # bytes


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
    with suppress(OSError, asyncssh.Error):  # the connection went away: the command goes on without it
        code = await _serve(machine, process)
        process.stdout.write_eof()
        if code < 0:
            process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
        else:
            process.exit(code)


async def _serve(machine: Machine, process: Any) -> int:
    """Run the command, its three streams joined to the channel; returns its code once both outputs are told.

    By hand: asyncssh's `redirect` starts a second reader whenever it resumes a StreamReader, and drops the
    connection when both read at once (2.24, `_StreamReader.resume_reading`).
    """
    environment = os.environ | {"HOME": machine.home, "PATH": search_path(machine), "USER": machine.user}
    async with _pipe() as (output, stdout), _pipe() as (errors, stderr):
        child = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", process.command,
            cwd=machine.home, env=environment, stdin=PIPE, stdout=stdout, stderr=stderr, start_new_session=True,
        )  # fmt: skip
        stdout.close()
        stderr.close()
        feeder = asyncio.create_task(_feed(process.stdin, child.stdin))
        try:
            await asyncio.gather(_tell(output, process.stdout), _tell(errors, process.stderr))
            return await child.wait()
        finally:
            feeder.cancel()


@asynccontextmanager
async def _pipe() -> AsyncIterator[tuple[asyncio.StreamReader, BinaryIO]]:
    """A pipe: our end, closed when this is over so that a command that still prints ends, and the command's end."""
    ours, theirs = os.pipe()
    reader = asyncio.StreamReader()
    with os.fdopen(theirs, "wb", buffering=0) as command_end:
        transport, _protocol = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", buffering=0)
        )
        try:
            yield reader, command_end
        finally:
            transport.close()


async def _tell(reader: asyncio.StreamReader, writer: Any) -> None:
    while data := await reader.read(PIECE):
        writer.write(data)
        await writer.drain()


async def _feed(reader: Any, writer: Any) -> None:
    """Hand the input on until its end, or until the command takes no more of it."""
    with suppress(OSError, asyncssh.Error):
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
    writer.close()
