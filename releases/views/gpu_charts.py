"""The charts of an endpoint's page, as coordinates of SVG: costs by hour and by day, workers, cold starts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import F, Max, Sum
from django.db.models.functions import TruncDay, TruncHour
from django.utils.translation import gettext as _

from releases.models import GpuBill, GpuEndpoint, GpuProof, GpuSample

HEIGHT: Final = 72  # SVG units
WIDTH: Final = 600
HOURS: Final = 48
DAYS: Final = 31

Points = Sequence[tuple[datetime, float]]
Beside = tuple[str, Mapping[datetime, float]]
NOTHING: Final[Beside] = ("", {})  # no marks beside the columns


@dataclass
class Chart:
    """Columns from left to right, each with its place, its size, its text, and maybe a mark beside it."""

    title: str
    unit: str
    most: str
    columns: list[dict[str, Any]] = field(default_factory=list)
    first: str = ""
    last: str = ""
    second: str = ""  # what the marks are

    @property
    def is_empty(self) -> bool:
        return not any(column["value"] or column["mark"] for column in self.columns)


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
    costs = [(slot, float(grouped[slot]["total"]) if slot in grouped else 0.0) for slot in slots]
    workers = [(slot, float(grouped[slot]["most"]) if slot in grouped else 0.0) for slot in slots]
    marks = {slot.astimezone(zone): float(amount) for slot, amount in billed.items()}
    return [
        _chart(_("Workers, the most in an hour"), "", workers, "%m-%d %H:%M"),
        _chart(_("Cost by the hour"), "USD", costs, "%m-%d %H:%M", (_("billed"), marks)),
        _days(row, now, zone),
    ]


def _days(row: GpuEndpoint, now: datetime, zone: ZoneInfo) -> Chart:
    since = now - timedelta(days=DAYS)
    samples = GpuSample.objects.filter(endpoint=row, at__gte=since).annotate(slot=TruncDay("at", tzinfo=zone))
    spent = dict(samples.values("slot").order_by().annotate(total=Sum("cost")).values_list("slot", "total"))
    bills = GpuBill.objects.filter(endpoint=row, hour__gte=since).annotate(slot=TruncDay("hour", tzinfo=zone))
    billed = dict(bills.values("slot").order_by().annotate(total=Sum("amount")).values_list("slot", "total"))
    slots = [_hour(now - timedelta(days=ago), zone).replace(hour=0) for ago in reversed(range(DAYS))]
    costs = [(slot, float(spent.get(slot, 0))) for slot in slots]
    marks = {slot: float(amount) for slot, amount in billed.items()}
    return _chart(_("Cost by the day"), "USD", costs, "%m-%d", (_("billed"), marks))


def cold_starts(proofs: Iterable[GpuProof], zone: ZoneInfo) -> Chart:
    """How long the first answer took each time that no worker was ready, oldest first."""
    cold = [proof for proof in reversed(list(proofs)) if proof.was_cold and proof.first is not None]
    points = [(proof.at.astimezone(zone), float(proof.first or 0)) for proof in cold]
    return _chart(_("Cold starts"), "s", points, "%m-%d %H:%M")


def _hour(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(minute=0, second=0, microsecond=0)


def _chart(title: str, unit: str, points: Points, when: str, beside: Beside = NOTHING) -> Chart:
    second, marks = beside
    most = max([value for _slot, value in points] + list(marks.values()) + [0.0]) or 1.0
    step = WIDTH / max(len(points), 12)
    columns = []
    for place, (slot, value) in enumerate(points):
        height, mark = value / most * HEIGHT, marks.get(slot)
        columns.append(
            {
                "x": round(place * step, 1),
                "y": round(HEIGHT - height, 1),
                "width": round(step * 0.72, 1),
                "height": round(height, 1),
                "value": value,
                "mark": mark,
                "mark_y": None if mark is None else round(HEIGHT - mark / most * HEIGHT, 1),
                "text": f"{slot:{when}}: {_number(value)} {unit}".rstrip()
                + ("" if mark is None else f", {second} {_number(mark)}"),
            }
        )
    ends = (f"{points[0][0]:{when}}", f"{points[-1][0]:{when}}") if points else ("", "")
    return Chart(title, unit, _number(most), columns, *ends, second if marks else "")


def _number(value: float) -> str:
    return f"{value:.4f}" if 0 < value < 0.01 else f"{value:.2f}".rstrip("0").rstrip(".")
