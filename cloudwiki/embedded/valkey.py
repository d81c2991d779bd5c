"""A Valkey (or Redis) server of our own."""

import signal
import subprocess

import redis

from cloudwiki.embedded import binaries, process
from cloudwiki.embedded.account import Account
from cloudwiki.embedded.errors import EmbeddedError
from cloudwiki.embedded.places import VALKEY_SOCKET, Places

START_SECONDS = 30.0
DATABASES = 64  # one for each worker of a parallel test run


class Valkey:
    """The Valkey of one data folder: a unix socket, no TCP port, an append-only file synced each second."""

    name = "valkey"

    def __init__(self, places: Places, account: Account, *, durable: bool = True) -> None:
        self.places, self.account, self.durable = places, account, durable
        self.data = places.home / "valkey"
        self.log = places.log / "valkey.log"
        self.socket = places.sockets / VALKEY_SOCKET
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server; returns when it answers. Raises EmbeddedError when it does not come up."""
        binary = binaries.readable_by(binaries.find_valkey(), self.account, self.places.home)
        self.account.make_private(self.data)
        self._end_orphan()
        arguments = [
            binary.path,
            *("--port", "0"),
            *("--unixsocket", self.socket),
            *("--unixsocketperm", "700"),
            *("--dir", self.data),
            *("--databases", str(DATABASES)),
            *("--daemonize", "no"),
            *("--save", ""),
            *("--appendonly", "yes" if self.durable else "no"),
            *("--appendfsync", "everysec"),
            *("--maxmemory-policy", "noeviction"),
        ]
        self.process = process.launch(arguments, self.account, self.data, self.log, signal.SIGTERM)
        for _ in process.until(START_SECONDS):
            if not self.is_running():
                break
            if self._answers():
                return
        self.stop()
        raise EmbeddedError(f"Valkey did not start. The end of {self.log}:\n{process.last_lines(self.log)}")

    def is_running(self) -> bool:
        """Whether the process that we started still runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Write what is in memory to the append-only file and end."""
        if self.process is not None:
            process.stop(self.process, (signal.SIGTERM, 3.0))
            self.process = None

    def _client(self) -> "redis.Redis":
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5)

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _end_orphan(self) -> None:
        """Stop a server that outlived a killed supervisor: two on one append-only file would ruin it."""
        if not self.socket.exists():
            return
        try:
            with self._client() as client:
                client.shutdown()
        except redis.RedisError:
            pass  # a socket file that nobody listens on
        for _ in process.until(5):
            try:
                with self._client() as client:
                    client.ping()
            except redis.BusyLoadingError:
                continue
            except redis.ConnectionError:
                return
        raise EmbeddedError(f"The Valkey of an earlier run still answers on {self.socket}. End it by hand.")
