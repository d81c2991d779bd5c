"""CPU credits of instances that have a baseline: an estimate from measured CPU, since hosts do not know their balance.

A balance holds what a day at the baseline earns. Each hour under the baseline fills it, each hour above empties it;
vCPUs cancel out. What it held at first is not known, so both ends are reckoned: empty and full.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

HOURS_OF_A_FULL_BALANCE: Final = 24


@dataclass(frozen=True)
class Balance:
    """Percent of a full balance: if it was empty at the first of the hours, and if it was full."""

    least: float
    most: float

    def is_under(self, limit: float) -> bool | None:
        """None while that depends on what it held at first."""
        if self.most < limit:
            return True
        return False if self.least >= limit else None


def balance(cpu_of_hours: Iterable[float], baseline: int) -> Balance | None:
    """After these hours (percent of the whole machine, oldest first). None without any. Unread hours change nothing."""
    least, most, count = 0.0, 100.0, 0
    for cpu in cpu_of_hours:
        gained = 100.0 * (baseline - cpu) / (baseline * HOURS_OF_A_FULL_BALANCE)
        least, most = (min(100.0, max(0.0, share + gained)) for share in (least, most))
        count += 1
    return Balance(least, most) if count else None
