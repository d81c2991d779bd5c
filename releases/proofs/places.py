"""Where checks look, and with which values."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.translation import gettext as _

from releases import enrolment
from releases.actions import filling
from releases.actions.base import ActionError
from releases.models import Deployment, Host
from releases.remote.local import LocalTransport
from releases.remote.transport import Transport
from releases.runbooks.model import CONTROLLER


def host_of(deployment: Deployment, role: str) -> Host | None:
    """The host of a role; None for the controller. Raises ActionError when the environment has none."""
    if role == CONTROLLER:
        return None
    host = deployment.environment.hosts.filter(role=role).first()
    if host is None:
        words = {"environment": deployment.environment, "role": role}
        raise ActionError(_("%(environment)s has no host with the role %(role)s; add one under Hosts.") % words)
    return host


@contextmanager
def machine(deployment: Deployment, role: str) -> Iterator[Transport]:
    """An open way to a host role or the controller. Raises RemoteError when it can't be reached."""
    host = host_of(deployment, role)
    transport: Transport = LocalTransport() if host is None else enrolment.connect(host)
    try:
        yield transport
    finally:
        transport.close()


def values(deployment: Deployment, role: str) -> dict[str, str]:
    """Every placeholder that is not secret, as the steps on that role have it."""
    return filling.values(deployment.plan.content, host_of(deployment, role))


def fill(text: str, deployment: Deployment, role: str) -> str:
    """A text of a check's parameters with its placeholders filled in. Raises PlaceholderError."""
    return filling.fill(text, deployment.plan.content, host_of(deployment, role))
