"""An address answers."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from releases.actions.http_check import Wanted, from_controller, from_host
from releases.models import Deployment
from releases.proofs.evidence import Evidence, line
from releases.proofs.places import fill, machine
from releases.runbooks.model import CONTROLLER

SECONDS = 10  # for the request


def prove(parameters: Mapping[str, Any], deployment: Deployment) -> Evidence:
    """Ask once, from the controller or from a host."""
    role = parameters.get("runs_on", CONTROLLER)
    url, text = (fill(parameters.get(name, ""), deployment, role) for name in ("url", "text"))
    wanted = Wanted(url, int(parameters.get("status", 200)), text, SECONDS)
    if role == CONTROLLER:
        reply = from_controller(wanted, deployment.environment)
    else:
        with machine(deployment, role) as transport:
            reply = from_host(wanted, transport)
    seen = [line(url, reply.problem or _("answers as it should (%s)") % wanted.status)]
    seen.append(line(_("Time"), f"{reply.milliseconds:.0f} ms"))
    if reply.problem:
        return Evidence(False, seen, _("%(url)s: %(problem)s.") % {"url": url, "problem": reply.problem})
    return Evidence(True, seen)
