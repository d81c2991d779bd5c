"""Saving a list of prices: whole or not at all."""

from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from releases import audit
from releases.audit import Actor
from releases.engine.errors import EngineError
from releases.insights import price_lists
from releases.insights.price_lists import COLUMNS
from releases.models import Price, Project

_CHANGED: Final = [name for name in COLUMNS if name not in {"key", "valid_from"}]


def save_list(project: Project, text: str, actor: Actor) -> int:
    """Add and change what the CSV says; returns how many prices that were. Raises EngineError where it has faults."""
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        found = price_lists.read(text, project)
        if found.faults:
            raise EngineError(_("The list has faults; nothing was saved. Look at it again."))
        changing = found.changing
        prices = [row.price for row in changing]
        Price.objects.bulk_create(
            prices, update_conflicts=True, unique_fields=["project", "key", "valid_from"], update_fields=_CHANGED
        )
        before = {str(row.before): str(row.before.amount) for row in changing if row.before is not None}
        if changing:
            audit.record(actor, "price.import", project, count=len(changing), before=before)
    return len(changing)
