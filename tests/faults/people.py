"""Faults of people: two at once, one too late, one whose page is old."""

import threading
import uuid
from collections.abc import Callable
from random import Random

from tests.faults.registry import one
from tests.faults.rig import until
from tests.faults.run import Result, now
from tests.faults.slot import Slot, Work

RACES = 2  # a run; 50 runs are the hundred races of the list


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Do everything at the same moment; what each gave back or raised."""
    from django.db import connections

    barrier, results = threading.Barrier(len(acts)), [None] * len(acts)

    def act(place: int) -> None:
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


@one("F8", "two people press Deploy at once")
def two_people(slot: Slot, random: Random) -> Result:
    """One deployment runs; the other person is told which one."""
    from releases.engine.errors import Blocked

    result = Result()
    for _race in range(RACES):
        first = slot.draft(Work(lines=3))
        second = first.twin()
        said = at_once(first.start, second.start)
        refused = [answer for answer in said if isinstance(answer, Blocked)]
        result.check(said.count(None) == 1 and len(refused) == 1, f"#{first.pk} and #{second.pk} said {said}")
        runs = [run for run in (first, second) if run.status() != "draft"]
        result.check(len(runs) == 1, f"{len(runs)} of #{first.pk} and #{second.pk} run")
        for run in runs:
            result.problems.extend(run.judge().problems)
        if first.times_begun() != 1:
            result.fail("twice", f"the host began #{first.pk} or #{second.pk} {first.times_begun()} times")
    _double_click(slot, result)
    return result


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
def too_late(slot: Slot, random: Random) -> Result:
    """There is one outcome, the same in every row and in the API's answer."""
    act = random.choice((_cancel_meets_end, _cancel_meets_end, _withdrawn_meets_start, _changed_plan, _stale_rows))
    return act(slot, random)


def _cancel_meets_end(slot: Slot, random: Random) -> Result:
    """The driver is held at an exact point while a person cancels."""
    from releases import lifecycle

    point = random.choice(CANCEL_POINTS)
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


def _withdrawn_meets_start(slot: Slot, random: Random) -> Result:
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


def _changed_plan(slot: Slot, random: Random) -> Result:
    """What was approved is not what would run now: it does not start, by whichever digest it is asked for."""
    from releases.engine.errors import Blocked
    from releases.models import Release

    result = Result()
    run = slot.draft(Work(lines=2))
    old = run.deployment.plan.digest
    Release.objects.filter(pk=slot.world.release.pk).update(commit=f"{random.getrandbits(28):07x}")
    (said,) = at_once(run.start)
    result.check(isinstance(said, Blocked), f"#{run.pk} started with a plan that is out of date: {said}")
    run.rebuild()
    (said,) = at_once(lambda: run.start(old))
    result.check(isinstance(said, Blocked), f"#{run.pk} started by the digest of its old plan: {said}")
    result.check(run.times_begun() == 0, f"#{run.pk} began")
    run.start()
    result.problems.extend(run.judge().problems)
    return result


def _stale_rows(slot: Slot, random: Random) -> Result:
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
