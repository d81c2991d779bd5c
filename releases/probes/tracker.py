"""From answers to outages, and how often to ask. Pure: no clock, no network, no database."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from releases.probes.answers import Answer

IDLE = 30.0  # seconds between requests when nothing happens
IDLE_DOWN = 1.0  # while a service is down outside a deployment
ACTIVE = 0.5  # during a deployment: half of the promised second, so that the first failure is found in time
ACTIVE_DOWN = 0.15  # during a deployment, while it is down or an answer is late: the end must be sharp
LATE = 0.3  # seconds after which a pending answer is suspicious
IN_FLIGHT = 20  # requests of one probe that may wait for an answer at once


@dataclass(frozen=True)
class Opened:
    """A service went down: `at` is when the first failed request was sent."""

    probe: int
    at: datetime
    detail: str


@dataclass(frozen=True)
class Closed:
    """A service is back: `at` is when the first good request after the failure was sent."""

    probe: int
    at: datetime


Change = Opened | Closed


def period(*, active: bool, down: bool, late: bool = False) -> float:
    """Seconds until the next request."""
    if active:
        return ACTIVE_DOWN if down or late else ACTIVE
    return IDLE_DOWN if down else IDLE


class Tracker:
    """Judges the answers of one probe in the order in which the requests were sent.

    Requests overlap (a hanging one must not hide that the next is answered), so answers come in any order;
    one waits here until all earlier ones are in.
    """

    def __init__(self, probe: int, down_since: datetime | None = None) -> None:
        self.probe = probe
        self.down_since = down_since
        self._waiting: OrderedDict[int, Answer | None] = OrderedDict()
        self._last = 0

    @property
    def is_down(self) -> bool:
        """The last judged answer was a failure."""
        return self.down_since is not None

    def send(self) -> int:
        """Note that a request is sent; returns its number."""
        self._last += 1
        self._waiting[self._last] = None
        return self._last

    def answer(self, number: int, answer: Answer) -> list[Change]:
        """Take in an answer; returns the changes that are now certain."""
        self._waiting[number] = answer
        return [change for done in self._in_order() if (change := self._judge(done))]

    def _in_order(self) -> Iterator[Answer]:
        while self._waiting and (first := next(iter(self._waiting.values()))) is not None:
            self._waiting.popitem(last=False)
            yield first

    def _judge(self, answer: Answer) -> Change | None:
        if answer.ok is False and self.down_since is None:
            self.down_since = answer.at
            return Opened(self.probe, answer.at, answer.detail)
        if answer.ok and self.down_since is not None:
            at = max(answer.at, self.down_since)
            self.down_since = None
            return Closed(self.probe, at)
        return None
