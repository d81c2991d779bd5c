"""One PostgreSQL and one Valkey for a test run, shared by its parallel workers."""

import atexit
import re
import shutil
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

from cloudwiki.embedded import Servers

SHARED = "CLOUDWIKI_TEST_SERVERS"  # set once the servers run: parallel workers and child processes use those


def provide(environment: MutableMapping[str, str]) -> None:
    """Start the servers unless the environment already has some, and tell where they are.

    Each parallel worker gets its own Valkey database and data folder (pytest-django gives each its own
    PostgreSQL database). DATABASE_URL and REDIS_URL of the caller win, so tests can run on other servers.
    """
    if SHARED not in environment:
        _start(environment)
    worker = environment.get("PYTEST_XDIST_WORKER", "")
    if worker and environment.get("CLOUDWIKI_TEST_WORKER") != worker:
        number = int(worker.removeprefix("gw")) + 1
        environment["CLOUDWIKI_TEST_WORKER"] = worker
        environment["REDIS_URL"] = redis_database(environment["REDIS_URL"], number)
        data = Path(environment["CLOUDWIKI_DATA"]) / worker
        data.mkdir(exist_ok=True)
        environment["CLOUDWIKI_DATA"] = str(data)


def redis_database(url: str, number: int) -> str:
    """The same server, another of its numbered databases."""
    if "db=" in url:
        return re.sub(r"db=\d+", f"db={number}", url)
    return re.sub(r"(/\d*)?$", f"/{number}", url)


def _start(environment: MutableMapping[str, str]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="cloudwiki-tests-"))
    folder.chmod(0o711)  # as root, the servers run under another account
    servers = Servers(folder / "servers-data", durable=False)
    found = servers.start(postgres=not environment.get("DATABASE_URL"), valkey=not environment.get("REDIS_URL"))

    def finish() -> None:
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(finish)
    environment.setdefault("DATABASE_URL", found.database)
    environment.setdefault("REDIS_URL", found.redis)
    (folder / "data").mkdir(mode=0o711)
    environment["CLOUDWIKI_DATA"] = str(folder / "data")
    environment["CLOUDWIKI_ENV"] = "development"
    environment[SHARED] = str(folder)
