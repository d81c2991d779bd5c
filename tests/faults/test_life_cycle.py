"""The life cycle, driven at random on the real database: nothing forbidden happens, and there is always a way out."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from releases import lifecycle
from releases.audit import Actor
from releases.engine import attempts, clock, conclude, decide, prepare, start
from releases.engine.attempts import Outcome, Retries
from releases.engine.errors import EngineError
from releases.engine.order import next_steps
from releases.engine.reconcile import DRIVEN
from releases.models import Attempt, Deployment, Step, lease
from tests.factories import make_world

pytestmark = pytest.mark.django_db(transaction=True)
# Every change of a status, as the database saw it.
WATCH = """
CREATE TABLE IF NOT EXISTS seen_status (kind text, was text, became text);
CREATE OR REPLACE FUNCTION see_status() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO seen_status VALUES (TG_ARGV[0], OLD.status, NEW.status);
    RETURN NULL;
END $$;
"""
TRIGGER = """
CREATE OR REPLACE TRIGGER see_status AFTER UPDATE OF status ON releases_{kind} FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION see_status('{kind}');
"""
WATCHED = ("deployment", "step", "attempt")  # a GPU endpoint has a state, and a table of its own
OUTCOMES = ["succeeded", "failed", "errored", "timed_out", "cancelled", "unknown"]
SHAPES = st.lists(st.sampled_from(["shell", "manual"]), min_size=1, max_size=4)
PLACES = st.integers(0, 3)
LONGEST_WAY_OUT = 60  # acts; four steps need far fewer


def runbook(kinds: list[str], side_by_side: bool) -> str:
    """A procedure of steps of these kinds."""
    steps = []
    for place, kind in enumerate(kinds):
        step: dict[str, Any] = {"key": f"s{place}", "title": {"ko": "단계", "en": "Step"}, "role": "DevOps"}
        step |= {"phase": "replace", "estimate": 1, "action": kind}
        if kind == "shell":
            step |= {"runs_on": "controller", "parameters": {"command": "true"}}
        else:
            step |= {"parameters": {"instructions": {"ko": "보세요", "en": "Look"}}}
        if side_by_side and place:
            step["after"] = ["s0"]
        steps.append(step)
    return json.dumps({"kind": "deploy", "title": {"ko": "시험", "en": "Trial"}, "steps": steps}, ensure_ascii=False)


class LifeCycle(RuleBasedStateMachine):
    """A deployment whose driver, machines and people do anything at any time."""

    @initialize(kinds=SHAPES, side_by_side=st.booleans())
    def begin(self, kinds: list[str], side_by_side: bool) -> None:
        """A draft."""
        self.world = make_world(runbook(kinds, side_by_side), approvals_required=0)
        self.actor = Actor(self.world.requester)
        self.after = {f"s{place}": _before(place, side_by_side) for place in range(len(kinds))}
        made, _new = prepare.prepare(
            self.world.release, self.world.environment, self.world.requester, self.actor, uuid.uuid4().hex
        )
        self.pk = made.pk

    @property
    def deployment(self) -> Deployment:
        """The row as it is."""
        return Deployment.objects.select_related("environment", "plan", "release").get(pk=self.pk)

    @property
    def driven(self) -> bool:
        """A driver has something to do."""
        return self.deployment.status in DRIVEN

    def step(self, place: int) -> Step:
        """One of its steps."""
        steps = list(self.deployment.steps.select_related("deployment"))
        return steps[place % len(steps)]

    def asked(self, verb: Callable[[], object]) -> bool:
        """A person asks; the engine may refuse with a sentence, and never otherwise."""
        try:
            verb()
        except EngineError as error:
            assert str(error)
            return False
        return True

    @contextmanager
    def leased(self) -> Iterator[int]:
        """A driver for one act."""
        token = lease.take(self.pk, "test")
        assert token is not None
        yield token
        lease.release(self.pk, token)

    @rule()
    def start(self) -> None:
        """A person presses start."""
        row = self.deployment
        self.asked(lambda: start.start(row, self.world.requester, self.actor, row.plan.digest))

    @rule()
    def cancel(self) -> None:
        """A person presses cancel."""
        self.asked(lambda: decide.cancel(self.deployment, self.actor))

    @rule(place=PLACES)
    def retry(self, place: int) -> None:
        """A person has a step tried again."""
        self.asked(lambda: decide.retry(self.step(place), self.actor))

    @rule(place=PLACES)
    def skip(self, place: int) -> None:
        """A person leaves a step out."""
        self.asked(lambda: decide.skip(self.step(place), self.actor, "not needed"))

    @rule(place=PLACES, worked=st.booleans())
    def confirm(self, place: int, worked: bool) -> None:
        """A person answers a manual step."""
        self.asked(lambda: decide.confirm(self.step(place), self.actor, worked, "looked", []))

    @rule(place=PLACES, answer=st.sampled_from(["worked", "failed", "again"]))
    def resolve(self, place: int, answer: str) -> None:
        """A person says how an unknown step ended."""
        self.asked(lambda: decide.resolve(self.step(place), self.actor, answer, "looked"))

    @precondition(lambda self: self.driven)
    @rule()
    def drive_next(self) -> None:
        """The driver begins what is due, as Driver._perform_what_is_due does."""
        if self.deployment.status == lifecycle.CANCELLING:
            return
        steps = list(self.deployment.steps.select_related("deployment"))
        with self.leased() as token:
            for step in next_steps(steps, self.after, clock.now()):
                status = lifecycle.WAITING if step.action == "manual" else lifecycle.DISPATCHING
                attempts.begin(step, token, None, status)

    @precondition(lambda self: self.driven)
    @rule(place=PLACES, outcome=st.sampled_from(OUTCOMES), tries=st.integers(1, 2), again=st.booleans())
    def drive_end(self, place: int, outcome: str, tries: int, again: bool) -> None:
        """A step ends somehow."""
        attempt = self._busy(place)
        if attempt is None:
            return
        again = again and outcome == lifecycle.FAILED
        with self.leased() as token:
            attempts.finish(attempt, token, Outcome(outcome, "said so", again=again), Retries(tries, 0))

    @precondition(lambda self: self.driven)
    @rule(place=PLACES)
    def drive_running(self, place: int) -> None:
        """A step is seen to run."""
        attempt = self._busy(place)
        if attempt is not None and attempt.status != lifecycle.RUNNING:
            with self.leased() as token:
                attempts.show_running(attempt, token)

    @precondition(lambda self: self.driven)
    @rule(place=PLACES)
    def drive_lost(self, place: int) -> None:
        """Its machine cannot be reached."""
        attempt = self._busy(place)
        if attempt is not None and attempt.status != lifecycle.LOST:
            with self.leased() as token:
                attempts.show_lost(attempt, token, "no route")

    @precondition(lambda self: self.driven)
    @rule()
    def drive_conclude(self) -> None:
        """The driver sees whether the whole rests."""
        with self.leased() as token:
            conclude.conclude(self.deployment, token)

    def _busy(self, place: int) -> Attempt | None:
        found = list(
            Attempt.objects.filter(step__deployment_id=self.pk, status__in=lifecycle.STEP_BUSY).select_related(
                "step__deployment"
            )
        )
        return found[place % len(found)] if found else None

    @invariant()
    def nothing_forbidden_happened(self) -> None:
        """Every change that the database saw is in the table."""
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM seen_status RETURNING kind, was, became")
            for kind, was, became in cursor.fetchall():
                assert lifecycle.allows(kind, was, became), f"a {kind} went from {was} to {became}"

    @invariant()
    def rows_agree(self) -> None:
        """A step and its newest attempt tell the same, unless it is to be tried again or was decided by a person."""
        if not hasattr(self, "pk"):
            return
        for step in self.deployment.steps.all():
            open_ones = step.attempts.exclude(status__in=lifecycle.ATTEMPT_FINISHED)
            assert open_ones.count() == (step.status in lifecycle.STEP_BUSY | {lifecycle.WAITING, lifecycle.UNKNOWN})
            for attempt in open_ones:
                assert attempt.status == step.status

    def teardown(self) -> None:
        """From wherever it is, people and the driver bring it to its end."""
        if not hasattr(self, "pk"):
            return
        for _act in range(LONGEST_WAY_OUT):
            if self.deployment.status in lifecycle.FINISHED:
                return
            self._way_out()
            self.nothing_forbidden_happened()
        raise AssertionError(f"no way out of {self.deployment.status}: {_statuses(self.deployment)}")

    def _way_out(self) -> None:
        """What a person who wants it to end does, and what the driver does then."""
        status = self.deployment.status
        if status == lifecycle.UNKNOWN:
            for step in self.deployment.steps.filter(status=lifecycle.UNKNOWN):
                assert self.asked(lambda step=step: decide.resolve(step, self.actor, "failed", "looked"))  # type: ignore[misc]
        elif status != lifecycle.CANCELLING:
            assert self.asked(lambda: decide.cancel(self.deployment, self.actor)), f"{status} cannot be cancelled"
        else:
            while self._busy(0) is not None:
                self.drive_end(0, lifecycle.CANCELLED, 1, False)
            self.drive_conclude()


def _before(place: int, side_by_side: bool) -> tuple[str, ...]:
    if not place:
        return ()
    return ("s0",) if side_by_side else (f"s{place - 1}",)


def _statuses(deployment: Deployment) -> list[str]:
    return list(deployment.steps.values_list("status", flat=True))


def watch() -> None:
    """Have the database note every change of a status."""
    with connection.cursor() as cursor:
        cursor.execute(WATCH)
        for kind in WATCHED:
            cursor.execute(TRIGGER.format(kind=kind))


def unwatch() -> None:
    """Leave the tables as they were."""
    with connection.cursor() as cursor:
        for kind in WATCHED:
            cursor.execute(f"DROP TRIGGER IF EXISTS see_status ON releases_{kind}")
        cursor.execute("DROP TABLE IF EXISTS seen_status; DROP FUNCTION IF EXISTS see_status")


def test_every_state_has_a_way_out_and_nothing_forbidden_happens() -> None:
    watch()
    rules = settings(
        max_examples=25,
        stateful_step_count=30,
        database=None,
        phases=[Phase.generate],  # making a failure small takes minutes on a database
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    try:
        run_state_machine_as_test(LifeCycle, settings=rules)
    finally:
        unwatch()


def test_the_watch_sees_a_forbidden_change() -> None:
    """The test above can fail: a change behind the engine's back is seen."""
    watch()
    try:
        machine = LifeCycle()
        machine.begin(["shell"], False)
        Step.objects.filter(deployment_id=machine.pk).update(status=lifecycle.UNKNOWN)
        with pytest.raises(AssertionError, match="a step went from pending to unknown"):
            machine.nothing_forbidden_happened()
    finally:
        unwatch()
