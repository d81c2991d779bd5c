"""A command says yes."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext as _

from releases import secrets
from releases.actions import brief
from releases.actions.base import ActionError
from releases.actions.explain import explain_tail
from releases.actions.shell import in_place
from releases.models import Deployment
from releases.proofs.evidence import Evidence, line
from releases.proofs.places import machine, values
from releases.remote.scripts import DEFAULT_FOLDER
from releases.remote.steps import StepClient
from releases.runbooks.model import CONTROLLER
from releases.runbooks.placeholders import compile_script, render

SHOWN_LINES: Final = 10
CAP: Final = 1 << 20  # bytes of output


def prove(parameters: Mapping[str, Any], deployment: Deployment) -> Evidence:
    """Run the command under the step wrapper, with its time limit; exit code 0 proves."""
    role, timeout = parameters.get("runs_on", CONTROLLER), int(parameters.get("timeout", 60))
    known, hidden = values(deployment, role), set(deployment.plan.content["secrets"])
    script = in_place(deployment, role, compile_script(parameters["command"], known, hidden))
    opened = _open(deployment, script.secrets)
    with machine(deployment, role) as transport:
        client = StepClient(transport, str(settings.ATTEMPTS_DIR) if role == CONTROLLER else DEFAULT_FOLDER)
        answer = brief.run(client, f"proof-{uuid.uuid4().hex}", script, opened, seconds=timeout, cap=CAP)
    status = answer.status
    seen = [line("$", render(parameters["command"], known, hidden))]
    said = answer.printed.decode(errors="replace").strip().splitlines()[-SHOWN_LINES:]
    seen += [line(_("Output"), text[:300]) for text in said]
    if status.state != "finished":
        raise ActionError(_("How the command ended is not known: %s. Check again.") % (status.reason or status.state))
    if status.reason == "timeout":
        return Evidence(False, seen, _("The command took longer than %s s and was ended.") % timeout)
    seen.append(line(_("Exit code"), status.exit_code))
    note = explain_tail(answer.printed, status.exit_code or 0) if status.exit_code else ""
    return Evidence(status.exit_code == 0, seen, note or _sentence(status.exit_code))


def _sentence(exit_code: int | None) -> str:
    return "" if exit_code == 0 else _("The command said no (exit code %s).") % exit_code


def _open(deployment: Deployment, needed: tuple[str, ...]) -> dict[str, str]:
    rows = deployment.environment.variables.filter(is_secret=True)
    opened = {row.name: secrets.open_sealed(bytes(row.ciphertext)) for row in rows}
    missing = [name for name in needed if name not in opened]
    if missing:
        raise ActionError(_("%s has no value. Set it in the variables of the environment.") % ", ".join(missing))
    return opened
