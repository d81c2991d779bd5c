"""The three guarded updates through which every status changes."""

from typing import Any

from django.db.models import Model
from django.utils.translation import gettext as _

from releases import lifecycle
from releases.engine.errors import Conflict
from releases.models import Attempt, Deployment, Step
from releases.remote.faults import fault_point


def move_deployment(deployment: Deployment, wanted: str, **fields: Any) -> None:
    """Change a deployment's status, with other fields, if it still has the status this object holds.

    Raises lifecycle.ForbiddenTransition when the table forbids the change, Conflict when the row moved on.
    """
    _move("deployment", deployment, wanted, fields)


def move_step(step: Step, wanted: str, **fields: Any) -> None:
    """The same for a step."""
    _move("step", step, wanted, fields)


def move_attempt(attempt: Attempt, wanted: str, **fields: Any) -> None:
    """The same for an attempt."""
    _move("attempt", attempt, wanted, fields)


def _move(kind: str, row: Deployment | Step | Attempt, wanted: str, fields: dict[str, Any]) -> None:
    lifecycle.require(kind, row.status, wanted)
    fault_point(f"before_{kind}_{wanted}")
    model: type[Model] = type(row)
    changed = model._default_manager.filter(pk=row.pk, status=row.status).update(status=wanted, **fields)
    if changed != 1:
        raise Conflict(_("It changed a moment ago; look at the page again and decide anew."))
    row.status = wanted
    for name, value in fields.items():
        setattr(row, name, value)
