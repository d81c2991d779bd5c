"""The controller itself as a machine: the same wrapper runs here as on hosts."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import IO

from .transport import CHUNK, STOP_CHECK, Completed, Output, Readable, Stop, StopCheck, Write, pump

# A worker's environment holds the keys of the whole service: steps get only what a login would give them.
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")


class LocalTransport:
    """Runs commands with `sh -c` on this machine. `environment` replaces what is passed on from this process."""

    name = "controller"

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self._environment = dict(passed_on if environment is None else environment)

    def execute(
        self,
        command: str,
        stdin: Readable | bytes | None = None,
        *,
        write: Write | None = None,
        write_error: Write | None = None,
        stop: Stop | None = None,
    ) -> Completed:
        output = Output(write, write_error)
        process = self._start(command, stdin)
        feeder = _Feeder(process, stdin)
        try:
            stopped = _read(process, output, stop)
            if stopped:
                _end(process)
            code = process.wait()
        finally:
            _end(process)
            feeder.finish()
        return output.completed(None if stopped or code < 0 else code)

    def _start(self, command: str, stdin: Readable | bytes | None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            cwd=self._environment.get("HOME", "/"),
            start_new_session=True,
        )

    def close(self) -> None:
        """Nothing is held open between two commands."""


class _Feeder:
    """Sends stdin from a thread, since the command may print before it has read all."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: Readable | bytes | None) -> None:
        self.error: BaseException | None = None
        self._thread: threading.Thread | None = None
        if stdin is not None and process.stdin is not None:
            self._thread = threading.Thread(target=self._feed, args=(process.stdin, stdin), daemon=True)
            self._thread.start()

    def _feed(self, pipe: IO[bytes], stdin: Readable | bytes) -> None:
        try:
            with suppress(BrokenPipeError), pipe:
                pump(stdin, pipe.write)
        except BaseException as error:  # told to the caller by finish()
            self.error = error

    def finish(self) -> None:
        if self._thread:
            self._thread.join()
        if self.error:
            raise self.error


def _read(process: subprocess.Popen[bytes], output: Output, stop: Stop | None) -> bool:
    """Read both outputs until their end. True when stop() ended it."""
    assert process.stdout and process.stderr  # noqa: S101 both are pipes
    stopped = StopCheck(stop)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, output.write)
        selector.register(process.stderr, selectors.EVENT_READ, output.error)
        while selector.get_map():
            for key, _ in selector.select(STOP_CHECK):
                data = os.read(key.fd, CHUNK)
                if data:
                    key.data(data)
                else:
                    selector.unregister(key.fileobj)
            if stopped():
                return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()
