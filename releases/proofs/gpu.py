"""A new GPU endpoint may be, fits into the account, and stays within its budget: asked before anything is spent."""

from collections.abc import Mapping
from typing import Any

from releases.actions import gpu_steps, gpu_words
from releases.actions.gpu_preflight import Preflight
from releases.endpoints import accounts
from releases.gpu.errors import GpuError
from releases.models import Deployment
from releases.proofs.evidence import Evidence, line

SECONDS = 60.0


def prove(parameters: Mapping[str, Any], deployment: Deployment) -> Evidence:
    """Look at the parts that `about` names. Raises ActionError."""
    account, signed = gpu_steps.account_of(deployment), gpu_steps.signed(deployment)
    try:
        with accounts.opened(account, SECONDS) as provider:
            preflight = Preflight(signed, deployment.environment, account, provider)
            found = preflight.look(parameters["about"])
    except GpuError as error:
        said = gpu_words.told(error)
        accounts.note_problem(account, said)
        return Evidence(False, [], said)
    accounts.note_problem(account)
    seen = [line(label, value) for label, value in found.lines]
    return Evidence(not found.problems, seen, " ".join(found.problems))
