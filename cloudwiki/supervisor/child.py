"""One process under the supervisor: started, listened to, started again, stopped."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Sequence
from pathlib import Path

from cloudwiki.embedded.process import end_with_parent
from cloudwiki.supervisor.terminal import say

BASE_DIR = Path(__file__).resolve().parent.parent.parent
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before a process that died is started again
STEADY = 30.0  # seconds of life after which the pause is short again
READ = 65536  # bytes
# How long the process has after SIGTERM, and after SIGQUIT; together with PostgreSQL's end less than 5 s.
POLITE, FIRM = 2.0, 0.7


class Child:
    """`python -m cloudwiki VERB`, kept alive until it is told to stop."""

    def __init__(self, verb: str, environment: dict[str, str], pass_fds: Sequence[int] = ()) -> None:
        self.verb, self.environment, self.pass_fds = verb, environment, pass_fds
        self.process: Process | None = None
        self._stopping = False
        self._wake = asyncio.Event()

    async def run_once(self) -> int:
        """Start it, show what it writes, and return its exit code (negative: the signal that ended it)."""
        # Its own session: Ctrl-C reaches us alone, and a kill reaches its own children too.
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "cloudwiki", self.verb),
            cwd=BASE_DIR,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
            pass_fds=self.pass_fds,
            preexec_fn=end_with_parent(signal.SIGTERM),
        )
        listening = asyncio.create_task(self._listen(self.process))
        code = await self.process.wait()
        # Grandchildren may hold the pipe open for longer; they are ended with the group.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(listening, 0.5)
        return code

    async def keep_running(self) -> None:
        """Start it again, after a growing pause, each time it ends before `stop`."""
        pause = FIRST_PAUSE
        while not self._stopping:
            began = time.monotonic()
            code = await self.run_once()
            if self._stopping:
                return
            if time.monotonic() - began > STEADY:
                pause = FIRST_PAUSE
            self._signal_group(signal.SIGKILL)
            say(self.verb, f"ended by itself ({_describe(code)}); starting it again in {pause:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def stop(self) -> None:
        """Ask it to end, then insist, then kill it with all of its children."""
        self._stopping = True
        self._wake.set()
        process = self.process
        if process is None or process.returncode is not None:
            return
        for number, seconds in ((signal.SIGTERM, POLITE), (signal.SIGQUIT, FIRM)):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), seconds)
                break
        self._signal_group(signal.SIGKILL)
        await process.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101
        rest = b""
        while part := await process.stdout.read(READ):
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                say(self.verb, line.decode(errors="replace").rstrip("\r"))
            if len(rest) > READ:
                say(self.verb, rest.decode(errors="replace"))
                rest = b""
        if rest:
            say(self.verb, rest.decode(errors="replace"))


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"signal {signal.Signals(-code).name}"
