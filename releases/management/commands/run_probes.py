"""`manage.py run_probes`: the process that asks every service how it is."""

import asyncio
import logging
import os
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from releases.engine.touch import bump
from releases.probes.addresses import Network, parse_networks
from releases.probes.http import HttpProber
from releases.probes.runner import Runner
from releases.probes.ssh import HostProbers
from releases.probes.store import HostLogin
from releases.remote.connection import SshTransport, Target, open_transport


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT; a second one on the same database waits as a standby."""

    help = "Ask every service how it is, and keep outages."

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        """Run the probes; ends the process itself."""
        asyncio.run(run(allowed_networks()))
        logging.shutdown()
        # All is written. Taking the interpreter apart would cost seconds on a busy machine, for nothing.
        os._exit(0)


def allowed_networks() -> tuple[Network, ...]:
    """The private networks of PROBE_ALLOWED_NETWORKS; raises CommandError naming the wrong one."""
    try:
        return parse_networks(getattr(settings, "PROBE_ALLOWED_NETWORKS", []))
    except ValueError as error:
        raise CommandError(
            f"CLOUDWIKI_PROBE_ALLOWED_NETWORKS: {error}. Write networks such as 10.0.0.0/8, separated by commas."
        ) from error


async def run(allowed: tuple[Network, ...]) -> None:
    """The process, until it is told to stop."""
    async with HttpProber(allowed) as http:
        runner = Runner(http, HostProbers(connect), bump)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, runner.stop)
        await runner.run()


def connect(login: HostLogin) -> SshTransport:
    """Open a connection to a host with its pinned key; raises RemoteError."""
    return open_transport(
        Target(
            name=login.name,
            address=login.address,
            port=login.port,
            user=login.user,
            host_key=login.host_key,
            private_key=settings.SSH_KEY_FILE,
            connect_timeout=5.0,
        )
    )
