"""What the measurements run on: servers, an SSH server and a data folder of their own, in a temporary folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cloudwiki.embedded import Servers
from tests.engine.sshd import Sshd

if TYPE_CHECKING:
    from releases.models import Deployment, User
    from tests.factories import World

START_SECONDS = 60


@contextmanager
def stage() -> Iterator[Sshd]:
    """Django on a PostgreSQL and a Valkey started for this run alone, and the machine to deploy to."""
    folder = Path(tempfile.mkdtemp(prefix="cloudwiki-bench-"))
    folder.chmod(0o711)  # as root, the servers run under another account
    servers, machine = Servers(folder / "servers-data"), Sshd(folder / "sshd")
    try:
        found = servers.start()
        machine.start()
        (folder / "data").mkdir(mode=0o711)
        os.environ |= {
            "DATABASE_URL": found.database,
            "REDIS_URL": found.redis,
            "CLOUDWIKI_DATA": str(folder / "data"),
            "CLOUDWIKI_SSH_KEY_FILE": str(machine.client_key),
            "CLOUDWIKI_ENV": "development",
            "CLOUDWIKI_LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "cloudwiki.settings",
        }
        _set_up_django()
        yield machine
    finally:
        machine.stop()
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _set_up_django() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def world_on(machine: Sshd, runbook: str) -> World:
    """A project whose one host is that machine, pinned; nobody need approve."""
    from releases.models import Host
    from tests.factories import make_world

    world = make_world(runbook, approvals_required=0)
    Host.objects.filter(pk=world.host.pk).update(
        port=machine.port, user=machine.user, host_key=machine.host_key, fingerprint="SHA256:bench"
    )
    return world


def started(world: World) -> Deployment:
    """A deployment that waits for a driver."""
    from releases.audit import Actor
    from releases.engine import start

    deployment = world.draft()
    start.start(deployment, world.requester, Actor(world.requester), deployment.plan.digest)
    return deployment


def cookie_of(user: User) -> str:
    """The value of a Cookie header with a session of that person."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return f"sessionid={session.session_key}"


class Web:
    """The web process, by the command that `make up` and the containers use."""

    def __enter__(self) -> Web:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        environment = {**os.environ, "CLOUDWIKI_PORT": str(self.port)}
        self._process = subprocess.Popen([sys.executable, "-m", "cloudwiki", "web"], env=environment)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.__exit__()
        raise RuntimeError("the web process did not come up")

    def cpu_seconds(self) -> float:
        """Processor time that it has used."""
        import psutil

        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
