"""The databases that restores kept, on the page of an environment's backups, and the button that drops one."""

from typing import Any

from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from releases import permissions
from releases.engine import kept_databases
from releases.models import Environment, KeptDatabase, Removal
from releases.permissions import Need, actor, signed_in
from releases.views.answers import verb

SHOWN = 50  # at most: those that are still there first, then those that were dropped last


def context_of(environment: Environment, *, may_manage: bool) -> dict[str, Any]:
    """What the page shows of them."""
    rows = environment.kept_databases.select_related("host", "removed_by")
    found = list(rows.order_by(F("erased_at").desc(nulls_first=True), "-created_at", "-pk")[: SHOWN + 1])
    return {
        "kept": found[:SHOWN],
        "has_more_kept": len(found) > SHOWN,
        "is_dropping": any(row.removed_at and not row.erased_at and not row.problem for row in found[:SHOWN]),
        "drop_hindrance": kept_databases.hindrance(environment) if may_manage and found else "",
    }


@verb
def drop(request: HttpRequest, number: int) -> HttpResponse:
    """Give up a database that a restore kept; a worker drops it on its server."""
    found = permissions.get(KeptDatabase, signed_in(request), Need.MANAGE, "environment__project", pk=number)
    kept_databases.remove(found, actor(request), Removal.PERSON)
    return redirect("releases:environment_backups", found.environment_id)
