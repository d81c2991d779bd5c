"""How long services took to answer Cloud Wiki's own health checks, over the time for which answers are kept.

Health checks ask twice a minute at rest, and many times a second while a deployment runs or a service is down. So that
such minutes weigh no more than others, the first request of each minute counts.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf, isinf
from typing import Final

from django.db import connection

from releases.models import Probe

WINDOW: Final = timedelta(hours=24)  # answers are kept for so long
LEAST_SAMPLES: Final = 480  # eight hours of it; fewer say too little about a day

# One that ran into its time limit took longer than any that was answered. Other failures are outages, and tell nothing
# of speed. percentile_disc: a value that was measured, so that what has no end is never averaged.
# Each minute is looked up in the index of answers, so that many answers in a minute take no longer than two.
_SPREAD: Final = """
SELECT p.id, count(*), percentile_disc(0.95) WITHIN GROUP (ORDER BY one.milliseconds), max(one.at),
  percentile_disc(0.5) WITHIN GROUP (ORDER BY one.milliseconds)
FROM unnest(%(probes)s::bigint[]) AS p (id)
CROSS JOIN generate_series(date_trunc('minute', %(since)s), %(now)s, interval '1 minute') AS minute
CROSS JOIN LATERAL (
  SELECT r.at, CASE WHEN r.ok THEN r.milliseconds ELSE 'Infinity' END AS milliseconds
  FROM releases_proberesult r
  WHERE r.probe_id = p.id AND r.at >= minute AND r.at < minute + interval '1 minute'
    AND r.at > %(since)s AND r.at <= %(now)s AND (r.ok OR r.detail LIKE 'timeout:%%')
  ORDER BY r.at LIMIT 1
) AS one GROUP BY p.id"""


@dataclass(frozen=True)
class AnswerTimes:
    """One service's: `p95` and the median in milliseconds over `samples` requests, the newest of them at `at`.

    `limit` (seconds) is the health check's own; `p95` has no end where more than 5 of 100 requests ran into it.
    """

    service: str
    limit: float
    samples: int = 0
    p95: float = inf
    at: datetime | None = None
    median: float = inf

    @property
    def ran_out(self) -> bool:
        """More than 5 of 100 requests got no answer in time."""
        return isinf(self.p95)


def of_environments(environments: Collection[int], now: datetime) -> dict[int, list[AnswerTimes]]:
    """Of every service with a health check that is on, by the environment's number. Two queries."""
    rows = Probe.objects.filter(environment__in=environments, enabled=True).select_related("service")
    probes = list(rows.order_by("environment", "service__position", "pk"))
    spread = _spread([probe.pk for probe in probes], now)
    found: dict[int, list[AnswerTimes]] = defaultdict(list)
    for probe in probes:
        measured = spread.get(probe.pk, ())
        found[probe.environment_id].append(AnswerTimes(probe.service.name, probe.timeout, *measured))
    return found


def of_probe(probe: Probe, now: datetime) -> AnswerTimes:
    """Of one health check with its service. One query."""
    return AnswerTimes(probe.service.name, probe.timeout, *_spread([probe.pk], now).get(probe.pk, ()))


def _spread(probes: list[int], now: datetime) -> dict[int, tuple[int, float, datetime, float]]:
    """Samples, p95 and the newest of each probe; those without any are not in it."""
    with connection.cursor() as cursor:
        cursor.execute(_SPREAD, {"probes": probes, "since": now - WINDOW, "now": now})
        return {probe: tuple(measured) for probe, *measured in cursor.fetchall()}
