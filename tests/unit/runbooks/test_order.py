"""Which steps may run, side by side or one after the other."""

from dataclasses import dataclass

import pytest

from releases.runbooks.order import find_cycle, ready, waves


@dataclass(frozen=True)
class Line:
    key: str
    after: tuple[str, ...] = ()


STEPS = [Line("a"), Line("b", ("a",)), Line("c", ("a",)), Line("d", ("b", "c")), Line("e", ("d",))]


def keys(steps):
    return [step.key for step in steps]


@pytest.mark.parametrize(
    ("done", "expected"),
    [((), ["a"]), (("a",), ["b", "c"]), (("a", "b"), ["c"]), (("a", "b", "c"), ["d"]), (tuple("abcde"), [])],
)
def test_ready_waits_for_everything_before(done, expected):
    assert keys(ready(STEPS, done)) == expected


def test_waves_group_what_may_run_side_by_side():
    assert [keys(group) for group in waves(STEPS)] == [["a"], ["b", "c"], ["d"], ["e"]]


def test_waves_refuse_a_circle():
    with pytest.raises(ValueError, match="wait for each other"):
        waves([Line("a", ("b",)), Line("b", ("a",))])


@pytest.mark.parametrize(
    ("after", "cycle"),
    [
        ({"a": [], "b": ["a"], "c": ["a", "b"]}, []),
        ({"a": ["a"]}, ["a"]),
        ({"a": [], "b": ["c", "a"], "c": ["d"], "d": ["b"]}, ["b", "c", "d"]),
        ({"a": ["nowhere"]}, []),
    ],
)
def test_find_cycle_names_the_circle(after, cycle):
    assert find_cycle(after) == cycle


def test_a_long_chain_is_no_problem():
    chain = {str(number): [str(number - 1)] for number in range(5000, 0, -1)}
    assert find_cycle(chain) == []
