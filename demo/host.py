"""`python -m demo.host`: the demo host, from its start to SIGTERM.

It is simulated: a machine's part played on this one. At its start it starts the services that were not stopped
on purpose, as a server's boot would; at its end it ends them.
"""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path

import asyncssh

from cloudwiki.embedded import data_folder
from demo import openssh, pythonssh
from demo.machine import Machine, Site, read
from demo.service import NAMES, Service

BOOT_SECONDS = 20.0


def main() -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    data = data_folder()
    machine = read(data)
    if machine is None:
        say("there is no demo host yet; `manage.py load_demo` makes it")
        return 1
    with (machine.folder / "run" / "host.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("the demo host of this data folder runs already")
            return 1
        return asyncio.run(run(machine, controller_key(data)))


def controller_key(data: Path) -> Path:
    """The controller's private key, with which the host tries its own door."""
    return Path(os.environ.get("CLOUDWIKI_SSH_KEY_FILE") or data / "ssh" / "id_ed25519")


async def run(machine: Machine, key: Path) -> int:
    """The host's life."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    every = [(site, name) for site in machine.sites.values() for name in NAMES]
    await asyncio.gather(*(control(site, "boot", name) for site, name in every))
    door = await open_door(machine, key)
    ended = [asyncio.create_task(stop.wait()), asyncio.create_task(wait_closed(door))]
    await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
    code = 0 if stop.is_set() else 1
    await asyncio.gather(close(door), *(halt(site, name) for site, name in every if stop.is_set()))
    return code


Door = Process | asyncssh.SSHAcceptor


async def open_door(machine: Machine, key: Path) -> Door:
    """OpenSSH where it works, else asyncssh."""
    try:
        process = await openssh.start(machine)
        if not key.exists() or await lets_in(machine, key):
            say(f"listens on {machine.listen}:{machine.port} (simulated host, OpenSSH)")
            return process
        await close(process)
        raise openssh.Unusable(f"sshd does not let {machine.user} in")
    except openssh.Unusable as reason:
        door = await pythonssh.start(machine)
        say(f"listens on {machine.listen}:{machine.port} (simulated host, asyncssh: {reason})")
        return door


async def lets_in(machine: Machine, key: Path) -> bool:
    """Whether a command of the controller would run."""
    known = asyncssh.import_known_hosts(f"* {machine.host_key}")
    address = "127.0.0.1" if machine.listen in {"0.0.0.0", "::"} else machine.listen  # noqa: S104 compared only
    try:
        async with (
            asyncio.timeout(10),
            asyncssh.connect(
                address, machine.port, username=machine.user, client_keys=[str(key)], known_hosts=known, config=None
            ) as connection,
        ):
            done = await connection.run("command -v service", check=False)
            return done.stdout == f"{machine.bin}/service\n"
    except (OSError, asyncssh.Error, TimeoutError):
        return False


async def wait_closed(door: Door) -> None:
    """Return when the door is no longer open."""
    if isinstance(door, Process):
        await door.wait()
    else:
        await door.wait_closed()


async def close(door: Door) -> None:
    """Close the door and the connections that came through it."""
    if not isinstance(door, Process):
        door.close()
        return
    connections = children_of(door.pid)
    if door.returncode is None:
        door.terminate()
    await door.wait()
    for process in connections:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)


def children_of(process: int) -> list[int]:
    """Processes that a process started and that still run (Linux; elsewhere none are known)."""
    try:
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


async def halt(site: Site, name: str) -> None:
    """End a service as a machine's shutdown does. In this process, because the end has to be quick."""
    try:
        await asyncio.to_thread(Service(site.folder, name).stop, stay=False)
    except SystemExit as reason:
        say(str(reason))


async def control(site: Site, verb: str, name: str) -> None:
    """Run the site's own `service` program; its words go to our log."""
    process = await asyncio.create_subprocess_exec(
        str(site.bin / "service"), verb, name,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(BOOT_SECONDS):
            output, _nothing = await process.communicate()
    except TimeoutError:
        process.kill()
        say(f"service {verb} {name} took too long")
        return
    for line in output.decode(errors="replace").splitlines():
        say(line)


def say(text: str) -> None:
    """One line of our log."""
    print(f"demo host: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
