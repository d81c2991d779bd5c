"""Reads a command's output from an SSH channel: waits on events, in big pieces, keeping nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import paramiko
from paramiko.common import MSG_CHANNEL_CLOSE
from paramiko.pipe import make_or_pipe

from .errors import ConnectionLost
from .transport import CHUNK, STOP_CHECK, Completed, Output, Readable, Stop, StopCheck, Write, pump

PIECE = 32 * 1024  # bytes sent in one message: more does not fit one
SENDING_LIMIT = 1.0  # seconds; a message takes far less


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
            output.error(_taken(channel, channel.recv_stderr))
        if channel.recv_ready():
            output.write(_taken(channel, channel.recv))
        elif ended:
            return False
        else:
            arrived.wait(STOP_CHECK)
        if stopped():
            return True


def _taken(channel: paramiko.Channel, receive: Callable[[int], bytes]) -> bytes:
    """What has arrived; Paramiko then tells the other side that there is room again."""
    with _gate(channel):
        return receive(CHUNK)


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


def keep_order(transport: paramiko.Transport) -> None:
    """Make `transport` answer the close of a channel only between two of our messages on it.

    Paramiko builds a message under the channel's lock, but sends it outside: when a command ends while we still
    feed it, its data may leave after our answer to the close. OpenSSH then drops the whole connection ("data
    packet referred to nonexistent channel"), with every other step on it; asyncssh does so for a message about room.
    """
    table = transport._channel_handler_table
    transport._channel_handler_table = {**table, MSG_CHANNEL_CLOSE: _handle_close}


def _handle_close(channel: paramiko.Channel, message: paramiko.Message) -> None:
    gate = _gate(channel)
    ours = gate.acquire(timeout=SENDING_LIMIT)  # never for ever: this is the thread that reads the connection
    try:
        channel._handle_close(message)
    finally:
        if ours:
            gate.release()


def _gate(channel: paramiko.Channel) -> threading.Lock:
    """The lock that our sending on this channel and the answer to its close take in turn."""
    return cast(threading.Lock, channel.__dict__.setdefault("cloudwiki_gate", threading.Lock()))


class _Feeder:
    """Sends stdin from a thread, since the command may print before it has read all."""

    def __init__(self, channel: paramiko.Channel, stdin: Readable | bytes | None) -> None:
        self.error: BaseException | None = None
        self._channel = channel
        self._finished = False
        self._thread: threading.Thread | None = None
        channel.settimeout(STOP_CHECK)
        if stdin is None:
            self._end_input()
        else:
            self._thread = threading.Thread(target=self._feed, args=(stdin,), daemon=True)
            self._thread.start()

    def _feed(self, stdin: Readable | bytes) -> None:
        try:
            pump(stdin, self._send)
            self._end_input()
        except _Closed:
            pass  # the command ended, or the connection did: the reader knows which
        except BaseException as error:  # told to the caller by finish()
            self.error = error
            self._channel.close()

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if self._finished or self._channel.closed:
                raise _Closed
            if not self._has_room():  # waited for outside of the gate, which the reader needs, too
                continue
            try:
                with _gate(self._channel):
                    sent = self._channel.send(view[:PIECE])
            except TimeoutError:  # the other side does not read just now
                continue
            except (OSError, EOFError, paramiko.SSHException) as error:
                raise _Closed from error
            view = view[sent:]

    def _has_room(self) -> bool:
        with self._channel.out_buffer_cv:
            if self._channel.out_window_size == 0 and not self._channel.closed:
                self._channel.out_buffer_cv.wait(STOP_CHECK)
        return bool(self._channel.send_ready())

    def _end_input(self) -> None:
        with _gate(self._channel), suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.shutdown_write()

    def finish(self) -> None:
        """Stop sending; to be called before the channel is closed, for the same reason as keep_order."""
        self._finished = True
        if self._thread:
            self._thread.join()
        if self.error:
            raise self.error


class _Closed(Exception):
    """The channel takes no more."""
