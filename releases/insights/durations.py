"""Durations in the database: seconds between two columns, and their spread in one aggregate."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from django.contrib.postgres.fields import ArrayField
from django.db.models import Aggregate, Count, F, FloatField, Func, Q, Sum
from django.db.models.expressions import Combinable

FRACTIONS: Final = (0.5, 0.95)


class Seconds(Func):
    """Seconds from one moment to another, with their fractions."""

    template = "EXTRACT(EPOCH FROM (%(expressions)s))::double precision"
    arg_joiner = " - "

    def __init__(self, end: Combinable | str, start: Combinable | str) -> None:
        super().__init__(end, start, output_field=FloatField())


class Percentiles(Aggregate):
    """Percentiles of an expression, between values where they fall between (as `percentile_cont` does)."""

    function = "PERCENTILE_CONT"
    name = "Percentiles"

    def __init__(self, expression: Any, fractions: Sequence[float] = FRACTIONS, **extra: Any) -> None:
        wanted = ", ".join(repr(float(fraction)) for fraction in fractions)
        self.template = f"%(function)s(ARRAY[{wanted}]) WITHIN GROUP (ORDER BY %(expressions)s)%(filter)s"
        super().__init__(expression, output_field=ArrayField(FloatField()), **extra)


class Spread(NamedTuple):
    """How durations are spread, in seconds; None where there is none (`n` is 0)."""

    n: int
    p50: float | None
    p95: float | None
    total: float | None


def spread(name: str, seconds: Any, where: Q) -> dict[str, Any]:
    """Aggregates of `seconds` over the rows that `where` holds for and that have a value; `read` takes them up."""
    return {
        f"{name}_n": Count(seconds, filter=where),
        f"{name}_at": Percentiles(seconds, filter=where),
        f"{name}_total": Sum(seconds, filter=where, output_field=FloatField()),
    }


def read(name: str, found: dict[str, Any]) -> Spread:
    """What `spread` asked for, from the answer."""
    p50, p95 = found[f"{name}_at"] or (None, None)
    return Spread(found[f"{name}_n"], p50, p95, found[f"{name}_total"])


def taken() -> Seconds:
    """Seconds from the start of a deployment to its end."""
    return Seconds(F("finished_at"), F("started_at"))
