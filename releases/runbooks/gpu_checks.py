"""What the schema can't say of steps about GPU endpoints."""

import json
from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from .source import Path, Source

KINDS: Final = ("gpu_deploy", "gpu_rollback")
DEPLOY_ONLY: Final = frozenset({"gpu_create", "gpu_retain"})
ROLLBACK_ONLY: Final = frozenset({"gpu_stop"})


def check_gpu_step(source: Source, path: Path, step: Mapping[str, Any]) -> None:
    """Add an error for a step in the wrong sort of runbook, a key without its secret, a payload that is no JSON."""
    action, kind = str(step.get("action")), source.data.get("kind")
    if not action.startswith("gpu_"):
        return
    if kind not in KINDS:
        mend = _("Set kind: gpu_deploy or gpu_rollback, or remove the step.")
        source.add((*path, "action"), _("%(action)s belongs into a runbook about GPU endpoints."), mend, action=action)
    elif (kind == "gpu_deploy" and action in ROLLBACK_ONLY) or (kind == "gpu_rollback" and action in DEPLOY_ONLY):
        mend = _("Remove the step, or correct the kind of the runbook.")
        source.add((*path, "action"), _("%(action)s can't be in a runbook of this kind."), mend, action=action)
    parameters = step.get("parameters")
    if isinstance(parameters, dict):
        _key(source, path, parameters)
        _prompts(source, path, parameters.get("prompts"))


def _key(source: Source, path: Path, parameters: Mapping[str, Any]) -> None:
    if bool(parameters.get("key_variable")) != bool(parameters.get("key_secret")):
        name = "key_variable" if parameters.get("key_variable") else "key_secret"
        message = _("key_variable and key_secret go together.")
        source.add((*path, "parameters", name), message, _("Give both, or neither."))


def _prompts(source: Source, path: Path, prompts: Any) -> None:
    for index, entry in enumerate(prompts if isinstance(prompts, list) else []):
        if not isinstance(entry, dict):
            continue
        where = (*path, "parameters", "prompts", index)
        text, given = entry.get("text"), entry.get("input")
        if bool(text) == bool(given):
            source.add(where, _("A prompt asks one thing."), _("Give text, or input for a handler of your own."))
        if isinstance(given, str) and given and not _is_object(given):
            mend = _('Write it as JSON, such as \'{"question": "1 + 1"}\'.')
            source.add((*where, "input"), _("The input of a job is a JSON object."), mend)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
