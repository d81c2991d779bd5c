"""Faults of people: two at once, one too late, one whose page is old."""

import threading
import uuid
from collections.abc import Callable
from contextlib import suppress

from tests.faults.registry import Turns, one
from tests.faults.rig import until
from tests.faults.run import Result, now
from tests.faults.slot import Slot, Work

RACES = 2  # a run; 50 runs are the hundred races of the list


_meeting = threading.local()


def at_once(*acts: Callable[[], object], meet_at: str = "") -> list[object]:
    """Do everything at the same moment; what each gave back or raised.

    `meet_at`: a fault point at which they wait for one another, a second at most.
    """
    from django.db import connections

    from releases.remote import faults

    barrier, results = threading.Barrier(len(acts)), [None] * len(acts)

    if meet_at:
        faults.hook = _meet
    place_to_meet = threading.Barrier(len(acts))

    def act(place: int) -> None:
        _meeting.point, _meeting.barrier = meet_at, place_to_meet
        barrier.wait()
        try:
            results[place] = acts[place]()  # type: ignore[call-overload]
        except Exception as error:
            results[place] = error  # type: ignore[call-overload]
        finally:
            connections.close_all()

    threads = [threading.Thread(target=act, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(results)


def _meet(point: str) -> None:
    if point == getattr(_meeting, "point", ""):
        with suppress(threading.BrokenBarrierError):
            _meeting.barrier.wait(1)


@one("F8", "two people press Deploy at once")
def two_people(slot: Slot, random: Turns) -> Result:
    """One deployment runs; the other person is told which one."""
    from releases.engine.errors import Blocked

    result = Result()
    go = slot.folder / "go"
    held = f"until [ -e {go} ]; do sleep 0.02; done"  # else the first might be over before the second one presses
    for _race in range(RACES):
        go.unlink(missing_ok=True)
        first = slot.draft(Work(lines=3, after=held))
        second = first.twin()
        said = at_once(first.start, second.start)
        go.touch()
        refused = [answer for answer in said if isinstance(answer, Blocked)]
        result.check(said.count(None) == 1 and len(refused) == 1, f"#{first.pk} and #{second.pk} said {said}")
        runs = [run for run in (first, second) if run.status() != "draft"]
        result.check(len(runs) == 1, f"{len(runs)} of #{first.pk} and #{second.pk} run")
        for run in runs:
            result.problems.extend(run.judge().problems)
        if first.times_begun() != 1:
            result.fail("twice", f"the host began #{first.pk} or #{second.pk} {first.times_begun()} times")
    _double_click(slot, result)
    _retry_meets_start(slot, result)
    return result


def _retry_meets_start(slot: Slot, result: Result) -> None:
    """A stopped deployment is taken up again while another one starts; both have asked the gate when either goes on."""
    go = slot.folder / "go"
    stopped = slot.begin(Work(code=3, lines=1, after=f"until [ -e {go} ]; do sleep 0.02; done"))
    result.problems.extend(stopped.judge().problems)
    draft = stopped.twin()
    go.unlink()
    said = at_once(stopped.retry, draft.start, meet_at="before_deployment_running")
    go.touch()
    result.check(said.count(None) == 1, f"#{stopped.pk} again and #{draft.pk} anew said {said}")
    until(lambda: stopped.status() != "running" and draft.status() != "running", what="both to rest")


def _double_click(slot: Slot, result: Result) -> None:
    """The same press of the same button, arriving twice at once, makes one row."""
    from releases.audit import Actor
    from releases.engine import prepare

    world, key = slot.world, uuid.uuid4().hex

    def press() -> int:
        made, _new = prepare.prepare(world.release, world.environment, world.requester, Actor(world.requester), key)
        return int(made.pk)

    said = at_once(*[press] * 4)
    result.check(len(set(map(str, said))) == 1, f"one button made the rows {said}")


CANCEL_POINTS = ("after_begin", "after_write", "after_follow", "before_finish", "after_finish", "before_conclude")


@one("F19", "cancel meets the end; consent goes while it starts")
def too_late(slot: Slot, random: Turns) -> Result:
    """There is one outcome, the same in every row and in the API's answer."""
    acts = (_cancel_meets_end, _withdrawn_meets_start, _cancel_meets_end, _changed_plan, _old_page, _stale_rows)
    act = random.turn(acts)
    return act(slot, random)


def _cancel_meets_end(slot: Slot, random: Turns) -> Result:
    """The driver is held at an exact point while a person cancels."""
    from releases import lifecycle

    point = CANCEL_POINTS[random.number // 2 % len(CANCEL_POINTS)]
    run = slot.draft(Work(code=random.choice((0, 0, 3)), lines=5), Work("next"))
    slot.rig.order(run.pk, point, "wait")
    run.start()
    taken = until(lambda: slot.rig.obeyed(run.pk, point), what=f"#{run.pk} to come to {point}")
    (said,) = at_once(run.cancel)
    taken.unlink()
    result = run.judge(statuses=("succeeded", "failed", "cancelled"))
    result.check(said is None, f"#{run.pk} could not be cancelled at {point}: {said}")
    deployment, steps = run.status(), [run.step("work"), run.step("next")]
    passed = all(step.status in lifecycle.STEP_PASSED for step in steps)
    result.check((deployment == "succeeded") == passed, f"#{run.pk} is {deployment}, its steps {_words(steps)}")
    result.check(run.shown() == deployment, f"#{run.pk} is {deployment}, but its page says {run.shown()}")
    for step in steps:
        last = run.attempts(step.key)[-1:]
        same = all(attempt.status == step.status for attempt in last)
        result.check(same, f"#{run.pk} {step.key}: the step is {step.status}, its attempt is not")
    return result


def _words(steps: list[object]) -> list[str]:
    return [getattr(step, "status", "") for step in steps]


def _withdrawn_meets_start(slot: Slot, random: Turns) -> Result:
    """Either it started with the consent, or it was withdrawn and did not start."""
    from releases.audit import Actor
    from releases.engine import consent

    result, world = Result(), slot.world
    with slot.ruled(approvals_required=1):
        run = slot.draft(Work(lines=2))
        approver = Actor(world.approver)
        given = consent.approve(run.deployment, world.approver, approver, run.deployment.plan.digest)
        started, withdrawn = at_once(run.start, lambda: consent.withdraw(given, approver))
        given.refresh_from_db()
        ran = run.status() != "draft"
        result.check((started is None) == ran, f"#{run.pk}: start said {started}, the row is {run.status()}")
        result.check(ran != (given.withdrawn_at is not None), f"#{run.pk}: it ran without consent, or was stuck")
        result.check((withdrawn is None) != ran, f"#{run.pk}: withdrawing said {withdrawn}")
        if ran:
            result.problems.extend(run.judge().problems)
        else:
            result.check(run.times_begun() == 0, f"#{run.pk} was not started, and began")
    return result


def _changed_plan(slot: Slot, random: Turns) -> Result:
    """What it rests on is not what was approved: it does not start until there is a new plan."""
    from releases.engine.errors import Blocked

    result = Result()
    run = slot.draft(Work(lines=2))
    _change_release(slot, random)
    (said,) = at_once(run.start)
    result.check(isinstance(said, Blocked), f"#{run.pk} started with a plan that is out of date: {said}")
    result.check(run.times_begun() == 0, f"#{run.pk} began")
    run.rebuild()
    run.start()
    result.problems.extend(run.judge().problems)
    return result


def _change_release(slot: Slot, random: Turns) -> None:
    from releases.models import Release

    Release.objects.filter(pk=slot.world.release.pk).update(commit=f"{random.getrandbits(28):07x}")
    slot.world.release.refresh_from_db()  # the next run in this slot begins with it


def _old_page(slot: Slot, random: Turns) -> Result:
    """The plan changed after the person opened the page: what they saw does not start."""
    from releases.engine.errors import Blocked

    result = Result()
    run = slot.draft(Work(lines=2))
    seen = run.deployment.plan.digest
    _change_release(slot, random)
    run.rebuild()
    (said,) = at_once(lambda: run.start(seen))
    result.check(isinstance(said, Blocked), f"#{run.pk} started by the digest of its old plan: {said}")
    result.check(run.times_begun() == 0, f"#{run.pk} began")
    run.start()
    result.problems.extend(run.judge().problems)
    return result


def _stale_rows(slot: Slot, random: Turns) -> Result:
    """Two that read the same row and want different things of it: one of them is refused."""
    from releases import lifecycle
    from releases.engine.errors import Conflict
    from releases.engine.status import move_deployment
    from releases.models import Deployment

    result = Result()
    run = slot.draft(Work(lines=1))
    one_copy, other_copy = (Deployment.objects.get(pk=run.pk) for _copy in range(2))
    said = at_once(
        lambda: move_deployment(one_copy, lifecycle.CANCELLED, finished_at=now()),
        lambda: move_deployment(other_copy, lifecycle.RUNNING, started_at=now()),
    )
    result.check(said.count(None) == 1, f"#{run.pk}: two movers of one row said {said}")
    result.check(sum(isinstance(answer, Conflict) for answer in said) == 1, f"#{run.pk}: nobody was refused")
    if run.status() == lifecycle.RUNNING:
        result.problems.extend(run.judge().problems)
    return result
