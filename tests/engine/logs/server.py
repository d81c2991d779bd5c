"""A Valkey that a test may stop, start and freeze."""

import os
import signal
from pathlib import Path

import redis

from cloudwiki.embedded import Servers
from tests.engine.logs.waiting import wait_until


class OwnValkey:
    """Listens on a socket of its own; forgets everything when stopped."""

    def __init__(self, data: Path) -> None:
        data.mkdir(mode=0o711)
        self.servers = Servers(data, durable=False)
        self.url = self.servers.start(postgres=False).redis

    def stop(self) -> None:
        """Gone at once: connections break, new ones are refused."""
        self.servers.members[0].stop()

    def start(self) -> None:
        """Back, empty."""
        self.servers.members[0].start()

    def freeze(self) -> None:
        """Connections stay and new ones are taken, but nothing is answered."""
        os.kill(self._pid(), signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        os.kill(self._pid(), signal.SIGCONT)
        with redis.Redis.from_url(self.url, socket_timeout=5) as client:
            wait_until(client.ping, 5)

    def end(self) -> None:
        """Stop for good."""
        self.servers.stop()

    def _pid(self) -> int:
        process = self.servers.members[0].process
        assert process is not None
        return process.pid
