"""The rules about headroom; what is not known is never fine."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import translation

from releases.insights import headroom
from releases.insights.answer_times import LEAST_SAMPLES, AnswerTimes
from releases.insights.credits import balance
from releases.insights.headroom import CLOSE, NONE, OK, OVER, UNKNOWN, Rule, Seen
from releases.models import CapacityHour, CapacitySample, Price

NOW = datetime(2026, 11, 28, 10, 30, tzinfo=UTC)
T4G = Price(key="t4g.xlarge", cpu_baseline=40, vcpu=4)
GB = 10**9


def hours(cpu: float | None, count: int = 168, until: datetime = NOW) -> list[CapacityHour]:
    last = until.replace(minute=0)
    return [CapacityHour(hour=last - timedelta(hours=ago), cpu=cpu, readings=12) for ago in reversed(range(count))]


def sample(**changes: Any) -> CapacitySample:
    whole = {
        "at": NOW - timedelta(minutes=3), "memory_total": 16 * GB, "memory_used": 8 * GB, "connections": 5,
        "max_connections": 100, "disks": [{"path": "/", "total": 100 * GB, "used": 20 * GB}],
    }  # fmt: skip
    return CapacitySample(**whole | changes)


def answers(p95: float = 120.0, samples: int = 1440, minutes: int = 1, limit: float = 2.0) -> AnswerTimes:
    return AnswerTimes("Backend", limit, samples, p95, NOW - timedelta(minutes=minutes))


def rules(**seen: Any) -> dict[str, Rule]:
    return {rule.code: rule for rule in headroom.rules(Seen(NOW, **seen))}


def test_without_a_reading_nothing_is_known() -> None:
    found = rules()
    assert {rule.state for rule in found.values()} == {UNKNOWN}
    assert all(rule.evidence for rule in found.values())
    assert headroom.worst(list(found.values())) == UNKNOWN


def test_a_quiet_host_is_fine() -> None:
    found = rules(sample=sample(), hours=hours(10), instance=T4G, answers=[answers()])
    assert {rule.state for rule in found.values()} == {OK}
    assert headroom.worst(list(found.values())) == OK
    assert all(rule.at and not rule.next_step for rule in found.values())


@pytest.mark.parametrize(
    ("changes", "code", "state"),
    [
        ({"memory_used": 12 * GB}, "memory", CLOSE),
        ({"memory_used": 13 * GB}, "memory", OVER),
        ({"connections": 71}, "connections", CLOSE),
        ({"connections": 80}, "connections", CLOSE),
        ({"connections": 81}, "connections", OVER),
        ({"connections": None}, "connections", UNKNOWN),
        ({"max_connections": None}, "connections", UNKNOWN),
        ({"memory_used": None}, "memory", UNKNOWN),
        ({"disks": []}, "disk", UNKNOWN),
        (
            {"disks": [{"path": "/", "total": 100, "used": 20}, {"path": "/var", "total": 100, "used": 91}]},
            "disk",
            OVER,
        ),
    ],
)
def test_the_newest_reading_decides(changes: dict[str, Any], code: str, state: str) -> None:
    rule = rules(sample=sample(**changes), hours=hours(10), instance=T4G)[code]
    assert rule.state == state
    assert bool(rule.next_step) is (state in {CLOSE, OVER})


def test_a_reading_that_failed_or_is_old_tells_nothing() -> None:
    found = rules(sample=sample(problem="The host can't be reached."), hours=hours(10), instance=T4G)
    assert found["memory"].state == UNKNOWN
    assert found["memory"].evidence == "The host can't be reached."
    found = rules(sample=sample(at=NOW - timedelta(minutes=16)), hours=hours(10), instance=T4G)
    assert {found[code].state for code in ("memory", "connections", "disk")} == {UNKNOWN}


@pytest.mark.parametrize(
    ("cpu", "count", "state"), [(71, 168, OVER), (65, 168, CLOSE), (50, 168, OK), (90, 83, UNKNOWN), (90, 84, OVER)]
)
def test_a_week_of_cpu(cpu: float, count: int, state: str) -> None:
    assert rules(hours=hours(cpu, count))["cpu"].state == state


def test_a_week_that_ended_long_ago_tells_nothing_about_now() -> None:
    assert rules(hours=hours(10, until=NOW - timedelta(days=2)))["cpu"].state == UNKNOWN


def test_hours_without_a_figure_do_not_count_as_idle() -> None:
    assert rules(hours=hours(None))["cpu"].state == UNKNOWN
    assert rules(hours=[*hours(None, 84), *hours(80, 84)])["cpu"].value == 80


def test_a_balance_that_depends_on_its_beginning_is_not_known() -> None:
    assert rules(hours=hours(40, 10), instance=T4G)["credit"].state == UNKNOWN


@pytest.mark.parametrize(
    ("cpu", "count", "state"), [(0, 24, OK), (20, 168, OK), (100, 17, OVER), (60, 168, OVER), (0, 5, CLOSE)]
)
def test_credits_by_the_baseline(cpu: float, count: int, state: str) -> None:
    assert rules(hours=hours(cpu, count), instance=T4G)["credit"].state == state


def test_credits_need_a_type_and_fresh_hours() -> None:
    assert rules(hours=hours(10))["credit"].state == UNKNOWN
    assert rules(hours=hours(10), instance=Price(key="m7g.large"))["credit"].state == NONE
    old = hours(10, until=NOW - timedelta(hours=3))
    assert rules(hours=old, instance=T4G)["credit"].state == UNKNOWN


@pytest.mark.parametrize(
    ("seen", "state", "words"),
    [
        ([answers(400)], OK, "Backend: 400 ms (samples: 1,440)"),
        ([answers(401)], CLOSE, "401 ms"),
        ([answers(500)], CLOSE, "500 ms"),
        ([answers(500.1)], OVER, "501 ms"),
        ([answers(float("inf"))], OVER, "more than 5 of 100 requests got no answer within 2 s"),
        ([answers(float("inf"), limit=0.3)], UNKNOWN, "within 0.3 s"),
        ([answers(100, samples=LEAST_SAMPLES)], OK, "100 ms"),
        ([answers(100, samples=LEAST_SAMPLES - 1)], UNKNOWN, "too few to say (samples: 479 of at least 480)"),
        ([answers(900, samples=LEAST_SAMPLES - 1)], UNKNOWN, "too few"),
        ([answers(100, minutes=16)], UNKNOWN, "no answer of the last 15 minutes"),
        ([AnswerTimes("Backend", 2.0)], UNKNOWN, "Backend: no answer"),
        ([answers(100), AnswerTimes("Frontend", 2.0)], UNKNOWN, "Backend: 100 ms"),
        ([answers(100), answers(450)], CLOSE, "450 ms"),
        ([answers(900), AnswerTimes("Frontend", 2.0)], OVER, "Frontend: no answer"),
        ([], UNKNOWN, "No health check"),
    ],
)
def test_the_slowest_service_decides(seen: list[AnswerTimes], state: str, words: str) -> None:
    with translation.override("en"):
        rule = rules(answers=seen)["response"]
    assert rule.state == state
    assert words in rule.evidence
    assert bool(rule.next_step) is (state in {CLOSE, OVER})


def test_the_figure_is_the_slowest_of_those_that_decide() -> None:
    rule = rules(answers=[answers(100), answers(600), answers(800, minutes=3), answers(450)])["response"]
    assert (rule.value, rule.unit, rule.at) == (800, "ms", NOW - timedelta(minutes=3))
    assert rules(answers=[answers(float("inf"))])["response"].value is None


def test_a_day_under_the_baseline_fills_the_balance() -> None:
    found = balance([0.0] * 24, 40)
    assert found is not None
    assert (found.least, found.most) == (pytest.approx(100), 100)
    spent = balance([100.0] * 16, 40)  # 60 % over a baseline of 40 %: a full balance lasts 16 hours
    assert spent is not None
    assert (spent.least, spent.most) == (0, pytest.approx(0))
    assert balance([], 40) is None


def test_not_known_comes_before_close() -> None:
    states = [Rule("cpu", CLOSE), Rule("memory", UNKNOWN), Rule("disk", OK)]
    assert headroom.worst(states) == UNKNOWN
    assert headroom.worst([*states, Rule("credit", OVER)]) == OVER
    assert headroom.worst([Rule("credit", NONE), Rule("cpu", OK)]) == OK
