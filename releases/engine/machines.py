"""The open ways to the machines of one run: one SSH connection a host, shared by its steps."""

import threading
from contextlib import suppress

from django.conf import settings

from releases import enrolment
from releases.models import Environment, Host
from releases.remote.errors import RemoteError
from releases.remote.local import LocalTransport
from releases.remote.steps import StepClient
from releases.remote.transport import Transport
from releases.runbooks.model import CONTROLLER

REMOTE_FOLDER = "~/.cloudwiki"


class Machines:
    """Opens the way to a host role or the controller once, and again after it was dropped."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._open: dict[str, Transport] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def host(self, role: str) -> Host | None:
        """The host with this role; None for the controller."""
        return None if role == CONTROLLER else self.environment.hosts.get(role=role)

    def transport(self, role: str) -> Transport:
        """An open way to the role. Raises RemoteError when the machine can't be reached; a changed key is audited."""
        with self._guard:
            lock = self._locks.setdefault(role, threading.Lock())
        with lock:
            if role not in self._open:
                host = self.host(role)
                self._open[role] = LocalTransport() if host is None else enrolment.connect(host)
            return self._open[role]

    def client(self, role: str) -> StepClient:
        """The client of the step wrapper there."""
        folder = str(settings.ATTEMPTS_DIR) if role == CONTROLLER else REMOTE_FOLDER
        return StepClient(self.transport(role), folder)

    def drop(self, role: str, transport: Transport | None = None) -> None:
        """Forget a broken way so that the next use opens a new one."""
        with self._guard:
            current = self._open.get(role)
            broken = self._open.pop(role, None) if transport in {None, current} else None
        if broken is not None:
            with suppress(RemoteError, OSError):
                broken.close()

    def close(self) -> None:
        """Close every way."""
        for role in list(self._open):
            self.drop(role)
