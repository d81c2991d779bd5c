"""Clocks that differ: the database's is the only one that counts."""

from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from releases import lifecycle
from releases.audit import Actor
from releases.engine import attempts, clock, reconcile, start
from releases.logs.store import LogWriter
from releases.models import Attempt, Deployment, Lease, LogChunk, lease
from tests.factories import make_world

pytestmark = pytest.mark.django_db(transaction=True)
OFF = timedelta(minutes=10)


@pytest.fixture
def running() -> Deployment:
    """Started, and driven by nobody."""
    text = "kind: deploy\ntitle: {ko: 시험, en: Test}\nsteps:\n  - {key: one, title: {ko: 하나, en: One}, role: DevOps,"
    text += " phase: replace, action: wait, runs_on: controller, estimate: 5, parameters: {seconds: 1}}\n"
    world = make_world(text, approvals_required=0)
    deployment = world.draft()
    start.start(deployment, world.requester, Actor(world.requester), deployment.plan.digest)
    return deployment


@pytest.fixture(params=[OFF, -OFF], ids=["ahead", "behind"])
def worker_clock_off(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process sees another time than the database."""
    offset: timedelta = request.param
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + offset)


def begun(deployment: Deployment) -> tuple[Attempt, int]:
    token = lease.take(deployment.pk, "driver")
    assert token is not None
    return attempts.begin(deployment.steps.get(), token, None), token


def test_a_lease_from_before_the_clock_was_put_back_is_over(running: Deployment) -> None:
    """Its holder died then; nobody should wait ten minutes for it."""
    assert lease.take(running.pk, "dead") is not None
    assert reconcile.reconcile() == []
    Lease.objects.filter(deployment=running).update(until=clock.now() + OFF)
    assert lease.remaining(running.pk) == 0
    assert reconcile.reconcile() == [running.pk]
    assert lease.take(running.pk, "next") is not None
    assert lease.take(running.pk, "another") is None


def test_lines_are_dated_by_the_database(running: Deployment, worker_clock_off: None) -> None:
    attempt, token = begun(running)
    writer = LogWriter(attempt, running.pk, token)
    writer.write(b"a line\n")
    writer.close()
    at: datetime = LogChunk.objects.get(attempt=attempt).received_at
    assert attempt.started_at and attempt.started_at <= at <= clock.now()


def test_a_wait_lasts_as_long_as_it_says(running: Deployment, worker_clock_off: None) -> None:
    from releases.engine.driver import drive

    drive(running.pk)
    attempt = Attempt.objects.get(step__deployment=running)
    assert attempt.status == lifecycle.SUCCEEDED
    assert attempt.finished_at and attempt.started_at
    assert 1.0 <= (attempt.finished_at - attempt.started_at).total_seconds() < 60


def test_a_worker_whose_clock_is_ahead_still_hears_the_reconciler() -> None:
    """A message expires by the clock of the worker that reads it."""
    expires = settings.CELERY_BEAT_SCHEDULE["reconcile"]["options"]["expires"]
    assert timedelta(seconds=expires) > 2 * OFF
