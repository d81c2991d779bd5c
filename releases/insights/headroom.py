"""The scale-up rules of the seed over what was read from a host: each with its state, what it rests on, what to do.

What is not known is never fine: a rule without a fresh reading says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.utils.translation import gettext as _

from releases.insights import headroom_words as words
from releases.insights.answer_times import LEAST_SAMPLES, AnswerTimes
from releases.insights.credits import balance
from releases.insights.shares import connection_share, disk_share, memory_share
from releases.models import CapacityHour, CapacitySample, Price

OK, CLOSE, OVER, UNKNOWN, NONE = "ok", "close", "over", "unknown", "none"
PERCENT, MILLISECONDS = "%", "ms"
FRESH: Final = timedelta(minutes=15)  # a reading older than that tells nothing about now
WEEK: Final = timedelta(days=7)
LEAST_HOURS: Final = 84  # of a week's 168 that must have been read before a week is judged
CREDIT, CREDIT_CLOSE = 20, 40  # percent of a full balance; under it
CPU, CPU_CLOSE = 70, 60  # percent, mean of a week; above it
MEMORY, MEMORY_CLOSE = 80, 70
CONNECTIONS, CONNECTIONS_CLOSE = 80, 70
RESPONSE, RESPONSE_CLOSE = 500, 400  # milliseconds, 95th percentile of a day; above it
DISK, DISK_CLOSE = 90, 80  # ours: the seed names none
CODES: Final = ("credit", "cpu", "memory", "response", "connections", "disk")


@dataclass(frozen=True)
class Rule:
    """One rule and how it stands. `value` in `unit`; `at`: of the newest reading that it rests on."""

    code: str
    state: str
    value: float | None = None
    at: datetime | None = None
    evidence: str = ""
    unit: str = PERCENT

    @property
    def title(self) -> str:
        """The rule in words, with its limit."""
        return words.title(self.code)

    @property
    def next_step(self) -> str:
        """What to do; "" where nothing is to be done."""
        return words.next_step(self.code) if self.state in {CLOSE, OVER} else ""


@dataclass(frozen=True)
class Seen:
    """What is known of one host: its newest reading, the hours of a week (oldest first), its instance type.

    `answers`: how fast the services of its environment answered.
    """

    now: datetime
    sample: CapacitySample | None = None
    hours: Sequence[CapacityHour] = field(default_factory=tuple)
    instance: Price | None = None
    answers: Sequence[AnswerTimes] = field(default_factory=tuple)


def rules(seen: Seen) -> list[Rule]:
    """All of them, in the seed's order."""
    return [
        _credit(seen),
        _cpu(seen),
        _now(seen, "memory", MEMORY_CLOSE, MEMORY),
        _response(seen),
        _now(seen, "connections", CONNECTIONS_CLOSE, CONNECTIONS),
        _now(seen, "disk", DISK_CLOSE, DISK),
    ]


def worst(found: Sequence[Rule]) -> str:
    """The one word for all of them. Not known comes before close, so that nothing looks fine that is not known."""
    states = {rule.state for rule in found}
    return next((state for state in (OVER, UNKNOWN, CLOSE, OK) if state in states), UNKNOWN)


def _above(value: float, close: float, over: float) -> str:
    return OVER if value > over else CLOSE if value > close else OK


def _credit(seen: Seen) -> Rule:
    if seen.instance is None:
        return Rule(
            "credit", UNKNOWN, evidence=_("The instance type is not said: choose it in the settings of the reading.")
        )
    if not seen.instance.cpu_baseline:
        return Rule("credit", NONE, evidence=_("%s has no CPU credits.") % seen.instance.key)
    hours = [hour for hour in seen.hours if hour.cpu is not None]
    held = balance([hour.cpu or 0.0 for hour in hours], seen.instance.cpu_baseline)
    if held is None:
        return Rule("credit", UNKNOWN, evidence=words.nothing_read())
    at = hours[-1].hour + timedelta(hours=1)
    if seen.now - at > FRESH:
        return Rule("credit", UNKNOWN, at=at, evidence=words.too_old())
    under, close = held.is_under(CREDIT), held.is_under(CREDIT_CLOSE)
    mean = sum(hour.cpu or 0.0 for hour in hours) / len(hours)
    evidence = words.credit_words(held, mean, seen.instance.cpu_baseline, len(hours))
    if under is None:
        return Rule("credit", UNKNOWN, None, min(at, seen.now), evidence)
    state = OVER if under else OK if close is False else CLOSE
    return Rule("credit", state, held.least, min(at, seen.now), evidence)


def _cpu(seen: Seen) -> Rule:
    hours = [hour for hour in seen.hours if hour.cpu is not None]
    if not hours:
        return Rule("cpu", UNKNOWN, evidence=words.nothing_read())
    mean = sum(hour.cpu or 0.0 for hour in hours) / len(hours)
    at = min(hours[-1].hour + timedelta(hours=1), seen.now)
    if seen.now - at > FRESH:
        return Rule("cpu", UNKNOWN, mean, at, words.too_old())
    evidence = words.cpu(mean, len(hours))
    state = UNKNOWN if len(hours) < LEAST_HOURS else _above(mean, CPU_CLOSE, CPU)
    return Rule("cpu", state, mean, at, evidence)


def _response(seen: Seen) -> Rule:
    """The service that stands worst decides; of several, the slowest."""
    if not seen.answers:
        return Rule("response", UNKNOWN, evidence=words.nothing_asked(), unit=MILLISECONDS)
    states = [(_answered(one, seen.now), one) for one in seen.answers]
    state = next(state for state in (OVER, UNKNOWN, CLOSE, OK) if state in {found for found, _one in states})
    told = [one for found, one in states if found == state and one.at is not None]
    decides = max(told, key=lambda one: one.p95, default=None)
    value = decides.p95 if decides and not decides.ran_out else None
    at = decides.at if decides else None
    return Rule("response", state, value, at, words.answers(seen.answers, seen.now - FRESH), MILLISECONDS)


def _answered(one: AnswerTimes, now: datetime) -> str:
    if one.at is None or now - one.at > FRESH or one.samples < LEAST_SAMPLES:
        return UNKNOWN
    if one.ran_out:
        return OVER if one.limit * 1000 >= RESPONSE else UNKNOWN  # a shorter limit leaves open how long it took
    return _above(one.p95, RESPONSE_CLOSE, RESPONSE)


def _now(seen: Seen, code: str, close: float, over: float) -> Rule:
    """A rule about the newest reading."""
    sample = seen.sample
    if sample is None:
        return Rule(code, UNKNOWN, evidence=words.nothing_read())
    if sample.problem:
        return Rule(code, UNKNOWN, at=sample.at, evidence=sample.problem)
    share = {"memory": memory_share, "connections": connection_share, "disk": disk_share}[code](sample)
    if share is None:
        return Rule(code, UNKNOWN, at=sample.at, evidence=words.missing(code, sample.missing))
    if seen.now - sample.at > FRESH:
        return Rule(code, UNKNOWN, share, sample.at, words.too_old())
    return Rule(code, _above(share, close, over), share, sample.at, words.used(code, sample))
