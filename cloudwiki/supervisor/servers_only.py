"""PostgreSQL and Valkey in the foreground, for `manage.py` in another terminal."""

import os
import signal
import sys
import threading

from cloudwiki.embedded import EmbeddedError, Servers, data_folder
from cloudwiki.embedded.servers import wanted


def main() -> int:
    """Run until SIGINT or SIGTERM. Returns the exit code."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Servers(data_folder()) as servers:
        try:
            found = servers.start(**wanted(os.environ))
        except EmbeddedError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        lines = [*servers.notes, f"DATABASE_URL={found.database}", f"REDIS_URL={found.redis}"]
        lines.append("PostgreSQL and Valkey run; manage.py finds them by itself. Ctrl-C stops them.")
        sys.stdout.write("\n".join([*lines, ""]))
        sys.stdout.flush()
        while not stop.wait(1):
            for name in servers.restart_dead():
                sys.stderr.write(f"{name} had ended and was started again\n")
    return 0
