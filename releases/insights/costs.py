"""What a month comes to: Decimal, each currency by itself, nothing converted, nothing guessed.

A month has 730 hours, as providers and the seed reckon. Where something is paid for, or a price is valid, for a part of
a month only, its days count against the days of that month.
"""

from bisect import bisect_right
from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from releases.models import CostItem, CostKind, Price, PriceUnit

HOURS_OF_A_MONTH: Final = Decimal(730)
CENT: Final = Decimal("0.01")
MONTHS_OF_A_YEAR: Final = 12

type Sums = dict[str, Decimal]  # by currency


@dataclass(frozen=True)
class Rate:
    """One price of a unit."""

    amount: Decimal
    unit: str
    currency: str

    def for_a_month(self, quantity: Decimal) -> Decimal:
        """What so many cost in a whole month; not rounded."""
        often = HOURS_OF_A_MONTH if self.unit == PriceUnit.HOUR else Decimal(1)
        return self.amount * often * quantity


@dataclass(frozen=True)
class Line:
    """One item in one month. `amount` is None where a day of it has no price: then the month's total is not whole."""

    item: CostItem
    amount: Decimal | None
    currency: str
    rate: Rate | None
    days: int


@dataclass
class Month:
    """All that is paid for in one month."""

    first: date
    lines: list[Line] = field(default_factory=list)

    @property
    def sums(self) -> Sums:
        """By currency."""
        return _sums(self.lines)

    @property
    def without_gpu(self) -> Sums:
        """By currency, as the seed sums it up: it has its GPU beside the total."""
        return _sums([line for line in self.lines if line.item.kind != CostKind.GPU])

    @property
    def unpriced(self) -> list[CostItem]:
        """What has no price on some day."""
        return [line.item for line in self.lines if line.amount is None]

    def sum_of(self, currency: str, kind: str = "") -> Decimal | None:
        """Of one currency, and maybe one kind alone; None: nothing of it has a price, so nobody knows."""
        lines = [line for line in self.lines if kind in ("", line.item.kind)]
        unknown = None if any(line.amount is None for line in lines) else Decimal(0)
        return _sums(lines).get(currency, unknown)


class PriceTable:
    """The prices of one project by short name and day."""

    def __init__(self, prices: Iterable[Price]) -> None:
        self._rows: dict[str, list[tuple[date, Rate]]] = defaultdict(list)
        for price in sorted(prices, key=lambda one: one.valid_from):
            rate = Rate(price.amount, price.unit, price.currency)
            self._rows[price.key].append((price.valid_from, rate))

    @property
    def is_any(self) -> bool:
        """Whether it has a price at all."""
        return bool(self._rows)

    def on(self, key: str, day: date) -> Rate | None:
        """The price valid on the day; None before the first one."""
        rows = self._rows.get(key, [])
        place = bisect_right(rows, day, key=lambda row: row[0])
        return rows[place - 1][1] if place else None


def month_of(first: date, items: Iterable[CostItem], table: PriceTable) -> Month:
    """What the items come to in the month that begins at `first`."""
    last = first.replace(day=monthrange(first.year, first.month)[1])
    there = [item for item in items if item.starts_on <= last and (item.ends_on is None or item.ends_on >= first)]
    return Month(first, [_line(item, first, last, table) for item in there])


def months(until: date, count: int) -> list[date]:
    """The first days of so many months, the newest (that of `until`) last."""
    first = until.replace(day=1)
    found = [first]
    while len(found) < count:
        found.append((found[-1] - timedelta(days=1)).replace(day=1))
    return found[::-1]


def _line(item: CostItem, first: date, last: date, table: PriceTable) -> Line:
    begin, end = max(item.starts_on, first), min(item.ends_on or last, last)
    days = (end - begin).days + 1
    spans = list(_spans(item, begin, end, table))
    rates = [rate for rate, _count in spans]
    known = [(rate, count) for rate, count in spans if rate is not None]
    newest = rates[-1] if rates else None
    if len(known) < len(spans) or len({rate.currency for rate, _count in known}) != 1:
        return Line(item, None, newest.currency if newest else "", newest, days)
    whole = Decimal((last - first).days + 1)
    amount = sum((rate.for_a_month(item.quantity) * count / whole for rate, count in known), Decimal(0))
    return Line(item, amount, known[-1][0].currency, newest, days)


def _spans(item: CostItem, begin: date, end: date, table: PriceTable) -> Iterator[tuple[Rate | None, int]]:
    """The prices of the days from `begin` to `end`, each with how many days in a row it holds."""
    if item.own_amount is not None:
        yield Rate(item.own_amount, item.own_unit, item.own_currency), (end - begin).days + 1
        return
    held, count = table.on(item.price_key, begin), 0
    day = begin
    while day <= end:
        rate = table.on(item.price_key, day)
        if rate != held:
            yield held, count
            held, count = rate, 0
        count, day = count + 1, day + timedelta(days=1)
    yield held, count


def _sums(lines: Sequence[Line]) -> Sums:
    found: Sums = defaultdict(Decimal)
    for line in lines:
        if line.amount is not None:
            found[line.currency] += line.amount
    return dict(found)
