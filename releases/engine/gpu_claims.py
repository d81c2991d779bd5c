"""One worker at a time at an endpoint: a column of its row says since when one is at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q

from releases.engine import clock
from releases.models import GpuEndpoint


@dataclass(frozen=True)
class Claim:
    """One sort of work. `abandoned`: after which another worker takes it up; `parts`: related rows read with it."""

    column: str
    abandoned: timedelta
    parts: tuple[str, ...]
    wanted: Q = field(default_factory=Q)

    def is_free(self, now: datetime) -> Q:
        """That no worker is at it."""
        return Q(**{f"{self.column}__isnull": True}) | Q(**{f"{self.column}__lt": now - self.abandoned})

    @contextmanager
    def held(self, number: int) -> Iterator[GpuEndpoint | None]:
        """The living row, while nobody else is at it; None where another worker is, or nothing is wanted of it."""
        now = clock.now()
        rows = GpuEndpoint.objects.living().filter(pk=number)
        if rows.filter(self.wanted, self.is_free(now)).update(**{self.column: now}) != 1:
            yield None
            return
        mine = {self.column: now}
        try:
            yield rows.select_related(*self.parts).filter(**mine).first()
        finally:
            GpuEndpoint.objects.filter(pk=number, **mine).update(**{self.column: None})
