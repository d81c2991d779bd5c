"""`make up`: servers, tables, demo, then web, worker, beat and probes until Ctrl-C."""

import asyncio
import json
import os
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

from cloudwiki.embedded import EmbeddedError, Servers, data_folder
from cloudwiki.embedded.servers import wanted
from cloudwiki.processes import LISTEN_FD
from cloudwiki.supervisor.address import address_of, listen, write_web_file
from cloudwiki.supervisor.child import Child
from cloudwiki.supervisor.terminal import has_colours, say

OURS = "wiki"
ANSWER_SECONDS = 60.0


def main() -> int:
    """Run until SIGINT, SIGTERM or SIGHUP. Returns the exit code."""
    data = data_folder()
    try:
        with Servers(data) as servers:
            return asyncio.run(_run(data, servers))
    except EmbeddedError as error:
        say(OURS, str(error))
        return 1


async def _run(data: Path, servers: Servers) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    # The cheap refusals first: a wrong host or port is told before anything has started.
    with listen(os.environ.get("CLOUDWIKI_HOST") or "127.0.0.1", _port()) as listener:
        servers.start(**wanted(os.environ))
        for note in servers.notes:
            say(OURS, note)
        return await _Everything(data, servers, listener, stop).run()


def _port() -> int:
    given = os.environ.get("CLOUDWIKI_PORT") or "8000"
    if not given.isdecimal() or int(given) > 65535:
        raise EmbeddedError(f"CLOUDWIKI_PORT is {given!r}. Set it to a whole number up to 65535.")
    return int(given)


class _Everything:
    """All the processes of one `make up`."""

    def __init__(self, data: Path, servers: Servers, listener: socket.socket, stop: asyncio.Event) -> None:
        self.data, self.servers, self.listener, self.stop = data, servers, listener, stop
        self.address = address_of(listener)
        self.environment = os.environ | {
            "CLOUDWIKI_DATA": str(data),
            "CLOUDWIKI_PORT": str(listener.getsockname()[1]),
            "CLOUDWIKI_GRACEFUL_SECONDS": "1",
            "PYTHONUNBUFFERED": "1",
            "CLOUDWIKI_COLOUR": "1" if has_colours() else "0",
        }

    async def run(self) -> int:
        """Set up, start all, wait for the end, stop all."""
        code = await self._set_up()
        if code or self.stop.is_set():
            return code
        children = self._children()
        tasks = [asyncio.create_task(child.keep_running()) for child in children]
        tasks += [asyncio.create_task(self._announce()), asyncio.create_task(self._watch_servers())]
        web_file = write_web_file(self.data, self.address)
        try:
            await self.stop.wait()
            say(OURS, "stopping")
        finally:
            web_file.unlink(missing_ok=True)
            await asyncio.gather(*(child.stop() for child in children))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return 0

    async def _set_up(self) -> int:
        child = Child("demo", self.environment)
        running = asyncio.create_task(child.run_once())
        stopping = asyncio.create_task(self.stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not running.done():
            await child.stop()
        code = await running
        if code and not self.stop.is_set():
            say(OURS, "the set-up failed; its own message is above")
            return 1
        return 0

    def _children(self) -> list[Child]:
        verbs = ["worker", "beat", "probes", "demo-host", "demo-gpu"]
        descriptor = self.listener.fileno()
        web = Child("web", self.environment | {LISTEN_FD: str(descriptor)}, pass_fds=[descriptor])
        return [web, *(Child(verb, self.environment) for verb in verbs)]

    async def _watch_servers(self) -> None:
        """PostgreSQL and Valkey are started again too. Here in the main thread: they end when it ends."""
        while True:
            await asyncio.sleep(1)
            try:
                for name in self.servers.restart_dead():
                    say(OURS, f"{name} had ended and was started again")
            except EmbeddedError as error:
                say(OURS, str(error))

    async def _announce(self) -> None:
        """Say where we are once we really answer there."""
        deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
        while not await asyncio.to_thread(_answers, f"{self.address}/readyz"):
            if asyncio.get_running_loop().time() > deadline:
                say(OURS, f"{self.address} has not answered for {ANSWER_SECONDS:g} s; see the lines above")
                return
            await asyncio.sleep(0.1)
        say(OURS, f"Cloud Wiki answers at {self.address}")
        for line in demo_logins(self.data):
            say(OURS, line)
        say(OURS, "Ctrl-C stops everything")


def demo_logins(data: Path) -> list[str]:
    """What the demo wrote to data/demo.json under "logins": one line for each person."""
    try:
        logins = json.loads((data / "demo.json").read_text())["logins"]
        return [f"log in as {entry['username']} / {entry['password']}" for entry in logins]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
