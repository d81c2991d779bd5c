"""From YAML text to a Runbook, or to every error in it at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy as _

from .checks import check
from .messages import RunbookErrors
from .model import (
    CONTROLLER,
    ChecklistSpec,
    LocalText,
    Phase,
    Retry,
    Role,
    Runbook,
    StepSpec,
    VariableSpec,
    default_timeout,
)
from .schema import SCHEMA, definition, normal
from .schema_errors import check_schema
from .source import parse
from .variables import as_text

SEED_FOLDER = Path(__file__).with_name("seed")


def load(text: str) -> Runbook:
    """Read a runbook. Raises RunbookErrors with all errors, each with line, column, path, message and mend."""
    source = parse(text)
    if not isinstance(source.data, dict):
        source.add((), _("A runbook is a group of keys."), _("Begin with kind:, title: and steps:."))
        raise RunbookErrors(source.errors)
    check_schema(source)
    check(source)
    if source.errors:
        raise RunbookErrors(source.errors)
    return _runbook(normal(SCHEMA, source.data))


def seed_text(name: str) -> str:
    """The text of a runbook that comes with the product: `deploy` or `demo`."""
    return (SEED_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def _runbook(data: Mapping[str, Any]) -> Runbook:
    return Runbook(
        kind=data["kind"],
        title=LocalText(**data["title"]),
        variables=tuple(_variable(entry) for entry in data["variables"]),
        checklist=tuple(_checklist_item(entry) for entry in data["checklist"]),
        steps=_steps(data["steps"]),
    )


def _variable(entry: Mapping[str, Any]) -> VariableSpec:
    default = entry.get("default")
    return VariableSpec(
        name=entry["name"],
        type=entry["type"],
        default=None if default is None else as_text(default),
        required=entry["required"],
        pattern=entry["pattern"],
        help=LocalText(**entry["help"]),
    )


def _checklist_item(entry: Mapping[str, Any]) -> ChecklistSpec:
    proof = entry["proof"]
    parameters = normal(definition(f"proof_{proof}"), entry["parameters"]) if proof else {}
    return ChecklistSpec(entry["key"], LocalText(**entry["title"]), proof, parameters, entry["condition"])


def _steps(entries: Sequence[Mapping[str, Any]]) -> tuple[StepSpec, ...]:
    steps: list[StepSpec] = []
    counted = 0
    for entry in entries:
        counted += "number" not in entry
        previous = (steps[-1].key,) if steps else ()
        steps.append(_step(entry, str(counted), previous))
    return tuple(steps)


def _step(entry: Mapping[str, Any], number: str, previous: tuple[str, ...]) -> StepSpec:
    parameters = normal(definition(f"action_{entry['action']}"), entry["parameters"])
    return StepSpec(
        key=entry["key"],
        number=entry.get("number", number),
        title=LocalText(**entry["title"]),
        role=Role(entry["role"]),
        phase=Phase(entry["phase"]),
        action=entry["action"],
        parameters=parameters,
        runs_on=entry.get("runs_on", CONTROLLER),
        estimate=entry["estimate"],
        timeout=entry.get("timeout", default_timeout(entry["estimate"])),
        silence_timeout=entry.get("silence_timeout"),
        grace=entry["grace"],
        note=LocalText(**entry["note"]),
        tool=LocalText(**entry["tool"]),
        condition=entry["condition"],
        opens_downtime=entry["opens_downtime"],
        closes_downtime=entry["closes_downtime"],
        retry=Retry(**entry["retry"]),
        idempotent=entry["idempotent"],
        irreversible=LocalText(**entry["irreversible"]),
        service=entry["service"] or parameters.get("service", ""),
        check=entry["check"],
        probe=entry["probe"],
        after=tuple(entry["after"]) if "after" in entry else previous,
    )
