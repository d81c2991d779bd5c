"""Alternatives side by side: by how much each is dearer or cheaper than the chosen one, a month and a year."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from releases.insights.costs import MONTHS_OF_A_YEAR
from releases.models import CostScenario


@dataclass(frozen=True)
class Difference:
    """Of one alternative to the chosen one; equal ends where neither is a range."""

    low: Decimal
    high: Decimal

    @property
    def is_range(self) -> bool:
        """Whether it is only known between two figures."""
        return self.low != self.high

    def a_year(self) -> "Difference":
        """Twelve of it."""
        return Difference(self.low * MONTHS_OF_A_YEAR, self.high * MONTHS_OF_A_YEAR)


@dataclass(frozen=True)
class Alternative:
    """One row of the comparison. No difference for the chosen one, without one, or in another currency."""

    row: CostScenario
    month: Difference | None
    year: Difference | None


def difference(row: CostScenario, chosen: CostScenario) -> Difference:
    """What the row costs more (or less, below 0) than the chosen one."""
    lows, highs = (row.low, chosen.low), (row.high or row.low, chosen.high or chosen.low)
    return Difference(lows[0] - highs[1], highs[0] - lows[1])


def compared(rows: Iterable[CostScenario]) -> list[tuple[str, list[Alternative]]]:
    """In groups of one basis, as only those may be compared; the chosen one first. Groups as they were entered."""
    found: list[tuple[str, list[Alternative]]] = []
    for basis, group in groupby(rows, key=lambda row: row.basis):
        members = list(group)
        chosen = next((row for row in members if row.is_chosen), None)
        found.append((basis, [_alternative(row, chosen) for row in members]))
    return sorted(found, key=lambda group: min(one.row.pk or 0 for one in group[1]))


def _alternative(row: CostScenario, chosen: CostScenario | None) -> Alternative:
    if chosen is None or chosen == row or chosen.currency != row.currency:
        return Alternative(row, None, None)
    month = difference(row, chosen)
    return Alternative(row, month, month.a_year())
