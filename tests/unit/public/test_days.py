"""The days of a service, without a database."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.public.days import Away, history, uptime

SEOUL = "Asia/Seoul"
NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)  # 18:30 in Seoul
EVER = [(NOW - timedelta(days=200), NOW)]


def at(day: int, hour: int, minute: int = 0, second: int = 0, zone: str = SEOUL) -> datetime:
    """A moment of November 2026 in the zone."""
    return datetime(2026, 11, day, hour, minute, second, tzinfo=ZoneInfo(zone))


def down(began: datetime, ended: datetime) -> Away:
    return Away(began, ended, planned=False)


def planned(began: datetime, ended: datetime) -> Away:
    return Away(began, ended, planned=True)


def test_a_service_that_always_answered() -> None:
    days = history(SEOUL, NOW, EVER, [])
    assert len(days) == 90
    assert (str(days[0].date), str(days[-1].date)) == ("2026-08-28", "2026-11-25")
    assert {day.state for day in days} == {"up"}
    assert [day.measured for day in days] == [86400] * 89 + [18 * 3600 + 30 * 60]
    assert uptime(days) == 100.0


def test_nothing_was_measured_before_the_probe_existed() -> None:
    days = history(SEOUL, NOW, [(at(20, 12), NOW)], [])
    assert [day.state for day in days] == ["none"] * 84 + ["up"] * 6
    assert days[84].measured == 12 * 3600
    assert uptime(days) == 100.0


def test_a_probe_that_never_asked_has_no_percentage() -> None:
    days = history(SEOUL, NOW, [], [])
    assert {day.state for day in days} == {"none"}
    assert uptime(days) is None


def test_an_outage_over_midnight_belongs_to_both_days_of_its_zone() -> None:
    outage = down(at(9, 23, 50), at(10, 0, 20))
    by_date = {str(day.date): day for day in history(SEOUL, NOW, EVER, [outage])}
    assert (by_date["2026-11-09"].state, by_date["2026-11-09"].down) == ("down", 600)
    assert (by_date["2026-11-10"].state, by_date["2026-11-10"].down) == ("down", 1200)
    assert by_date["2026-11-11"].state == "up"
    # In UTC the same half hour lies within one day.
    in_utc = {str(day.date): day for day in history("UTC", NOW, EVER, [outage])}
    assert [date for date, day in in_utc.items() if day.state == "down"] == ["2026-11-09"]
    assert in_utc["2026-11-09"].down == 1800


def test_an_outage_of_several_days_fills_those_between() -> None:
    days = history(SEOUL, NOW, EVER, [down(at(1, 12), at(4, 12))])
    assert [day.down for day in days if day.state == "down"] == [43200, 86400, 86400, 43200]


def test_an_outage_that_ends_at_midnight_leaves_the_next_day_alone() -> None:
    days = history(SEOUL, NOW, EVER, [down(at(1, 23), at(2, 0))])
    assert [str(day.date) for day in days if day.state == "down"] == ["2026-11-01"]


def test_planned_downtime_is_no_outage_and_counts_in_neither_part_of_the_percentage() -> None:
    days = history(SEOUL, NOW, EVER, [planned(at(4, 2), at(4, 3))])
    assert [(day.state, day.planned, day.down) for day in days if day.planned] == [("planned", 3600, 0)]
    assert uptime(days) == 100.0


def test_a_day_with_both_is_an_outage_and_tells_both() -> None:
    days = history(SEOUL, NOW, EVER, [planned(at(4, 2), at(4, 3)), down(at(4, 14), at(4, 14, 5))])
    assert [(day.state, day.planned, day.down) for day in days if day.state != "up"] == [("down", 3600, 300)]


def test_the_percentage_never_rounds_up_to_a_hundred() -> None:
    days = history(SEOUL, NOW, EVER, [down(at(4, 2), at(4, 2, 0, 1))])
    assert uptime(days) == 99.99
    assert [day.down for day in days if day.state == "down"] == [1]


def test_a_blink_is_an_outage() -> None:
    moment = at(4, 2)
    days = history(SEOUL, NOW, EVER, [down(moment, moment)])
    assert [str(day.date) for day in days if day.state == "down"] == ["2026-11-04"]


def test_what_was_down_was_measured() -> None:
    """An outage is known although no stretch of answers was kept of that time."""
    days = history(SEOUL, NOW, [], [down(at(4, 2), at(4, 4))])
    (day,) = [day for day in days if day.measured]
    assert (day.measured, day.down) == (7200, 7200)
    assert uptime(days) == 0.0


def test_overlapping_stretches_count_once() -> None:
    days = history(SEOUL, NOW, [(at(4, 2), at(4, 4)), (at(4, 3), at(4, 5))], [])
    assert [day.measured for day in days if day.measured] == [3 * 3600]


def test_what_lies_before_the_first_day_is_left_out() -> None:
    long_ago = NOW - timedelta(days=95)
    days = history(SEOUL, NOW, [], [down(long_ago, long_ago + timedelta(hours=1)), down(long_ago, NOW)])
    assert days[0].down == 86400
    assert sum(day.down for day in days) == 89 * 86400 + 18 * 3600 + 30 * 60


@pytest.mark.parametrize(
    ("zone", "now", "lengths"),
    [
        ("America/New_York", datetime(2026, 11, 2, 12, tzinfo=UTC), {25 * 3600}),  # the clock goes back on 1 November
        ("America/New_York", datetime(2026, 3, 9, 12, tzinfo=UTC), {23 * 3600}),  # and forward on 8 March
        ("Asia/Seoul", datetime(2026, 3, 9, 12, tzinfo=UTC), {24 * 3600}),  # there is no such thing in Seoul
    ],
)
def test_days_have_the_length_that_they_have(zone: str, now: datetime, lengths: set[int]) -> None:
    yesterday = history(zone, now, [(now - timedelta(days=9), now)], [], days=3)[1]
    assert {yesterday.measured} == lengths


moments = st.integers(-(100 * 86400), 0).map(lambda seconds: NOW + timedelta(seconds=seconds))
stretches = st.lists(st.tuples(moments, moments).map(lambda pair: (min(pair), max(pair))), max_size=8)


@given(stretches, stretches, st.sampled_from([SEOUL, "UTC", "America/New_York", "Pacific/Chatham"]))
def test_no_second_is_lost_or_counted_twice(
    asked: list[tuple[datetime, datetime]], gaps: list[tuple[datetime, datetime]], zone: str
) -> None:
    """The same total, reached in another way."""
    days = history(zone, NOW, asked, [down(*gap) for gap in gaps])
    begin = datetime.combine(days[0].date, datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)
    seconds = sum(
        (min(end, NOW) - max(start, begin)).total_seconds()
        for start, end in merged(gaps)
        if end > begin and start < NOW
    )
    assert abs(sum(day.down for day in days) - seconds) <= 90
    assert all(0 <= day.down <= day.measured + 1 for day in days)


def merged(stretches: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Independent of the code: joined by walking over every edge."""
    found: list[tuple[datetime, datetime]] = []
    edges = sorted({edge for stretch in stretches for edge in stretch})
    for start, end in itertools.pairwise(edges):
        if any(one <= start and end <= other for one, other in stretches):
            found.append((start, end))
    return found
