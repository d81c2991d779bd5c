"""How the steps of a runbook really went: against their estimates, over its newest deployments. Seconds."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import Count, Q

from releases import lifecycle
from releases.insights.durations import Percentiles, Seconds
from releases.models import Attempt, Deployment, DeploymentKind, Runbook, Step
from releases.runbooks.model import StepSpec

DEPLOYMENTS: Final = 200  # the newest ones that count
LAST: Final = 20  # successes that a suggestion looks at
FEWEST: Final = 5
FAR: Final = 0.2  # of the estimate; nearer than that it is left alone
SHARE: Final = 0.8  # of the successes that the suggested estimate is enough for
# Up to so many seconds, rounded up to so many.
ROUNDING: Final = ((10, 1), (60, 5), (600, 15), (math.inf, 60))


@dataclass
class StepFigures:
    """One step of the newest version, and what became of its tries.

    `n`, `p50`, `p95` are of the tries that succeeded; `failed` counts tries, `skipped` deployments that left it out
    by a person's word (not by a condition of the plan).
    """

    spec: StepSpec
    n: int = 0
    p50: float | None = None
    p95: float | None = None
    failed: int = 0
    tries: int = 0
    skipped: int = 0
    lately: list[float] = field(default_factory=list)

    @property
    def suggestion(self) -> int | None:
        """A better estimate; None where the one there is good enough, or too little is known."""
        return suggested(self.lately, self.spec.estimate)


def of(runbook: Runbook, specs: Sequence[StepSpec]) -> list[StepFigures]:
    """The figures of each step of `specs`, told by key over all versions of the runbook; four queries."""
    numbers = newest(runbook)
    found = {spec.key: StepFigures(spec) for spec in specs}
    for row in _tries(numbers):
        if row["step__key"] in found:
            one = found[row["step__key"]]
            one.n, one.failed, one.tries = row["ok"], row["bad"], row["tries"]
            one.p50, one.p95 = row["at"] or (None, None)
    for key, count in _skipped(numbers):
        if key in found:
            found[key].skipped = count
    for key, seconds in _lately(numbers).items():
        if key in found:
            found[key].lately = seconds
    return list(found.values())


def newest(runbook: Runbook) -> list[int]:
    """The numbers of its newest deployments that started; a rehearsal is none."""
    rows = Deployment.objects.filter(plan__runbook_version__runbook=runbook, started_at__isnull=False)
    rows = rows.exclude(kind=DeploymentKind.REHEARSAL)
    return list(rows.order_by("-pk").values_list("pk", flat=True)[:DEPLOYMENTS])


def suggested(seconds: Sequence[float], estimate: int) -> int | None:
    """What is enough for four of five of the last successes, rounded up; None unless it is far from the estimate."""
    if len(seconds) < FEWEST:
        return None
    enough = sorted(seconds)[math.ceil(round(SHARE * len(seconds), 6)) - 1]
    wanted = rounded(enough)
    return wanted if abs(wanted - estimate) > FAR * estimate else None


def rounded(seconds: float) -> int:
    """Up to a number that people say: 7 s, 35 s, 4:15, 12 min."""
    unit = next(unit for limit, unit in ROUNDING if seconds <= limit)
    return max(math.ceil(round(seconds, 6) / unit) * unit, 1)


def _tries(numbers: list[int]) -> Iterable[Mapping[str, Any]]:
    ok = Q(status=lifecycle.SUCCEEDED, started_at__isnull=False)
    bad = Q(status__in=[lifecycle.FAILED, lifecycle.ERRORED, lifecycle.TIMED_OUT])
    rows = Attempt.objects.filter(step__deployment__in=numbers).values("step__key").order_by()
    return rows.annotate(
        tries=Count("pk"),
        ok=Count("pk", filter=ok),
        bad=Count("pk", filter=bad),
        at=Percentiles(Seconds("finished_at", "started_at"), filter=ok),
    )


def _skipped(numbers: list[int]) -> Iterable[tuple[str, int]]:
    """By a person: one that the plan left out never gets a time of its end."""
    rows = Step.objects.filter(deployment__in=numbers, status=lifecycle.SKIPPED, finished_at__isnull=False)
    return rows.values_list("key").annotate(n=Count("pk")).order_by()


def _lately(numbers: list[int]) -> dict[str, list[float]]:
    """The last successes of each step, newest first."""
    rows = Attempt.objects.filter(
        step__deployment__in=numbers, status=lifecycle.SUCCEEDED, started_at__isnull=False
    ).annotate(seconds=Seconds("finished_at", "started_at"))
    found: dict[str, list[float]] = defaultdict(list)
    for key, seconds in rows.order_by("-finished_at", "-pk").values_list("step__key", "seconds"):
        if len(found[key]) < LAST:
            found[key].append(seconds)
    return found
