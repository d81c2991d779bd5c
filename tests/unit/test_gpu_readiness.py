"""What numbers of workers and jobs mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.gpu.nouns import Health, Phase, Workers
from releases.gpu.readiness import ADVICE, SLOW_COLD, judge

LONG, SHORT = 600.0, 1.0
FEW = st.integers(min_value=0, max_value=3)


@st.composite
def some_workers(draw: st.DrawFn) -> Workers:
    counts = {name: draw(FEW) for name in ("running", "idle", "initializing", "throttled", "unhealthy")}
    return Workers(**counts, total=sum(counts.values()))


SOME_HEALTH = st.builds(Health, in_queue=FEW, in_progress=FEW)


@given(some_workers(), SOME_HEALTH, st.floats(min_value=0, max_value=1e5), st.none() | FEW)
def test_everything_has_a_phase_a_reason_and_advice(
    workers: Workers, health: Health, waited: float, maximum: int | None
) -> None:
    seen = judge(workers, health, waited, maximum)
    assert seen.reason and seen.advice
    assert (seen.phase is Phase.CRASH_LOOP) == (workers.unhealthy > 0)
    if seen.phase is Phase.READY:
        assert workers.ready > 0
    if seen.phase is Phase.BROKEN_IMAGE:
        assert workers.idle > 0 and health.in_queue > 0 and health.in_progress == 0
    if seen.phase is Phase.CAPACITY:
        assert workers.ready == workers.initializing == 0


@pytest.mark.parametrize(
    ("workers", "health", "waited", "phase"),
    [
        (Workers(unhealthy=1, total=1), Health(in_queue=1), SHORT, Phase.CRASH_LOOP),
        (Workers(throttled=1, total=1), Health(in_queue=1), SHORT, Phase.CAPACITY),
        (Workers(), Health(in_queue=1), LONG, Phase.CAPACITY),
        (Workers(), Health(in_queue=1), SHORT, Phase.COLD),
        (Workers(), Health(), LONG, Phase.ASLEEP),
        (Workers(initializing=1, total=1), Health(in_queue=1), SHORT, Phase.COLD),
        (Workers(initializing=1, throttled=1, total=2), Health(in_queue=1), SHORT, Phase.COLD),
        (Workers(idle=1, total=1), Health(in_queue=1), LONG, Phase.BROKEN_IMAGE),
        (Workers(idle=1, total=1), Health(in_queue=1), SHORT, Phase.COLD),
        (Workers(idle=1, total=1), Health(), LONG, Phase.READY),
        (Workers(running=1, total=1), Health(in_queue=9, in_progress=1), LONG, Phase.READY),
    ],
)
def test_each_cause_is_told_from_the_others(workers: Workers, health: Health, waited: float, phase: Phase) -> None:
    assert judge(workers, health, waited).phase is phase


def test_no_worker_allowed_is_told_unless_one_is_still_there() -> None:
    assert judge(Workers(), Health(in_queue=1), LONG, 0).phase is Phase.STOPPED
    assert judge(Workers(running=1, total=1), Health(in_progress=1), LONG, 0).phase is Phase.READY


def test_a_start_that_takes_too_long_has_other_advice() -> None:
    assert judge(Workers(initializing=1, total=1), Health(), LONG).advice == SLOW_COLD


def test_each_phase_has_its_own_advice() -> None:
    assert set(ADVICE) == set(Phase)
    assert len(set(ADVICE.values())) == len(ADVICE)
