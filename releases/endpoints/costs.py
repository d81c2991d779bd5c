"""What endpoints have cost, and the budgets of their environment. USD as Decimal.

By the looks at their workers; where the bill of an hour came to more, because nobody looked then, by the bill.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import F, QuerySet, Sum
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from releases.models import Environment, GpuBill, GpuEndpoint, GpuSample


def spent(environment: Environment, since: datetime) -> Decimal:
    """What all endpoints of the environment cost since then, retired ones, too."""
    rows = GpuSample.objects.filter(endpoint__environment=environment, at__gte=since)
    seen = rows.aggregate(total=Sum("cost"))["total"] or Decimal(0)
    return seen + _unseen(GpuBill.objects.filter(endpoint__environment=environment, hour__gte=since))


def spent_each(environments: Collection[Environment], since: datetime) -> Iterator[tuple[int, int, Decimal]]:
    """The same by endpoint, in parts: number of the environment, of the endpoint, USD. Two queries."""
    samples = GpuSample.objects.filter(endpoint__environment__in=environments, at__gte=since)
    bills = GpuBill.objects.filter(endpoint__environment__in=environments, hour__gte=since, amount__gt=F("estimate"))
    for rows, amount in ((samples, F("cost")), (bills, F("amount") - F("estimate"))):
        yield from rows.order_by().values_list("endpoint__environment", "endpoint").annotate(total=Sum(amount))


def spent_by(endpoint: GpuEndpoint) -> Decimal:
    """What one endpoint cost since it was created."""
    return endpoint.cost + _unseen(GpuBill.objects.filter(endpoint=endpoint))


def _unseen(bills: QuerySet[GpuBill]) -> Decimal:
    """By how much the bills of single hours are above what the looks came to."""
    more = bills.filter(amount__gt=F("estimate")).aggregate(total=Sum(F("amount") - F("estimate")))
    return more["total"] or Decimal(0)


def day_begins(environment: Environment, now: datetime) -> datetime:
    """Midnight in the environment's zone."""
    return environment.local(now).replace(hour=0, minute=0, second=0, microsecond=0)


def month_begins(environment: Environment, now: datetime) -> datetime:
    """The first day's midnight in the environment's zone."""
    return day_begins(environment, now).replace(day=1)


def budgets(
    environment: Environment, policy: Mapping[str, Any], now: datetime | None = None
) -> list[tuple[str | Promise, Decimal, Decimal | None]]:
    """Of the day and the month: its name, what was spent, and the budget (None: no limit)."""
    moment = now or timezone.now()
    periods = (
        (_("today"), day_begins(environment, moment), policy["budget_day"]),
        (_("this month"), month_begins(environment, moment), policy["budget_month"]),
    )
    return [(name, spent(environment, since), Decimal(limit) if limit else None) for name, since, limit in periods]
