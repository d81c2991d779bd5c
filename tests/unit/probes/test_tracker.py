"""From answers to outages."""

from datetime import UTC, datetime, timedelta

import pytest

from releases.probes.answers import Answer
from releases.probes.tracker import ACTIVE, ACTIVE_DOWN, IDLE, IDLE_DOWN, Closed, Opened, Tracker, period

START = datetime(2026, 11, 25, 2, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def answer(seconds: float, ok: bool | None) -> Answer:
    return Answer(at(seconds), ok, 1.0, "" if ok else "refused")


def feed(tracker: Tracker, *answers: Answer) -> list[Opened | Closed]:
    return [change for item in answers for change in tracker.answer(tracker.send(), item)]


def test_an_outage_lasts_from_the_first_failure_to_the_first_good_answer_after_it():
    changes = feed(Tracker(7), *[answer(s, s < 2 or s >= 5) for s in range(8)])
    assert changes == [Opened(7, at(2), "refused"), Closed(7, at(5))]


def test_what_was_not_measured_changes_nothing():
    tracker = Tracker(7)
    assert feed(tracker, answer(0, True), answer(1, None)) == []
    assert feed(tracker, answer(2, False), answer(3, None), answer(4, False)) == [Opened(7, at(2), "refused")]
    assert tracker.is_down


def test_answers_are_judged_in_the_order_of_the_requests():
    tracker = Tracker(7)
    hanging, quick, third = tracker.send(), tracker.send(), tracker.send()
    assert tracker.answer(quick, answer(0.5, True)) == []
    assert tracker.answer(third, answer(1, True)) == []
    assert tracker.answer(hanging, answer(0, False)) == [Opened(7, at(0), "refused"), Closed(7, at(0.5))]


def test_it_goes_on_from_an_outage_that_was_open():
    tracker = Tracker(7, at(0))
    assert feed(tracker, answer(1, False)) == []
    assert feed(tracker, answer(2, True)) == [Closed(7, at(2))]
    assert not tracker.is_down


def test_an_outage_never_ends_before_it_began():
    assert feed(Tracker(7, at(10)), answer(3, True)) == [Closed(7, at(10))]


@pytest.mark.parametrize(
    ("active", "down", "late", "seconds"),
    [
        (False, False, False, IDLE),
        (False, True, False, IDLE_DOWN),
        (True, False, False, ACTIVE),
        (True, True, False, ACTIVE_DOWN),
        (True, False, True, ACTIVE_DOWN),
    ],
)
def test_the_rhythm(active, down, late, seconds):
    assert period(active=active, down=down, late=late) == seconds
