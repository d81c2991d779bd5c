"""The pair of servers of one data folder, held by one supervisor at a time."""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TextIO
from urllib.parse import quote

from cloudwiki.embedded import places
from cloudwiki.embedded.account import choose_account
from cloudwiki.embedded.errors import EmbeddedError
from cloudwiki.embedded.postgres import NAME, Postgres
from cloudwiki.embedded.valkey import Valkey


@dataclass(frozen=True)
class Addresses:
    """Where the embedded servers of a data folder answer, as DATABASE_URL and REDIS_URL state it."""

    database: str
    redis: str


def addresses(data: Path) -> Addresses:
    """The addresses for this data folder. Starts nothing, and nothing need run yet."""
    folder = places.socket_folder(data)
    host = quote(str(folder), safe="")
    return Addresses(
        database=f"postgres://{NAME}@{host}:{places.POSTGRES_PORT}/{NAME}",
        redis=f"unix://{quote(str(folder / places.VALKEY_SOCKET))}?db=0",
    )


class Servers:
    """Starts and stops what the environment does not provide: PostgreSQL, Valkey, both or neither."""

    def __init__(self, data: Path, *, durable: bool = True, private_root: Path = places.PRIVATE_ROOT) -> None:
        self.data, self.durable, self.private_root = data, durable, private_root
        self.notes: tuple[str, ...] = ()
        self.members: list[Postgres | Valkey] = []
        self._lock: TextIO | None = None

    def start(self, *, postgres: bool = True, valkey: bool = True) -> Addresses:
        """Take the data folder for ourselves and start the servers asked for; returns when they answer.

        Raises EmbeddedError, with nothing left running, when another supervisor holds the folder or a server
        does not start.
        """
        places.make_passable(self.data)
        self._hold()
        try:
            if postgres or valkey:
                self._start_members(postgres, valkey)
        except BaseException:
            self.stop()
            raise
        return addresses(self.data)

    def _start_members(self, postgres: bool, valkey: bool) -> None:
        account = choose_account()
        where = places.prepare(self.data, account, self.private_root)
        self.notes = where.notes
        if postgres:
            self.members.append(Postgres(where, account, durable=self.durable))
        if valkey:
            self.members.append(Valkey(where, account, durable=self.durable))
        for member in self.members:
            member.start()

    def restart_dead(self) -> Iterator[str]:
        """Start again each server that has ended by itself, yielding its name once it answers."""
        for member in self.members:
            if not member.is_running():
                member.start()
                yield member.name

    def stop(self) -> None:
        """Stop the servers and let go of the data folder. Safe to call twice."""
        for member in reversed(self.members):
            member.stop()
        if self._lock is not None:
            if self.members:
                places.forget_sockets(self.data)
            self._lock.close()
            self._lock = None
        self.members = []

    def _hold(self) -> None:
        lock = (self.data / "supervisor.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise EmbeddedError(
                f"{self.data} is in use by another Cloud Wiki (process {holder}). "
                "Stop that one, or set CLOUDWIKI_DATA to another folder."
            ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def __enter__(self) -> "Servers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def wanted(environment: "os._Environ[str] | dict[str, str]") -> dict[str, bool]:
    """Which servers the environment leaves to us, as keyword arguments of `Servers.start`."""

    def given(name: str) -> bool:
        return bool(environment.get(name) or environment.get(f"{name}_FILE"))

    return {"postgres": not given("DATABASE_URL"), "valkey": not given("REDIS_URL")}
