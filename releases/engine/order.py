"""Which steps may start now."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from releases import lifecycle
from releases.models import Step

HALTED = lifecycle.STEP_STOPPED | {lifecycle.UNKNOWN}


def next_steps(steps: Sequence[Step], after: Mapping[str, tuple[str, ...]], now: datetime) -> list[Step]:
    """The pending steps whose predecessors all passed; none while a step is stopped or unknown.

    A skipped step passes only when its own predecessors did, so a condition that is false does not let its
    followers overtake.
    """
    if any(step.status in HALTED for step in steps):
        return []
    passed = _passed(steps, after)
    return [
        step
        for step in steps
        if step.status == lifecycle.PENDING
        and (step.retry_at is None or step.retry_at <= now)
        and all(key in passed for key in after[step.key])
    ]


def _passed(steps: Sequence[Step], after: Mapping[str, tuple[str, ...]]) -> set[str]:
    waiting = {step.key for step in steps if step.status in lifecycle.STEP_PASSED}
    passed: set[str] = set()
    while True:
        more = {key for key in waiting if all(before in passed for before in after[key])}
        if not more:
            return passed
        passed |= more
        waiting -= more
