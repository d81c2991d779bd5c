"""Intervals of several probes as one downtime."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from releases.probes.clock import union

START = datetime(2026, 11, 25, 2, tzinfo=UTC)
INTERVALS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12)


def interval(start: int, end: int) -> tuple[datetime, datetime]:
    return START + timedelta(seconds=start), START + timedelta(seconds=end)


@given(INTERVALS)
def test_a_second_is_counted_once_however_many_probes_failed_in_it(pairs):
    down = {second for start, end in pairs for second in range(start, end)}
    merged = union(interval(start, end) for start, end in pairs)
    assert sum((end - start).total_seconds() for start, end in merged) == len(down)
    assert all(first[1] < second[0] for first, second in pairwise(merged))


def test_touching_intervals_become_one():
    assert union([interval(5, 8), interval(0, 5)]) == [interval(0, 8)]
