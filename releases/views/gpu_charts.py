"""The charts of an endpoint's page: costs by hour and by day, workers, cold starts."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import F, Max, Sum
from django.db.models.functions import TruncDay, TruncHour
from django.utils.translation import gettext as _

from releases.models import GpuBill, GpuEndpoint, GpuProof, GpuSample
from releases.templatetags.charts import Chart, Series, columns

HOURS: Final = 48
DAYS: Final = 31

Sums = Mapping[datetime, Decimal]


def of(row: GpuEndpoint, now: datetime) -> list[Chart]:
    """Workers and costs of the last two days by the hour, costs of the last month by the day. Four queries."""
    zone = ZoneInfo(row.environment.zone)
    since = now - timedelta(hours=HOURS)
    hour = TruncHour("at", tzinfo=zone)
    samples = GpuSample.objects.filter(endpoint=row, at__gte=since).annotate(slot=hour).values("slot").order_by()
    grouped = {
        entry["slot"]: entry for entry in samples.annotate(total=Sum("cost"), most=Max(F("running") + F("idle")))
    }
    billed = dict(GpuBill.objects.filter(endpoint=row, hour__gte=since).values_list("hour", "amount"))
    slots = [_hour(now - timedelta(hours=ago), zone) for ago in reversed(range(HOURS))]
    labels = [f"{slot:%m-%d %H:%M}" for slot in slots]
    workers = Series(_("Workers"), [float(grouped[slot]["most"]) if slot in grouped else None for slot in slots])
    totals = {slot: entry["total"] for slot, entry in grouped.items()}
    bills = {slot.astimezone(zone): amount for slot, amount in billed.items()}
    return [
        columns("workers-chart", _("Workers, the most in an hour"), labels, [workers], _number),
        _costs("hours-chart", _("Cost by the hour"), labels, slots, totals, bills),
        _days(row, now, zone),
    ]


def _days(row: GpuEndpoint, now: datetime, zone: ZoneInfo) -> Chart:
    since = now - timedelta(days=DAYS)
    samples = GpuSample.objects.filter(endpoint=row, at__gte=since).annotate(slot=TruncDay("at", tzinfo=zone))
    spent = dict(samples.values("slot").order_by().annotate(total=Sum("cost")).values_list("slot", "total"))
    bills = GpuBill.objects.filter(endpoint=row, hour__gte=since).annotate(slot=TruncDay("hour", tzinfo=zone))
    billed = dict(bills.values("slot").order_by().annotate(total=Sum("amount")).values_list("slot", "total"))
    slots = [_hour(now - timedelta(days=ago), zone).replace(hour=0) for ago in reversed(range(DAYS))]
    return _costs("days-chart", _("Cost by the day"), [f"{slot:%m-%d}" for slot in slots], slots, spent, billed)


def _costs(key: str, title: str, labels: list[str], slots: list[datetime], seen: Sums, billed: Sums) -> Chart:
    """What our looks came to, and a mark for what was billed; nothing where nobody looked, or no bill came."""
    series = Series.of(_("Cost"), map(seen.get, slots))
    beside = Series.of(_("billed"), map(billed.get, slots))
    return columns(key, title, labels, [series], _usd, beside=beside)


def cold_starts(proofs: Iterable[GpuProof], zone: ZoneInfo) -> Chart:
    """How long the first answer took each time that no worker was ready, oldest first."""
    cold = [proof for proof in reversed(list(proofs)) if proof.was_cold and proof.first is not None]
    labels = [f"{proof.at.astimezone(zone):%m-%d %H:%M}" for proof in cold]
    answers = Series(_("First answer"), [proof.first for proof in cold])
    return columns("starts-chart", _("Cold starts"), labels, [answers], _seconds)


def _hour(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(minute=0, second=0, microsecond=0)


def _usd(amount: float) -> str:
    return f"{_number(amount)} USD"


def _seconds(value: float) -> str:
    return f"{_number(value)} s"


def _number(value: float) -> str:
    return f"{value:.4f}" if 0 < value < 0.01 else f"{value:.2f}".rstrip("0").rstrip(".")
