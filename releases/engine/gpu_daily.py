"""The daily check of endpoints that are kept for a rollback: whether they are still there, and could still work.

They are asked nothing: that would cost a cold start each day, and a rollback gives them their workers back anyway.
"""

from datetime import datetime, time
from typing import Final

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import override

from releases.actions import gpu_words
from releases.endpoints import accounts, alarms
from releases.engine import gpu_gone, gpu_rules, handover
from releases.gpu.errors import EndpointGone, GpuError
from releases.gpu.provider import Provider
from releases.models import EndpointState, GpuAccount, GpuEndpoint, GpuSettings

AT: Final = time(9)  # in the environment's zone
CALL_SECONDS: Final = 20.0
KINDS: Final = frozenset({"capacity", "overdue"})
log = structlog.get_logger(__name__)


def check_due(now: datetime) -> None:
    """Check the environments whose time has come, each day once; a missed time is made up for."""
    for rules in GpuSettings.objects.select_related("environment__project"):
        local = rules.environment.local(now)
        if local.time() < AT:
            continue
        before = rules.checked_on
        due = Q(checked_on__isnull=True) | Q(checked_on__lt=local.date())
        if not GpuSettings.objects.filter(due, pk=rules.pk).update(checked_on=local.date()):
            continue
        with override(settings.LANGUAGE_CODE):
            is_done = _check(rules, now)
        if not is_done:  # in some minutes again
            GpuSettings.objects.filter(pk=rules.pk, checked_on=local.date()).update(checked_on=before)


def _check(rules: GpuSettings, now: datetime) -> bool:
    """Whether each retained endpoint could be looked at."""
    rows = GpuEndpoint.objects.filter(environment=rules.environment_id, state=EndpointState.RETAINED)
    is_done = True
    for account in GpuAccount.objects.filter(pk__in=rows.values("account")):
        try:
            with accounts.opened(account, CALL_SECONDS, handover.wanted) as provider:
                for row in rows.filter(account=account):
                    _look(row, provider, now)
        except GpuError as error:
            log.info("daily check of GPU endpoints put off", account=account.pk, error=error.message)
            accounts.note_problem(account, gpu_words.told(error))
            is_done = False
    return is_done


def _look(row: GpuEndpoint, provider: Provider, now: datetime) -> None:
    """Raises what the provider says."""
    found = {}
    if row.retained_until is not None and row.retained_until < now:
        found["overdue"] = _("It was to be kept until %s. Retire it, unless you still want to go back to it.") % (
            f"{row.environment.local(row.retained_until):%Y-%m-%d}"
        )
    try:
        spec = provider.get(row.ref).spec
    except EndpointGone:
        alarms.settle(row, found, {"overdue"})
        gpu_gone.note(row, provider)
        return
    if provider.capabilities.scaling and (said := gpu_rules.capacity(row, spec.min_workers, spec.max_workers)):
        found["capacity"] = said
    alarms.settle(row, found, KINDS)
