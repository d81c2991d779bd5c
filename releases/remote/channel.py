"""Reads a command's output from an SSH channel: waits on events, in big pieces, keeping nothing."""

from __future__ import annotations

import threading

import paramiko
from paramiko.pipe import make_or_pipe

from .errors import ConnectionLost
from .transport import CHUNK, STOP_CHECK, Completed, Output, Readable, Stop, StopCheck, Write, pump


def run_on_channel(
    channel: paramiko.Channel,
    stdin: Readable | bytes | None,
    write: Write | None,
    write_error: Write | None,
    stop: Stop | None,
) -> Completed:
    """Feed `stdin`, hand on both outputs until the command ends or stop() is true.

    Raises ConnectionLost when the channel ended without a word from the other side, and what reading `stdin` or
    writing raised.
    """
    output = Output(write, write_error)
    feeder = _Feeder(channel, stdin)
    try:
        stopped = _read(channel, output, StopCheck(stop)) or _await_status(channel, StopCheck(stop))
    finally:
        channel.close()  # also wakes the feeder
        feeder.finish()
    if stopped:
        return output.completed(None)
    return output.completed(_exit_code(channel))


def _read(channel: paramiko.Channel, output: Output, stopped: StopCheck) -> bool:
    """Until the end of both outputs. True when stop() ended it."""
    arrived = threading.Event()
    on_stdout, on_stderr = make_or_pipe(arrived)
    channel.in_buffer.set_event(on_stdout)
    channel.in_stderr_buffer.set_event(on_stderr)
    while True:
        ended = channel.eof_received or channel.closed  # looked at first: what came before it is read below
        while channel.recv_stderr_ready():
            output.error(channel.recv_stderr(CHUNK))
        if channel.recv_ready():
            output.write(channel.recv(CHUNK))
        elif ended:
            return False
        else:
            arrived.wait(STOP_CHECK)
        if stopped():
            return True


def _await_status(channel: paramiko.Channel, stopped: StopCheck) -> bool:
    while not channel.status_event.wait(STOP_CHECK):
        if stopped():
            return True
    return False


def _exit_code(channel: paramiko.Channel) -> int | None:
    """None for a command ended by a signal: the other side closed the channel in order, but gave no code."""
    if channel.exit_status >= 0:
        return int(channel.exit_status)
    if channel.eof_received and channel.transport.is_active():
        return None
    raise ConnectionLost("The connection broke while a command ran.")


class _Feeder:
    """Sends stdin from a thread, since the command may print before it has read all."""

    def __init__(self, channel: paramiko.Channel, stdin: Readable | bytes | None) -> None:
        self.error: BaseException | None = None
        self._channel = channel
        self._thread: threading.Thread | None = None
        if stdin is None:
            channel.shutdown_write()
        else:
            self._thread = threading.Thread(target=self._feed, args=(stdin,), daemon=True)
            self._thread.start()

    def _feed(self, stdin: Readable | bytes) -> None:
        try:
            pump(stdin, self._send)
            self._channel.shutdown_write()
        except _Closed:
            pass  # the command ended, or the connection did: the reader knows which
        except BaseException as error:  # told to the caller by finish()
            self.error = error
            self._channel.close()

    def _send(self, data: bytes) -> None:
        try:
            self._channel.sendall(data)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise _Closed from error

    def finish(self) -> None:
        if self._thread:
            self._thread.join()
        if self.error:
            raise self.error


class _Closed(Exception):
    """The channel takes no more."""
