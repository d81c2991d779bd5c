"""What a project costs, written: prices, what is paid for, alternatives, the traffic assumed.

Each change is in the audit log with what was before.
"""

import copy
from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from releases import audit
from releases.audit import Actor
from releases.engine.errors import Conflict
from releases.models import CostItem, CostScenario, Price, TrafficEstimate

type Row = Price | CostItem | CostScenario | TrafficEstimate

# The first word of what the audit log calls it.
_NAMES: Final[dict[type[Row], str]] = {
    Price: "price",
    CostItem: "cost_item",
    CostScenario: "cost_scenario",
    TrafficEstimate: "traffic",
}


def add(row: Row, values: Mapping[str, Any], actor: Actor) -> None:
    """Keep a new row of a project with these values. Raises IntegrityError for what may be there once only."""
    with transaction.atomic():
        _fill(row, values)
        row.save(force_insert=True)
        _record(row, "create", actor, changed=audit.differences(None, row, list(values)))


def change(row: Row, held: Mapping[str, Any], values: Mapping[str, Any], actor: Actor) -> None:
    """Give a row other values; the same ones change nothing. `held`: what it held when they were written.

    Raises Conflict when it holds something else by now, IntegrityError for what may be there once only.
    """
    with transaction.atomic():
        locked = _locked(row)
        if locked is None or any(getattr(locked, name) != value for name, value in held.items()):
            raise Conflict(
                _("This was changed meanwhile. Open the page again and make your change to what is there now.")
            )
        before = copy.copy(locked)
        _fill(locked, values)
        changes = audit.differences(before, locked, list(values))
        if not changes:
            return
        locked.save()
        _record(locked, "change", actor, changed=changes)


def remove(row: Row, actor: Actor) -> None:
    """Take a row away. Raises Conflict where that was done already."""
    with transaction.atomic():
        locked = _locked(row)
        if locked is None:
            raise Conflict(_("It changed a moment ago; look at the page again and decide anew."))
        type(row)._default_manager.filter(pk=locked.pk).delete()
        _record(locked, "remove", actor)


def _locked(row: Row) -> Row | None:
    found: Row | None = type(row)._default_manager.select_for_update(of=("self",)).filter(pk=row.pk).first()
    return found


def _fill(row: Row, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)


def _record(row: Row, verb: str, actor: Actor, **detail: Any) -> None:
    audit.record(actor, f"{_NAMES[type(row)]}.{verb}", row, **detail)
