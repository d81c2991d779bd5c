"""The daily backups of environments that have a time for them."""

from datetime import datetime

from django.db.models import Q

from releases.audit import THE_SYSTEM
from releases.engine import backup_orders, clock
from releases.engine.errors import Conflict, EngineError
from releases.models import Environment


def order_due(now: datetime) -> None:
    """Order the daily backups of the environments whose time has come, each day once; a missed time is made up for."""
    for environment in Environment.objects.filter(backup_at__isnull=False).select_related("project", "runbook"):
        local = environment.local(now)
        today = local.date()
        if environment.backup_at is None or local.time() < environment.backup_at:
            continue
        due = Q(backed_up_on__isnull=True) | Q(backed_up_on__lt=today)
        if not Environment.objects.filter(due, pk=environment.pk).update(backed_up_on=today, backup_problem=""):
            continue
        try:
            backup_orders.ask(environment, None, None, THE_SYSTEM, today)
        except Conflict:  # somebody pressed the button a moment ago
            continue
        except EngineError as error:
            Environment.objects.filter(pk=environment.pk).update(backup_problem=str(error)[:500])


def reschedule(environment: Environment, changed: list[str]) -> None:
    """A daily time that was just set counts from its next occurrence: none is made up for."""
    if environment.backup_at is None or not {"backup_at", "zone"} & set(changed):
        return
    local = environment.local(clock.now())
    if local.time() >= environment.backup_at:
        Environment.objects.filter(pk=environment.pk).update(backed_up_on=local.date())
