"""The bill: what workers cost, by endpoint and hour of simulated time."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from .clock import Clock
from .endpoint import Endpoint

HOUR = timedelta(hours=1)
NOTHING = {"totalAmount": 0.0, "gpuAmount": 0.0, "cpuAmount": 0.0, "diskAmount": 0.0, "feeAmount": 0.0}


class Meter:
    """`seconds`: billed seconds of workers by endpoint, also of those that are deleted."""

    def __init__(self, clock: Clock) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._clock = clock
        self._amounts: defaultdict[tuple[str, datetime, str], float] = defaultdict(float)

    def add(self, endpoints: Iterable[Endpoint], start: float, end: float) -> None:
        """Bill this span, in which no worker changes its status."""
        for endpoint in endpoints:
            for worker in endpoint.workers:
                if (seconds := worker.costs(start, end)) > 0:
                    worker.billed += seconds
                    self.seconds[endpoint.id] += seconds
                    kind = "gpuAmount" if worker.gpu_type else "cpuAmount"
                    self._spread(endpoint.id, kind, worker.price, end - seconds, end)

    def _spread(self, endpoint: str, kind: str, price: float, start: float, end: float) -> None:
        """`price`: USD per hour. Each hour of the calendar gets its part."""
        begin, stop = self._clock.date(start), self._clock.date(end)
        while begin < stop:
            hour = begin.replace(minute=0, second=0, microsecond=0)
            part = min(stop, hour + HOUR)
            self._amounts[endpoint, hour, kind] += price * ((part - begin) / HOUR)
            begin = part

    def cost(self, endpoint: str | None = None) -> float:
        """USD so far, of one endpoint or of all."""
        return sum(amount for (owner, _, _), amount in self._amounts.items() if endpoint in (None, owner))

    def records(self, start: datetime, end: datetime, size: str, endpoint: str | None) -> list[dict[str, Any]]:
        """A record for each endpoint and bucket in which it cost something."""
        found: dict[tuple[datetime, str], dict[str, float]] = {}
        for (owner, hour, kind), amount in self._amounts.items():
            if start <= hour < end and endpoint in (None, owner):
                amounts = found.setdefault((floor(hour, size), owner), dict(NOTHING))
                amounts[kind] += amount
                amounts["totalAmount"] += amount
        return [
            {"serverlessId": owner, "startTime": text(begin), "endTime": text(after(begin, size)), **amounts}
            for (begin, owner), amounts in sorted(found.items())
        ]

    def written(self) -> dict[str, Any]:
        """The whole bill, for JSON."""
        rows = [[owner, hour.isoformat(), kind, amount] for (owner, hour, kind), amount in self._amounts.items()]
        return {"seconds": self.seconds, "amounts": rows}

    def read(self, bill: dict[str, Any]) -> None:
        """The opposite."""
        seconds = {owner: float(value) for owner, value in bill["seconds"].items()}
        rows = bill["amounts"]
        amounts = {(owner, datetime.fromisoformat(hour), kind): float(amount) for owner, hour, kind, amount in rows}
        self.seconds, self._amounts = defaultdict(float, seconds), defaultdict(float, amounts)


def window(now: datetime, query: dict[str, Any]) -> tuple[datetime, datetime]:
    """The span asked for, widened to whole buckets."""
    size = query.get("bucketSize", "day")
    if "lastN" in query:
        start = floor(now, size)
        end = after(start, size)
        for _ in range(query["lastN"] - 1):
            start = floor(start - timedelta(seconds=1), size)
        return start, end
    start = _given(query, "startTime", now - timedelta(days=30))
    end = _given(query, "endTime", now)
    last = floor(end, size)
    return floor(start, size), last if last == end else after(last, size)


def _given(query: dict[str, Any], name: str, otherwise: datetime) -> datetime:
    return datetime.fromisoformat(query[name]).astimezone(UTC) if name in query else otherwise


def floor(moment: datetime, size: str) -> datetime:
    """The start of the bucket that a moment lies in."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if size == "hour":
        return hour
    day = hour.replace(hour=0)
    if size == "week":
        return day - timedelta(days=day.weekday())
    return {"day": day, "month": day.replace(day=1), "year": day.replace(month=1, day=1)}[size]


def after(start: datetime, size: str) -> datetime:
    """The start of the bucket that follows the one starting at `start`."""
    length = {"hour": HOUR, "day": 24 * HOUR, "week": 168 * HOUR, "month": 32 * 24 * HOUR, "year": 367 * 24 * HOUR}
    return floor(start + length[size], size)


def text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
