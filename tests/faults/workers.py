"""Faults of those who drive: killed, frozen, told twice, replaced."""

import os
import signal
from datetime import datetime
from random import Random

from tests.faults.registry import one
from tests.faults.rig import until
from tests.faults.run import Result, Run
from tests.faults.slot import Slot, Work

# In the worker: the row is committed, before the connection, before and after the launch is sent, the machine
# answered, bytes came, the step ended, its end is about to be kept, was kept, the deployment is about to end.
DRIVER_POINTS = (
    "after_begin", "before_launch", "before_session", "after_exec", "heard", "after_write", "before_store",
    "after_store", "after_follow", "before_finish", "after_finish", "before_conclude",
)  # fmt: skip
# On the machine: the worker dies while the step wrapper is just there.
HOST_POINTS = ("before_claim", "after_claim", "before_start", "after_start", "before_result", "after_result")


@one("F1", "worker killed with -9 at each exact point", reattach_limit=15.0)
def killed(slot: Slot, random: Random) -> Result:
    """The step is done once, and somebody else brings the deployment to its true end."""
    point = random.choice(DRIVER_POINTS + HOST_POINTS)
    run = slot.draft(Work(code=random.choice((0, 0, 3)), lines=random.randint(1, 60)), Work("next"))
    if point in HOST_POINTS:
        moment = _kill_while_host_is_at(slot, run, point)
    else:
        taken = slot.rig.order(run.pk, point)
        run.start()
        until(lambda: not taken.exists(), what=f"#{run.pk} to come to {point}")
        moment = _now()
    result = run.judge()
    _note_reattach(run, result, moment, point)
    return result


def _kill_while_host_is_at(slot: Slot, run: Run, point: str) -> datetime:
    go = slot.folder / "go"
    go.unlink(missing_ok=True)
    slot.order(point, f"until [ -e {go} ]; do sleep 0.02; done")
    run.start()
    slot.reached(point)
    os.kill(run.driver(), signal.SIGKILL)
    moment = _now()
    go.touch()
    return moment


def _now() -> datetime:
    from releases.engine import clock

    return clock.now()


def _note_reattach(run: Run, result: Result, moment: datetime, point: str) -> None:
    seconds = run.taken_after(moment)
    if seconds is not None:
        result.reattach.append(seconds)
    result.check(seconds is not None or result.lost, f"#{run.pk}: nobody took over after {point}")


@one("F7", "the same message delivered 50 times")
def told_often(slot: Slot, random: Random) -> Result:
    """One driver drives; the other 49 messages do nothing."""
    run = slot.draft(Work(lines=random.randint(10, 80)), Work("next"))
    _send(run.pk, 25)
    run.start()
    _send(run.pk, 25)
    return run.judge()


def _send(deployment: int, times: int) -> None:
    from releases.engine import wake

    for _time in range(times):
        wake.send("drive", deployment)
