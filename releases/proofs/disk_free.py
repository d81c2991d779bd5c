"""There is room on the disk."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from releases.actions.ask import ask
from releases.actions.base import ActionError
from releases.actions.texts import shell_text, size
from releases.models import Deployment
from releases.proofs.evidence import Evidence, line
from releases.proofs.places import fill, machine

_FREE = 'whole "$path"\ndf -Pk "$WHOLE" | tail -n 1 | tr -s " " | cut -d" " -f4\n'


def prove(parameters: Mapping[str, Any], deployment: Deployment) -> Evidence:
    """Compare the free space of the disk that holds a path with what is asked for."""
    role, needed = parameters["runs_on"], int(parameters.get("gigabytes", 1)) * 10**9
    path = fill(parameters.get("path", "/"), deployment, role)
    with machine(deployment, role) as transport:
        answer = ask(transport, shell_text("machine.sh") + _FREE, {"path": path})
        name = transport.name
    said = answer.stdout.decode(errors="replace").strip()
    if not said.isdigit():
        words = {"path": path, "host": name, "why": answer.stderr.decode(errors="replace").strip()[:200]}
        raise ActionError(_("The free space of %(path)s on %(host)s can't be read: %(why)s") % words)
    free = int(said) * 1024
    seen = [line(_("Free on %s") % name, f"{size(free)} ({path})"), line(_("Needed"), size(needed))]
    if free < needed:
        return Evidence(False, seen, _("Too little room on %s. Remove what is not needed, such as old backups.") % name)
    return Evidence(True, seen)
