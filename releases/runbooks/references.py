"""Steps that work on what another step made: it must be there, be of the right sort, and come before."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from .source import Source

BACKUPS = ("backup_files", "backup_database")


def check_references(
    source: Source, steps: Sequence[tuple[int, dict[str, Any]]], after: Mapping[str, Sequence[str]]
) -> None:
    """Add an error for each `prove_backup` that can't find its backup. `after`: what each step waits for."""
    by_key = {step["key"]: step for _index, step in steps}
    for index, step in steps:
        parameters = step.get("parameters")
        name = parameters.get("backup") if isinstance(parameters, dict) else None
        if step.get("action") != "prove_backup" or not isinstance(name, str):
            continue
        made, where = by_key.get(name, {}), ("steps", index, "parameters", "backup")
        if made.get("action") not in BACKUPS:
            message = _("No step with the key %(name)s makes a backup.")
            mend = _("Name a step whose action is backup_files or backup_database.")
            source.add(where, message, mend, name=name)
        elif name not in _before(step["key"], after):
            message = _("%(name)s need not have ended before this step begins.")
            source.add(where, message, _("Put it before this step, or name it under after."), name=name)
        elif made.get("runs_on") != step.get("runs_on"):
            message = _("%(name)s keeps its backup on another machine.")
            source.add(where, message, _("Give both steps the same runs_on."), name=name)


def _before(key: str, after: Mapping[str, Sequence[str]]) -> set[str]:
    """Every step that has ended when this one begins."""
    found: set[str] = set()
    waiting = list(after.get(key, ()))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += after.get(name, ())
    return found
