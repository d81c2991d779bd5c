"""The provider's bills beside what our looks came to: by the hour, with an alarm where both drift apart.

Bills come late, so the last hours are read again each time. What the bill says counts for the budgets where it is more.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.utils.translation import gettext as _
from django.utils.translation import override

from releases.actions import gpu_words
from releases.endpoints import accounts, alarms, strangers
from releases.engine import clock, handover
from releases.gpu.errors import EndpointGone, GpuError
from releases.gpu.provider import Provider
from releases.models import GpuAccount, GpuBill, GpuEndpoint, GpuSample

CALL_SECONDS: Final = 20.0
HOUR: Final = timedelta(hours=1)
READ_AGAIN: Final = timedelta(hours=3)  # bills of these come late
DUE: Final = timedelta(minutes=55)  # beat asks more often than each hour, so that a restart of it loses none
AFTER_THE_END: Final = timedelta(days=3)  # for which bills of a retired endpoint are read
HOURS_A_ROUND: Final = 48  # of one endpoint: each is a request, and the provider takes so many a minute
DAY: Final = timedelta(days=1)
DRIFT: Final = Decimal("1.25")  # times our estimate, and
DRIFT_USD: Final = Decimal("0.05")  # that much more, over a day
SAMPLES_KEPT: Final = timedelta(days=40)  # a month's budget and the charts need no more
log = structlog.get_logger(__name__)


def reconcile() -> None:
    """Read the bills that are due, of each account; look there for endpoints that are not ours."""
    now = clock.now()
    due: dict[int, list[GpuEndpoint]] = defaultdict(list)
    for row in _due(now).select_related("environment__project"):
        due[row.account_id].append(row)
    with override(settings.LANGUAGE_CODE):
        for account in GpuAccount.objects.filter(pk__in=due):
            _read_account(account, due[account.pk], now)
    GpuSample.objects.filter(at__lt=now - SAMPLES_KEPT).delete()


def _due(now: datetime) -> QuerySet[GpuEndpoint]:
    lives = Q(retired_at__isnull=True) | Q(retired_at__gt=now - AFTER_THE_END)
    is_due = Q(billed_until__isnull=True) | Q(billed_until__lt=now - DUE)
    return GpuEndpoint.objects.filter(lives, is_due).exclude(ref="").order_by("pk")


def _read_account(account: GpuAccount, rows: list[GpuEndpoint], now: datetime) -> None:
    """One that can't be read now is left for the next round."""
    try:
        with accounts.opened(account, CALL_SECONDS, handover.wanted) as provider:
            if not provider.capabilities.billing:
                return
            for row in rows:
                _read(row, provider, now)
            strangers.note(account, provider)
    except GpuError as error:
        log.info("bills left for later", account=account.pk, error=error.message)
        accounts.note_problem(account, gpu_words.told(error))


def _read(row: GpuEndpoint, provider: Provider, now: datetime) -> None:
    begin = _hour(max(row.created_at, row.billed_until - READ_AGAIN) if row.billed_until else row.created_at)
    end = min(_hour(now) + HOUR, begin + HOURS_A_ROUND * HOUR)
    try:
        amounts = dict(_amounts(row.ref, provider, begin, end))
    except EndpointGone:  # deleted by hand, and its bills with it
        amounts = {}
    estimates = _estimates(row, begin, end)
    with transaction.atomic():
        for hour, amount in amounts.items():
            values = {"amount": amount, "estimate": estimates.get(hour, Decimal(0)), "read_at": now}
            GpuBill.objects.update_or_create(endpoint=row, hour=hour, defaults=values)
        total = GpuBill.objects.filter(endpoint=row).aggregate(total=Sum("amount"))["total"] or Decimal(0)
        GpuEndpoint.objects.filter(pk=row.pk).update(billed=total, billed_until=min(now, end))
    _tell_drift(row, now)


def _amounts(ref: str, provider: Provider, begin: datetime, end: datetime) -> Iterator[tuple[datetime, Decimal]]:
    """What was billed, by the hour. Nothing in all of them, as of an endpoint that sleeps, is one request."""
    if provider.spend(ref, begin, end).total == 0:
        return
    hour = begin
    while hour < end:
        yield hour, provider.spend(ref, hour, hour + HOUR).total
        hour += HOUR


def _estimates(row: GpuEndpoint, begin: datetime, end: datetime) -> dict[datetime, Decimal]:
    """What our looks came to, by the hour."""
    found: dict[datetime, Decimal] = defaultdict(Decimal)
    for at, cost in row.samples.filter(at__gte=begin, at__lt=end, cost__gt=0).values_list("at", "cost"):
        found[_hour(at)] += cost
    return found


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _tell_drift(row: GpuEndpoint, now: datetime) -> None:
    """Whether the bills of a day are far above what we thought: then something costs that we do not see."""
    sums = GpuBill.objects.filter(endpoint=row, hour__gte=now - DAY).aggregate(bill=Sum("amount"), ours=Sum("estimate"))
    bill, ours = sums["bill"] or Decimal(0), sums["ours"] or Decimal(0)
    found = {}
    if bill > ours * DRIFT + DRIFT_USD:
        sentence = _(
            "The bill of a day is %(bill)s USD, and the looks at its workers came to %(ours)s USD. Something costs "
            "that was not seen: compare with the provider's console."
        )
        found["bill"] = sentence % {"bill": f"{bill:.2f}", "ours": f"{ours:.2f}"}
    alarms.settle(row, found, {"bill"})
