"""Runs a program of this machine: its outputs as they come, its input from a thread, its end for sure."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO

from .transport import CHUNK, STOP_CHECK, Completed, HandedOver, Output, Readable, Stop, StopCheck, Write, pump

# A worker's environment holds the keys of the whole service: what it starts gets only what a login would give.
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")


class NotStarted(OSError):
    """The system did not let the program begin."""


def login_environment() -> dict[str, str]:
    """What of this process's environment is passed on."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def run_program(
    words: Sequence[str],
    environment: Mapping[str, str],
    folder: str,
    stdin: Readable | bytes | None,
    write: Write | None,
    write_error: Write | None,
    stop: Stop | None,
) -> Completed:
    """Run `words` to their end, in `folder`; ended with all they started when stop() is true.

    Raises NotStarted; what `write` and reading `stdin` raise comes through.
    """
    output = Output(write, write_error)
    process = _start(words, environment, folder, stdin)
    feeder = _Feeder(process, stdin)
    try:
        stopped = _read(process, output, stop, stdin.tell_progress if isinstance(stdin, HandedOver) else _nothing)
        if stopped:
            _end(process)
        code = process.wait()
    finally:
        _end(process)
        feeder.finish()
    return output.completed(None if stopped or code < 0 else code)


def _start(
    words: Sequence[str], environment: Mapping[str, str], folder: str, stdin: Readable | bytes | None
) -> subprocess.Popen[bytes]:
    given = subprocess.DEVNULL if stdin is None else subprocess.PIPE
    try:
        return subprocess.Popen(
            words,
            stdin=stdin.hand_over() if isinstance(stdin, HandedOver) else given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        raise NotStarted(f"{words[0]} could not be started: {error.strerror}.") from error


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


def _nothing() -> None:
    """There is no progress to tell."""


def _read(process: subprocess.Popen[bytes], output: Output, stop: Stop | None, tell: Callable[[], None]) -> bool:
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
            tell()
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
