"""Faults of those who drive: killed, frozen, told twice, replaced."""

import os
import signal
import uuid
from dataclasses import replace
from datetime import datetime

import psutil

from tests.faults import observer
from tests.faults.registry import Turns, crowd, one
from tests.faults.rig import Rig, until
from tests.faults.run import Result, Run, now
from tests.faults.slot import Slot, Work

# In the worker: the row is committed, before the connection, before and after the launch is sent, the machine
# answered, bytes came, were about to be stored, were stored, the step ended, its end is about to be kept, was kept,
# the deployment is about to end.
DRIVER_POINTS = (
    "after_begin", "before_launch", "before_session", "after_exec", "heard", "after_write", "before_store",
    "after_store", "after_follow", "before_finish", "after_finish", "before_conclude",
)  # fmt: skip
# On the machine: the worker dies while the step wrapper is just there.
HOST_POINTS = ("before_claim", "after_claim", "before_start", "after_start", "before_result", "after_result")

NOT_BEGUN = ("after_claim", "before_start")  # where the machine holds nobody up


@one("F1", "worker killed with -9 at each exact point", reattach_limit=15.0)
def killed(slot: Slot, random: Turns) -> Result:
    """The step is done once, and somebody else brings the deployment to its true end."""
    point = random.turn(DRIVER_POINTS + HOST_POINTS)
    run = slot.draft(Work(code=random.choice((0, 0, 3)), lines=random.randint(1, 60)), Work("next"))
    if point in HOST_POINTS:
        moment = _kill_while_host_is_at(slot, run, point)
    else:
        taken = slot.rig.order(run.pk, point)
        run.start()
        until(lambda: not taken.exists(), what=f"#{run.pk} to come to {point}")
        moment = now()
    result = run.judge()
    seconds = run.taken_after(moment)
    if seconds is not None:
        result.reattach.append(seconds)
    result.check(seconds is not None or result.lost, f"#{run.pk}: nobody took over after {point}")
    return result


def _kill_while_host_is_at(slot: Slot, run: Run, point: str) -> datetime:
    """The next driver comes while the machine is still there, and then the machine goes on."""
    go = slot.folder / "go"
    go.unlink(missing_ok=True)
    slot.order(point, f"until [ -e {go} ]; do sleep 0.02; done")
    run.start()
    slot.reached(point)
    os.kill(run.driver(), signal.SIGKILL)
    moment = now()
    until(lambda: run.taken_after(moment), what=f"#{run.pk} to be driven again")
    if point in NOT_BEGUN:
        run.until_begun()  # by the next driver; the machine then goes on with what the dead one had sent
    go.touch()
    return moment


@one("F7", "the same message delivered 50 times")
def told_often(slot: Slot, random: Turns) -> Result:
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


NOT_LAUNCHED = ("after_begin", "before_launch")
# In the middle of a write, with a lock that everybody needs: "audit_locked".
FROZEN_POINTS = (
    *("before_launch", "audit_locked", "after_write", "after_begin"),  # the first three are what `make test` runs
    *("before_store", "before_finish", "before_conclude"),
)


@one("F9", "worker frozen past its lease, then thawed")
def frozen(slot: Slot, random: Turns) -> Result:
    """Another driver goes on; what the thawed one still wants to write is refused, here and on the machine."""
    point = random.turn(FROZEN_POINTS)
    cancelled = point in NOT_LAUNCHED and random.random() < 0.5
    go = slot.folder / "go"
    go.unlink(missing_ok=True)
    wait = f"until [ -e {go} ]; do sleep 0.05; done"  # the step is at work, and silent, when the frozen one thaws
    run = slot.draft(Work(after=wait, lines=5, code=random.choice((0, 3))), Work("next"))
    if point in {"audit_locked", "before_finish", "before_conclude"}:
        go.touch()
    taken = slot.rig.order(run.pk, point, "stop")
    run.start()
    until(lambda: not taken.exists(), what=f"#{run.pk} to come to {point}")
    process, moment = run.driver(), now()
    try:
        if cancelled:
            run.cancel()
        until(lambda: run.taken_after(moment), what=f"another driver of #{run.pk}")
        if cancelled:
            run.until_over()
    finally:
        thawed = now()
        os.kill(process, signal.SIGCONT)
    _let_it_write(process)
    go.touch()
    result = run.judge(statuses=("succeeded", "failed", "cancelled"))
    result.check(not cancelled or run.times_begun() == 0, f"#{run.pk} was cancelled before it began, and began")
    result.check(not _stale_writes(run, process, thawed), f"#{run.pk}: writes of a thawed worker after {point}")
    if point in NOT_LAUNCHED or _launched_by_another(run):
        said = _launched_by_the_old(run)
        result.check(said == "fenced", f"#{run.pk}: the machine took a command of the first driver; it said {said}")
    return result


def _launched_by_another(run: Run) -> bool:
    """A driver after the first began something.

    One that only read what the first had launched told the machine nothing. Then the first has nothing left to launch
    either: before each launch comes a write, which is refused.
    """
    first = observer.leases(run.pk)[0].token
    return any(attempt.token > first for key in ("work", "next") for attempt in run.attempts(key))


def _launched_by_the_old(run: Run) -> str:
    """The state that the machine gives to a launch by the run's first driver, of whatever."""
    from django.conf import settings

    from releases.remote.connection import open_transport
    from releases.remote.steps import StepClient, StepScript

    target = replace(run.slot.sshd.target, private_key=settings.SSH_KEY_FILE)
    fence = f"environment-{run.deployment.environment_id}"
    script = StepScript(uuid.uuid4().hex, b"true", {}, {}, fence, observer.leases(run.pk)[0].token, 60, None)
    transport = open_transport(target)
    try:
        return StepClient(transport).launch_and_follow(script, 0, lambda data: None, lambda: False).state
    finally:
        transport.close()


def _let_it_write(process: int) -> None:
    """Wait until the thawed worker has done whatever it does: it takes a message of somebody else's, or rests."""
    until(lambda: _rests(process), 60, f"worker {process} to rest")


def _rests(process: int) -> bool:
    """It waits for work: no thread of a driver is left in it."""
    try:
        return psutil.Process(process).num_threads() == 1
    except psutil.NoSuchProcess:
        return True


def _stale_writes(run: Run, process: int, thawed: datetime) -> list[tuple[str, datetime]]:
    """What the process wrote since, unless it took the lease again before."""
    again = [taken.at for taken in observer.leases(run.pk) if taken.process == process and taken.at > thawed]
    return [found for found in observer.writes(run.pk, process, thawed) if not again or found[1] < again[0]]


@crowd("F20", "workers replaced one by one in the middle", reattach_limit=2.0)
def upgraded(rig: Rig, slots: list[Slot], random: Turns) -> list[Result]:
    """A new worker comes, the old one is told to end: no step runs again, and leases change hands at once."""
    runs = [slot.begin(Work(lines=random.randint(60, 120), pause=0.05), Work("next")) for slot in slots]
    for run in runs:
        run.until_begun()
    old = rig.worker
    name = f"worker-{random.getrandbits(32):x}"
    rig.program("worker", name).start()
    rig.programs["worker"] = rig.programs.pop(name)
    rig.until_working(rig.worker)
    moment = now()
    old.stop()
    results = [run.judge() for run in runs]
    for run, result in zip(runs, results, strict=True):
        seconds = run.taken_after(moment)
        if seconds is not None:
            result.reattach.append(seconds)
    return results
