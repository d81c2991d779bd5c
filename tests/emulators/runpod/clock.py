"""Simulated time: faster than real, and moved by hand."""

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Simulated seconds since it was made: `speed` of them pass in a real one, and `skip` adds some at once."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._began = time.monotonic()
        self._skipped = 0.0
        self._origin = datetime.now(UTC)

    @property
    def origin(self) -> datetime:
        """The date of its beginning."""
        return self._origin

    def since(self, origin: datetime, at_least: float) -> float:
        """What a clock of this origin reads now, by the real date; after skips it may be ahead of that already."""
        return max(at_least, (datetime.now(UTC) - origin).total_seconds())

    def resume(self, origin: datetime, reading: float) -> None:
        """Go on as the clock that began at `origin`, from this reading."""
        self._origin, self._skipped = origin, reading
        self._began = time.monotonic()

    def reading(self) -> float:
        return (time.monotonic() - self._began) * self.speed + self._skipped

    def skip(self, seconds: float) -> None:
        self._skipped += seconds

    def date(self, seconds: float) -> datetime:
        return self._origin + timedelta(seconds=seconds)

    def seconds(self, date: datetime) -> float:
        return (date - self._origin).total_seconds()

    def text(self, seconds: float) -> str:
        """As RFC 3339 in UTC, to the millisecond."""
        return self.date(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")
