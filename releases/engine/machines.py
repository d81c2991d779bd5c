"""The open ways to the machines of one run: one SSH connection a host, shared by its steps."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from releases import enrolment
from releases.actions.base import NotApproved
from releases.models import Environment, Host
from releases.remote import faults
from releases.remote.errors import RemoteError
from releases.remote.local import LocalTransport
from releases.remote.steps import WRAPPER, StepClient
from releases.remote.transport import Transport
from releases.runbooks.model import CONTROLLER

REMOTE_FOLDER = "~/.cloudwiki"


class Machines:
    """Opens the way to a host role or the controller once, and again after it was dropped.

    `approved`: the plan's hosts by role; None: whatever the rows say (no plan is being run).
    """

    def __init__(self, environment: Environment, approved: Mapping[str, Any] | None = None) -> None:
        self.environment, self.approved = environment, approved
        self._open: dict[str, Transport] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def host(self, role: str) -> Host | None:
        """The host with this role; None for the controller, or where there is none any more."""
        return None if role == CONTROLLER else self.environment.hosts.filter(role=role).first()

    def transport(self, role: str) -> Transport:
        """An open way to the role. Raises RemoteError when the machine can't be reached; a changed key is audited.

        Raises NotApproved when the role is another machine by now than the plan names.
        """
        with self._guard:
            lock = self._locks.setdefault(role, threading.Lock())
        with lock:
            if role not in self._open:
                self._open[role] = LocalTransport() if role == CONTROLLER else enrolment.connect(self._approved(role))
            return self._open[role]

    def _approved(self, role: str) -> Host:
        host = self.host(role)
        if host is None:
            sentence = _("%(environment)s has no host with the role %(role)s any more. Make a new deployment.")
            raise NotApproved(sentence % {"environment": self.environment, "role": role})
        wanted = self.approved[role] if self.approved is not None else {}
        names = [name for name in ("address", "port", "user", "fingerprint") if name in wanted]
        if any(getattr(host, name) != wanted[name] for name in names):
            raise NotApproved(_("%s is not the machine that was approved. Make a new deployment.") % host)
        return host

    def client(self, role: str, heard: Callable[[], None] = lambda: None) -> StepClient:
        """The client of the step wrapper there; `heard` is called whenever it speaks."""
        folder = str(settings.ATTEMPTS_DIR) if role == CONTROLLER else REMOTE_FOLDER
        return StepClient(self.transport(role), folder, wrapper=faults.with_points(WRAPPER), heard=heard)

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
