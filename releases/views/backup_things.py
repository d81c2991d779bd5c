"""The backups of one environment: each thing that its runbook backs up, and the button that takes one."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from releases import permissions
from releases.actions.backed_up import Thing, things
from releases.engine import backup_orders
from releases.engine.errors import EngineError
from releases.models import Backup, BackupOrder, Environment
from releases.permissions import Need, actor, member_required, signed_in
from releases.runbooks.model import LocalText
from releases.views import kept_databases
from releases.views.answers import verb
from releases.views.run_state import local

ORDERS = 20  # the newest ones that the page shows
PARTS = ("project", "runbook")


@require_GET
@member_required
def environment_backups(request: HttpRequest, number: int) -> HttpResponse:
    """What is backed up there, how old and how well proved the newest copies are, and what was ordered."""
    user = signed_in(request)
    found = permissions.get(Environment, user, Need.VIEW, *PARTS, pk=number)
    orders = [_order(row) for row in found.backup_orders.select_related("asked_by", "host")[:ORDERS]]
    may_manage = permissions.may(user, Need.MANAGE, found.project_id)
    context: dict[str, Any] = {
        "environment": found,
        "orders": orders,
        "may_operate": permissions.may(user, Need.OPERATE, found.project_id),
        "may_manage": may_manage,
        **kept_databases.context_of(found, may_manage=may_manage),
    }
    context["is_busy"] = context["is_dropping"] or any(entry["order"].ended_at is None for entry in orders)
    try:
        context["steps"] = _steps(found)
    except EngineError as error:
        context["problem"] = str(error)
    part = "#seen" if "HX-Request" in request.headers else ""
    return render(request, f"releases/environment_backups.html{part}", context)


@verb
def take(request: HttpRequest, number: int) -> HttpResponse:
    """Take the backups of one step of the runbook now, or those of all; each is proved afterwards."""
    user = signed_in(request)
    found = permissions.get(Environment, user, Need.OPERATE, *PARTS, pk=number)
    key = request.POST.get("step", "")
    if key and key not in {step["key"] for step in backup_orders.steps_of(found)}:
        raise EngineError(_("The runbook has no such step any more. Open the page again."))
    backup_orders.ask(found, {key} if key else None, user, actor(request))
    return redirect("releases:environment_backups", found.pk)


def _steps(environment: Environment) -> list[dict[str, Any]]:
    """The backup steps with their things, each with its newest copy."""
    steps = backup_orders.steps_of(environment)
    hosts = {host.role: host for host in environment.hosts.all()}
    names = {host.pk: host.name for host in hosts.values()}
    newest = _newest(environment)
    found = []
    for step in steps:
        rows = [
            {"thing": thing, "host": names.get(thing.host_id or 0, ""), "backup": newest.get(thing[:3])}
            for thing in things([step], hosts)
        ]
        found.append({"key": step["key"], "title": local(LocalText(**step["title"])), "things": rows})
    return found


def _newest(environment: Environment) -> dict[tuple[str, int | None, str], Backup]:
    """The newest kept copy of each thing, in one query."""
    rows = environment.backups.kept().defer("facts").order_by("kind", "host_id", "series", "-created_at", "-pk")
    return {Thing(row.kind, row.host_id, row.series, "")[:3]: row for row in rows.distinct("kind", "host_id", "series")}


def _order(row: BackupOrder) -> dict[str, Any]:
    return {"order": row, "title": local(LocalText(**row.planned["title"]))}
