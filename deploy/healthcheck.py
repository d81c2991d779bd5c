"""`python deploy/healthcheck.py web|worker|beat|probes`: the health check of one container. Exit code 0: healthy.

It asks the process itself where that answers, and needs no Django: it runs every half minute in each container.
"""

import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

SECONDS = 5.0
HEARTBEAT_SECONDS = 30  # the probes write one every few seconds
ESTABLISHED = "01"  # in /proc/net/tcp


class Unhealthy(Exception):
    """The text says what is not well."""


def setting(name: str) -> str:
    """A setting, or the contents of the file that NAME_FILE names."""
    file = os.environ.get(f"{name}_FILE")
    return Path(file).read_text().strip() if file else os.environ[name]


def web() -> None:
    """The web server answers, and reaches PostgreSQL and Redis."""
    host = setting("ALLOWED_HOSTS").split(",")[0].strip()
    address = f"http://127.0.0.1:{os.environ.get('CLOUDWIKI_PORT', '8000')}/readyz"
    with build_opener(ProxyHandler({})).open(Request(address, headers={"Host": host}), timeout=SECONDS) as answer:
        if answer.status != 200:
            raise Unhealthy(f"/readyz answers {answer.status}")


def worker() -> None:
    """The worker of this container takes messages from the broker and answers."""
    from celery import Celery

    name = f"celery@{socket.gethostname()}"
    with Celery(broker=setting("REDIS_URL")) as app:
        if not app.control.ping(destination=[name], timeout=SECONDS):
            raise Unhealthy(f"{name} does not answer")


def beat() -> None:
    """The clock holds its connection to the broker."""
    broker = urlsplit(setting("REDIS_URL"))
    addresses = {entry[4][0] for entry in socket.getaddrinfo(broker.hostname, None, socket.AF_INET)}
    peers = {_address(word) for word in _peers()}
    if not any((address, broker.port or 6379) in peers for address in addresses):
        raise Unhealthy("no connection to the broker")


def probes() -> None:
    """The probes wrote their heartbeat a short while ago."""
    import psycopg

    with psycopg.connect(setting("DATABASE_URL"), connect_timeout=int(SECONDS)) as session:
        row = session.execute(
            "SELECT max(at) > now() - make_interval(secs => %s) FROM releases_heartbeat WHERE name = 'probes'",
            [HEARTBEAT_SECONDS],
        ).fetchone()
    if row is None or row[0] is not True:
        raise Unhealthy(f"no heartbeat for {HEARTBEAT_SECONDS} s")


def _peers() -> list[str]:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return [fields[2] for fields in map(str.split, lines) if fields[3] == ESTABLISHED]


def _address(word: str) -> tuple[str, int]:
    address, _, port = word.partition(":")
    return socket.inet_ntoa(int(address, 16).to_bytes(4, sys.byteorder)), int(port, 16)


def main(arguments: list[str]) -> int:
    """Run the check that is named; returns the exit code (2: no such check)."""
    checks = {"web": web, "worker": worker, "beat": beat, "probes": probes}
    if len(arguments) != 1 or arguments[0] not in checks:
        sys.stderr.write("usage: healthcheck.py web|worker|beat|probes\n")
        return 2
    try:
        checks[arguments[0]]()
    except Exception as problem:  # whatever went wrong: unhealthy, with the reason in the container's health log
        sys.stderr.write(f"unhealthy: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
