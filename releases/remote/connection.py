"""A machine reached by SSH: Fabric, made safe.

Stock Fabric takes any host key (AutoAddPolicy), reads the user's and the system's SSH settings and keys, waits for
Nagle's algorithm, and its `run` is quadratic in the output. Here: one pinned key, no agent, no other key, no
settings but ours, TCP_NODELAY, and an own reader of the channel (see channel.py).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko
from fabric import Config, Connection
from paramiko.config import SSHConfig

from . import openssh
from .channel import keep_order, run_on_channel
from .errors import (
    AuthenticationFailed,
    ConnectionLost,
    HostKeyChanged,
    HostKeyNotPinned,
    HostUnreachable,
    KeyUnreadable,
    SessionRefused,
)
from .faults import fault_point
from .transport import Completed, Readable, Stop, Write

SILENT_DROP = 15  # seconds after which a connection that swallows packets counts as lost


@dataclass(frozen=True, slots=True)
class Target:
    """A machine reached by SSH. `host_key` is the pinned key, "ssh-ed25519 AAAA..." ("" = not pinned)."""

    name: str
    address: str
    port: int
    user: str
    host_key: str
    private_key: Path
    connect_timeout: float = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class HostKey:
    """What a machine shows of itself: compare `fingerprint` with `ssh-keygen -lf` there before pinning `public`."""

    type: str
    public: str
    fingerprint: str


class SshTransport:
    """One SSH connection; each `execute` is a session on it. Threads may share it (MaxSessions permitting)."""

    def __init__(self, target: Target) -> None:
        self.name = target.name
        self._target = target
        self._connection = _connect(target)

    def execute(
        self,
        command: str,
        stdin: Readable | bytes | None = None,
        *,
        write: Write | None = None,
        write_error: Write | None = None,
        stop: Stop | None = None,
        size: int = 0,
    ) -> Completed:
        fault_point("before_session")
        client = openssh.find_client() if size >= openssh.FROM else None
        if client:
            streams = (stdin, write, write_error, stop)
            return openssh.run_by_client(client, self._target, SILENT_DROP, command, *streams)
        channel = self._open_session()
        try:
            self._exec(channel, command)
            fault_point("after_exec")
            return run_on_channel(channel, stdin, write, write_error, stop)
        except (paramiko.SSHException, EOFError) as error:
            raise self._lost() from error
        finally:
            with suppress(paramiko.SSHException, EOFError, OSError):
                channel.close()

    def _exec(self, channel: paramiko.Channel, command: str) -> None:
        try:
            channel.exec_command(command)
        except paramiko.SSHException as error:
            if self.is_open:
                raise SessionRefused(f"{self.name} did not start a command (has it too many processes?).") from error
            raise

    def _open_session(self) -> paramiko.Channel:
        transport = self._connection.transport
        try:
            if transport is None or not transport.is_active():
                raise self._lost()
            return transport.open_session(timeout=self._target.connect_timeout)
        except paramiko.ChannelException as error:
            raise SessionRefused(f"{self.name} did not allow one more session ({error.text}).") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._lost() from error

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(f"The connection to {self.name} broke.")

    @property
    def is_open(self) -> bool:
        transport = self._connection.transport
        return bool(transport and transport.is_active())

    def close(self) -> None:
        self._connection.close()


def open_transport(target: Target) -> SshTransport:
    """Connect. Raises HostUnreachable, HostKeyNotPinned, HostKeyChanged, AuthenticationFailed, KeyUnreadable."""
    return SshTransport(target)


def scan_host_key(address: str, port: int, timeout: float = 10.0) -> HostKey:
    """Ask a machine for its host key, without logging in. Raises HostUnreachable."""
    transport = paramiko.Transport(_open_socket(address, port, timeout))
    try:
        transport.start_client(timeout=timeout)
        key = transport.get_remote_server_key()
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise _not_speaking(f"{address}:{port}", error) from error
    finally:
        transport.close()
    return HostKey(key.get_name(), f"{key.get_name()} {key.get_base64()}", fingerprint(key.asbytes()))


def fingerprint(blob: bytes) -> str:
    """SHA256 fingerprint of a public key, as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _connect(target: Target) -> Connection:
    pinned = _pinned_key(target)
    private_key = _private_key(target)
    connection = Connection(
        target.address,
        user=target.user,
        port=target.port,
        # No settings from files: neither Fabric's nor SSH's own.
        config=Config(lazy=True, ssh_config=SSHConfig()),
        forward_agent=False,
        connect_kwargs={
            "pkey": private_key,
            "allow_agent": False,
            "look_for_keys": False,
            "timeout": target.connect_timeout,
            "banner_timeout": target.connect_timeout,
            "auth_timeout": target.connect_timeout,
            "transport_factory": _quick_transport,
        },
    )
    connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    for name in (target.address, f"[{target.address}]:{target.port}"):
        connection.client.get_host_keys().add(name, pinned.get_name(), pinned)
    connection.connect_kwargs["sock"] = _open_socket(target.address, target.port, target.connect_timeout)
    _log_in(connection, target, pinned)
    return connection


def _quick_transport(*arguments: Any, **options: Any) -> paramiko.Transport:
    """Asks first for the ciphers that encrypt and authenticate in one pass: half the work of the others."""
    transport = paramiko.Transport(*arguments, **options)
    security = transport.get_security_options()
    security.ciphers = sorted(security.ciphers, key=lambda name: "gcm" not in name)
    return transport


def _log_in(connection: Connection, target: Target, pinned: paramiko.PKey) -> None:
    try:
        connection.open()
        shown = connection.transport.get_remote_server_key()
        if shown != pinned:  # paramiko has checked it before the login; never trust a single lock
            raise paramiko.BadHostKeyException(target.address, shown, pinned)
        keep_order(connection.transport)
        connection.transport.set_keepalive(SILENT_DROP // 3)
    except Exception as error:
        connection.client.close()  # Fabric's own close() does nothing before a login
        raise _login_error(target, pinned, error) from error


def _login_error(target: Target, pinned: paramiko.PKey, error: Exception) -> Exception:
    if isinstance(error, paramiko.BadHostKeyException):
        return HostKeyChanged(
            f"{target.name} shows the host key {fingerprint(error.key.asbytes())}, "
            f"but {fingerprint(pinned.asbytes())} is pinned."
        )
    if isinstance(error, paramiko.AuthenticationException):
        return AuthenticationFailed(f"{target.name} did not let {target.user} log in with our key.")
    if isinstance(error, paramiko.SSHException | EOFError | OSError):
        return _not_speaking(target.name, error)
    return error


def _open_socket(address: str, port: int, timeout: float) -> socket.socket:
    try:
        sock = socket.create_connection((address, port), timeout)
    except OSError as error:
        raise HostUnreachable(f"Could not connect to {address}:{port}: {error.strerror or error}.") from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each exec waits ~40 ms for a delayed ACK
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", SILENT_DROP // 3),
        ("TCP_KEEPINTVL", SILENT_DROP // 3),
        ("TCP_KEEPCNT", 2),
        ("TCP_USER_TIMEOUT", SILENT_DROP * 1000),
    ):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return sock


def _not_speaking(name: str, error: Exception) -> HostUnreachable:
    return HostUnreachable(
        f"{name} took the connection but did not complete an SSH handshake ({error or type(error).__name__})."
    )


def _pinned_key(target: Target) -> paramiko.PKey:
    if not target.host_key.strip():
        raise HostKeyNotPinned(f"No host key is pinned for {target.name}, so it cannot be told from an impostor.")
    try:
        kind, blob = target.host_key.split()[:2]
        return paramiko.PKey.from_type_string(kind, base64.b64decode(blob, validate=True))
    except (ValueError, binascii.Error, paramiko.SSHException, paramiko.UnknownKeyType) as error:
        raise HostKeyNotPinned(f"The host key pinned for {target.name} is not a readable public key.") from error


def _private_key(target: Target) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(target.private_key)
    except (OSError, ValueError, TypeError, paramiko.SSHException, paramiko.UnknownKeyType) as error:
        raise KeyUnreadable(f"Could not read the private key for {target.name}: {type(error).__name__}.") from error
