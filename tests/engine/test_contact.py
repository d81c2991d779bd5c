"""Contact with a machine: what is tried again, what stops at once, and when a person is asked."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from releases import lifecycle
from releases.engine import attempts, clock, contact
from releases.engine.contact import Contact, OutOfContact
from releases.engine.machines import Machines
from releases.engine.run import Run
from releases.models import Attempt, AuditEvent, lease
from releases.remote.errors import ConnectionLost, HostKeyChanged, HostUnreachable, InvalidStep, RemoteError
from tests.factories import make_world

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Contact]


@pytest.fixture
def make(data_dir: Path) -> Make:
    """The contact of a begun attempt with the controller."""

    def made(let_go: Callable[[], bool] = lambda: False, *, fresh: bool = True, detached: bool = True) -> Contact:
        deployment = make_world().draft()
        token = lease.take(deployment.pk, "test")
        assert token is not None
        attempt = attempts.begin(deployment.steps.get(key="one"), token, None)
        machines = Machines(deployment.environment)
        run = Run(deployment, token, machines, {}, {}, let_go=let_go, cancelled=lambda: False)
        return Contact(run, attempt, "controller", fresh=fresh, detached=detached)

    return made


def failing(kept: Contact, *errors: RemoteError) -> Callable[[], str]:
    """Work that opens the way, then fails with each error in turn before it succeeds."""
    left = list(errors)

    def work() -> str:
        kept.transport()
        if left:
            raise left.pop(0)
        return "done"

    return work


def test_a_broken_connection_is_shown_and_the_work_done_again(make: Make) -> None:
    kept = make()
    assert kept.keep(failing(kept, ConnectionLost("cut"), HostUnreachable("still away"))) == "done"
    attempt = Attempt.objects.get(pk=kept.attempt.pk)
    assert (attempt.status, bool(attempt.reason)) == (lifecycle.LOST, True)
    assert AuditEvent.objects.filter(action="step.lost").count() == 1


def test_when_the_machine_was_last_heard_is_kept(make: Make) -> None:
    kept = make()
    told = failing(kept, ConnectionLost("cut"))

    def work() -> str:
        if kept.heard_at is None:
            kept.hear()
        return told()

    assert kept.keep(work) == "done"
    attempt = Attempt.objects.get(pk=kept.attempt.pk)
    assert attempt.status == lifecycle.LOST
    assert attempt.started_at is not None and attempt.last_seen_at is not None
    assert attempt.started_at < attempt.last_seen_at < clock.now()


def test_who_never_heard_it_leaves_what_is_known_of_that(make: Make) -> None:
    kept = make(fresh=False)
    seen = clock.now()
    Attempt.objects.filter(pk=kept.attempt.pk).update(last_seen_at=seen)
    assert kept.keep(failing(kept, ConnectionLost("cut"))) == "done"
    assert Attempt.objects.get(pk=kept.attempt.pk).last_seen_at == seen


def test_where_nothing_was_sent_the_reason_is_told_at_once(make: Make) -> None:
    kept = make()

    def unreachable() -> str:
        raise HostUnreachable("no such machine")

    with pytest.raises(HostUnreachable):
        kept.keep(unreachable)


def test_a_wrong_step_is_not_tried_again(make: Make) -> None:
    kept = make()
    with pytest.raises(InvalidStep):
        kept.keep(failing(kept, InvalidStep("a NUL in a value")))


def test_another_host_key_after_something_was_sent_asks_a_person(make: Make) -> None:
    kept = make()
    with pytest.raises(OutOfContact):
        kept.keep(failing(kept, ConnectionLost("cut"), HostKeyChanged("another key")))


def test_work_inside_the_worker_just_errs_at_another_host_key(make: Make) -> None:
    kept = make(detached=False)
    with pytest.raises(HostKeyChanged):
        kept.keep(failing(kept, ConnectionLost("cut"), HostKeyChanged("another key")))


@pytest.mark.parametrize(("detached", "error"), [(True, OutOfContact), (False, ConnectionLost)])
def test_too_long_without_contact_ends_it(
    make: Make, monkeypatch: pytest.MonkeyPatch, detached: bool, error: type[Exception]
) -> None:
    monkeypatch.setattr(contact, "UNREACHABLE_LIMIT", 0.1)
    kept = make(fresh=False, detached=detached)
    with pytest.raises(error):
        kept.keep(failing(kept, *[ConnectionLost("cut")] * 20))


def test_a_connection_that_held_for_long_counts_as_contact_until_it_broke(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact, "UNREACHABLE_LIMIT", 0.2)
    monkeypatch.setattr(contact, "HELD", 0.3)
    kept, tries = make(), []

    def work() -> str:
        kept.transport()
        tries.append(1)
        if len(tries) == 1:
            threading.Event().wait(0.5)
            raise ConnectionLost("cut after a long while")
        return "done"

    assert kept.keep(work) == "done"


def test_an_order_to_let_go_is_obeyed_while_contact_is_lost(make: Make) -> None:
    ordered = threading.Event()
    kept = make(ordered.is_set)

    def work() -> str:
        kept.transport()
        ordered.set()
        raise ConnectionLost("cut")

    assert kept.keep(work) is None
