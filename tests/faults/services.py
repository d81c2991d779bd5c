"""Faults of what all share: Redis emptied or away, PostgreSQL restarted or away."""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import cycle
from random import Random

import psutil

from tests.faults.held import Held, held
from tests.faults.registry import crowd
from tests.faults.rig import Program, Rig, until
from tests.faults.run import Result, Run
from tests.faults.slot import Slot, Work

START_SECONDS = 5.0  # that a press of the button may take although the broker is away
CANCEL_SECONDS = 30.0  # from the press to the end of the deployment
AWAY = 12.0  # seconds without a database: longer than a lease
ROLES = ("running", "queued", "pressed")
# How PostgreSQL ends, and for how many seconds it is away then.
OUTAGES = cycle(
    [
        (("kill", AWAY), ("stop", 0.0)),
        (("kill", 0.0), ("stop", AWAY)),
        (("stop", AWAY), ("kill", 0.0)),
        (("stop", 0.0), ("kill", AWAY)),
    ]
)


@crowd("F2", "Redis flushed, then restarted empty after 0-20 s", reattach_limit=30.0)
def redis_emptied(rig: Rig, slots: list[Slot], random: Random) -> list[Result]:
    """Every run goes on, whatever Redis forgot: the message that starts it, those that were taken, the queue itself.

    A third of the runs is in the middle of a step, a third has its start message in the queue that is flushed, a
    third is started while Redis is away. Ten minutes away are 20 s at most here: who tries to reach Redis again
    does so at a steady pace (cloudwiki/celery.py, releases/logs/hub.py; tests/engine/test_broker.py holds the first),
    so a longer absence only brings more of the same.
    """
    roles = {slot: ROLES[number % len(ROLES)] for number, slot in enumerate(slots)}
    running = {slot: held(slot, lines=random.randint(5, 60)) for slot in slots if roles[slot] == "running"}
    runs = {slot: running[slot].run if slot in running else slot.draft(Work(), Work("next")) for slot in slots}
    results = {slot: Result() for slot in slots}
    for slot in running:
        runs[slot].start()
    for slot in running:
        runs[slot].until_begun()
    try:
        flushed = flush(rig, rig.worker, runs[slots[0]], [runs[slot] for slot in slots if roles[slot] == "queued"])
        for slot in slots:
            if roles[slot] == "queued":
                _note(runs[slot], results[slot], flushed)
        ending = [works for works in running.values() if random.random() < 0.5]
        pressed = {slot: runs[slot] for slot in slots if roles[slot] == "pressed"}
        returned = _away(rig, random.choice((0.0, random.uniform(3, 20))), ending, list(pressed.values()))
    finally:
        if not rig.valkey.is_running():
            rig.valkey.start()
    for slot in pressed:
        _note(runs[slot], results[slot], returned)
    for works in running.values():
        works.let_end()
    return [joined(results[slot], runs[slot].judge()) for slot in slots]


def flush(rig: Rig, worker: Program, driven: Run, queued: list[Run]) -> datetime:
    """Start the runs, and empty Redis while their messages lie in the queue; returns when."""
    from releases.engine import clock, wake

    with rig.redis() as redis, frozen(worker):
        wake.send("drive", driven.pk)  # the read that the worker has open still takes one
        for run in queued:
            run.start()
        until(lambda: _numbers(redis.lrange("cloudwiki", 0, -1)) >= {run.pk for run in queued}, 20, "the messages")
        redis.flushall()
        lost = not _numbers(redis.lrange("cloudwiki", 0, -1)) & {run.pk for run in queued}
        assert lost, "the messages outlived the flush"
        return clock.now()


def _away(rig: Rig, seconds: float, ending: list[Held], pressed: list[Run]) -> datetime:
    """Redis is gone for so long, and comes back with nothing; returns when it answered again."""
    from releases.engine import clock

    rig.valkey.stop()
    began = time.monotonic()
    for works in ending:
        works.let_end()
    for run in pressed:
        pressing = time.monotonic()
        run.start()
        took = time.monotonic() - pressing
        assert took < START_SECONDS, f"start took {took:.1f} s without Redis"
    for works in ending:
        until(lambda: works.run.status() == "succeeded", 60, f"#{works.run.pk} to end without Redis")  # noqa: B023
    time.sleep(max(0.0, seconds - (time.monotonic() - began)))  # the outage itself
    for kept in rig.valkey.data.iterdir():
        shutil.rmtree(kept) if kept.is_dir() else kept.unlink()
    rig.valkey.start()
    return clock.now()


def _numbers(messages: list[bytes]) -> set[int]:
    """The deployments that messages in the queue are about."""
    told = [json.loads(message)["headers"]["argsrepr"].strip("(),") for message in messages]
    return {int(number) for number in told if number.isdigit()}


@contextlib.contextmanager
def frozen(program: Program) -> Iterator[None]:
    """Nothing of it moves."""
    family = program.family()
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in reversed(family):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


def _note(run: Run, result: Result, moment: datetime) -> None:
    """Wait for somebody to drive it, and note how long that took."""
    with contextlib.suppress(TimeoutError):
        until(lambda: run.taken_after(moment) is not None, 90)
    seconds = run.taken_after(moment)
    if seconds is None:
        result.fail("lost", f"#{run.pk}: nobody drives it 90 s after Redis lost its message")
    else:
        result.reattach.append(seconds)


def joined(first: Result, second: Result) -> Result:
    """What both say."""
    for kind in ("twice", "lost", "false_success", "false_failure", "unknown"):
        setattr(second, kind, getattr(second, kind) + getattr(first, kind))
    second.reattach += first.reattach
    second.problems = first.problems + second.problems
    return second


@crowd("F3", "PostgreSQL restarted, and away for 12 s (fast stop, kill -9)")
def database_away(rig: Rig, slots: list[Slot], random: Random) -> list[Result]:
    """Steps go on and end on their hosts meanwhile; what they printed and how they ended is stored afterwards.

    Some steps end while the database is away, some after; some deployments are cancelled once it is back. 12 s are
    longer than the lease of a driver, after which nothing counts time: a driver asks each second until it answers.
    """
    works = {
        slot: held(slot, lines=random.randint(20, 200), code=random.choice((0, 0, 0, 3)) if number % 3 else 0)
        for number, slot in enumerate(slots)
    }
    cancelled = {slot for number, slot in enumerate(slots) if number % 3 == 2}
    ending = [works[slot] for number, slot in enumerate(slots) if number % 3 == 0]
    for kept in works.values():
        kept.run.start()
    for kept in works.values():
        kept.run.until_begun()
    for how, seconds in next(OUTAGES):
        _without_database(rig, how, seconds, ending)
    results = {slot: _cancelled(works[slot].run) if slot in cancelled else Result() for slot in slots}
    for kept in works.values():
        kept.let_end()
    allowed = ("succeeded", "failed", "cancelled")
    return [joined(results[slot], works[slot].run.judge(statuses=allowed)) for slot in slots]


def _without_database(rig: Rig, how: str, seconds: float, ending: list[Held]) -> None:
    """End PostgreSQL, see these steps end on their hosts without it, and start it again."""
    from django.db import connections

    connections.close_all()
    postgres = rig.postgres
    try:
        if how == "kill":
            os.kill(postgres.process.pid, signal.SIGKILL)
            postgres.process.wait()
        else:
            postgres.stop()
        began = time.monotonic()
        for works in ending:
            works.let_end()
        for works in ending:
            until(lambda: works.has_ended, 60, "a step to end without PostgreSQL")  # noqa: B023
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))  # the outage itself
    finally:
        postgres.start()


def _cancelled(run: Run) -> Result:
    """Cancel it, as a person may who sees it run again; that must not wait for the end of the step."""
    from releases.audit import Actor
    from releases.engine import decide
    from releases.models import Deployment, lease

    until(lambda: lease.remaining(run.pk), what=f"a driver of #{run.pk}")
    result, began = Result(), time.monotonic()
    decide.cancel(Deployment.objects.get(pk=run.pk), Actor(run.slot.world.requester))
    run.until_over(CANCEL_SECONDS)
    took = time.monotonic() - began
    result.check(run.status() == "cancelled", f"#{run.pk} is {run.status()} {took:.0f} s after its cancel")
    return result
