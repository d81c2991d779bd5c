"""A PostgreSQL server of our own: made, started, checked and stopped."""

import locale
import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from cloudwiki.embedded import binaries, process
from cloudwiki.embedded.account import Account
from cloudwiki.embedded.errors import EmbeddedError
from cloudwiki.embedded.places import POSTGRES_PORT, Places

NAME = "cloudwiki"  # of the database and of its owner
START_SECONDS = 60.0  # a recovery after a crash replays the write-ahead log first
# Nobody but the servers' account and root can open the folder of the socket, so the socket asks for no password.
OPTIONS = {
    "listen_addresses": "",
    "port": str(POSTGRES_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "cluster_name": "cloud-wiki",
}
# For tests, whose data nobody misses after a power cut.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """The PostgreSQL of one data folder."""

    name = "postgres"

    def __init__(self, places: Places, account: Account, *, durable: bool = True) -> None:
        self.places, self.account, self.durable = places, account, durable
        self.data = places.home / "postgres"
        self.log = places.log / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, making its data the first time. Returns when it answers and has our database.

        Raises EmbeddedError when the data belongs to another version, or when the server does not come up.
        """
        binary = binaries.readable_by(binaries.find_postgres(), self.account, self.places.home)
        if (self.data / "PG_VERSION").exists():
            self._check_version(binary)
            self._end_orphan()
        else:
            self._create(binary)
        self._launch(binary)
        self._create_database()

    def is_running(self) -> bool:
        """Whether the process that we started still runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, nothing committed is lost."""
        if self.process is not None:
            process.stop(self.process, (signal.SIGINT, 3.0), (signal.SIGQUIT, 1.0))
            self.process = None

    def _check_version(self, binary: binaries.Binary) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != str(binary.version):
            raise EmbeddedError(
                f"{self.data} was made by PostgreSQL {found}, but the server found here is {binary.version} "
                f"({binary.path}). Dump it with pg_dump {found} and restore it, or move the folder away to begin "
                "with an empty database."
            )

    def _create(self, binary: binaries.Binary) -> None:
        """initdb beside the final place, then one rename: a crash half way leaves nothing that looks whole."""
        unfinished = self.data.with_name("postgres.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        self.account.make_private(unfinished)
        names = ["--encoding=UTF8", "--locale=C"]
        if binary.version >= 17:
            names += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if _knows("C.UTF-8"):  # what pg_trgm takes for a letter: without it no Korean one is, and no index serves them
            names.append("--lc-ctype=C.UTF-8")
        initdb = binary.sibling("initdb")
        arguments: list[str | Path] = [initdb, "-D", unfinished, "-U", NAME, "--auth=trust", *names]
        arguments += [] if self.durable else ["--no-sync"]
        made = subprocess.run(
            self.account.command(arguments),
            capture_output=True,
            text=True,
            cwd=unfinished,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            **self.account.popen_options(),
        )
        if made.returncode != 0:
            raise EmbeddedError(f"PostgreSQL could not make its data in {unfinished}:\n{made.stderr.strip()}")
        unfinished.rename(self.data)

    def _end_orphan(self) -> None:
        """Stop a server that outlived a killed supervisor; forget a pid file whose number is another's now.

        A pid file of a dead process is left to PostgreSQL, which also checks the shared memory that it names.
        """
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return
        if not process.is_alive(pid):
            return
        if not self._is_ours(pid):
            pid_file.unlink()
            return
        for number, seconds in ((signal.SIGINT, 3.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 2.0)):
            os.kill(pid, number)
            for _ in process.until(seconds):
                if not process.is_alive(pid) or not self._is_ours(pid):
                    return
        raise EmbeddedError(f"The PostgreSQL of an earlier run (process {pid}) does not end. End it by hand.")

    def _is_ours(self, pid: int) -> bool:
        """Whether the process is a server that works in our data folder."""
        try:
            return Path(f"/proc/{pid}/cwd").resolve(strict=True) == self.data.resolve()
        except OSError:
            if Path("/proc/self").exists():
                return False
        listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True)
        return str(self.data) in listed.stdout

    def _launch(self, binary: binaries.Binary) -> None:
        settings = OPTIONS | {"unix_socket_directories": str(self.places.sockets)}
        settings |= {} if self.durable else NOT_DURABLE
        arguments: list[str | Path] = [binary.path, "-D", self.data]
        for key, value in settings.items():
            arguments += ["-c", f"{key}={value}"]
        for _ in process.until(START_SECONDS, every=0.3):
            self.process = process.launch(arguments, self.account, self.data, self.log, signal.SIGINT)
            if self._wait_until_ready():
                return
            # Children of a killed postmaster need a moment to notice that it is gone.
            if "still in use" not in process.last_lines(self.log, 3):
                break
        self.stop()
        raise EmbeddedError(f"PostgreSQL did not start. The end of {self.log}:\n{process.last_lines(self.log)}")

    def _wait_until_ready(self) -> bool:
        for _ in process.until(START_SECONDS):
            if not self.is_running():
                return False
            try:
                with self.connect("postgres"):
                    return True
            except psycopg.OperationalError:
                continue
        return False

    def connect(self, database: str = NAME) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection of the administrator, in autocommit."""
        return psycopg.connect(
            host=str(self.places.sockets),
            port=POSTGRES_PORT,
            user=NAME,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def _create_database(self) -> None:
        with self.connect("postgres") as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))

    def has_pgvector(self) -> bool:
        """Whether CREATE EXTENSION vector would work."""
        with self.connect() as connection:
            found = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'").fetchone()
            return found is not None


def _knows(name: str) -> bool:
    """Whether this machine has the locale."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        return False
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return True
