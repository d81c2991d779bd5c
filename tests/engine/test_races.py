"""Two people at once: exactly one of them wins, whatever the order."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from releases import lifecycle
from releases.audit import Actor, verify
from releases.engine import clock, consent, locks, prepare, reconcile, start, wake
from releases.engine.errors import EngineError
from releases.models import AuditEvent, Deployment, EnvironmentLock, Lease, User, lease
from tests.factories import World, make_user, make_world

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Do everything at the same moment in threads; what each gave back or raised."""
    gate, results = threading.Barrier(len(acts)), [None] * len(acts)

    def act(place: int) -> None:
        gate.wait()
        try:
            results[place] = acts[place]()  # type: ignore[call-overload]
        except EngineError as error:
            results[place] = error  # type: ignore[call-overload]
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def ready(world: World) -> Deployment:
    deployment = world.draft()
    for item in deployment.checklist.all():
        consent.tick(item, world.requester, Actor(world.requester), deployment.plan.digest)
    consent.approve(deployment, world.approver, Actor(world.approver), deployment.plan.digest)
    return deployment


def begin(world: World, deployment: Deployment) -> Callable[[], object]:
    mine = Deployment.objects.get(pk=deployment.pk)
    return lambda: start.start(mine, world.requester, Actor(world.requester), deployment.plan.digest)


@pytest.mark.parametrize("race", range(5))
def test_two_deployments_of_one_environment_started_at_once(race: int) -> None:
    world = make_world()
    first, second = ready(world), ready(world)
    results = at_once(begin(world, first), begin(world, second))
    assert sum(result is None for result in results) == 1
    assert Deployment.objects.filter(environment=world.environment, status=lifecycle.RUNNING).count() == 1
    assert list(verify()) == []


def test_one_deployment_started_twice_at_once() -> None:
    world = make_world()
    deployment = ready(world)
    results = at_once(*[begin(world, deployment)] * 4)
    assert sum(result is None for result in results) == 1


def test_a_double_click_on_prepare_makes_one_row() -> None:
    world = make_world()
    key = uuid.uuid4().hex

    def press() -> object:
        return prepare.prepare(world.release, world.environment, world.requester, Actor(world.requester), key)[0].pk

    assert len(set(at_once(*[press] * 4))) == 1


def test_two_drivers_take_one_lease() -> None:
    deployment = make_world().draft()
    tokens = at_once(*[lambda: lease.take(deployment.pk, "driver")] * 6)
    assert sum(token is not None for token in tokens) == 1


def test_a_token_is_higher_than_any_before() -> None:
    deployment = make_world().draft()
    tokens = []
    for _ in range(3):
        token = lease.take(deployment.pk, "driver")
        assert token is not None
        tokens.append(token)
        lease.release(deployment.pk, token)
    assert tokens == sorted(set(tokens))


def test_a_fenced_driver_writes_nothing() -> None:
    deployment = make_world().draft()
    old = lease.take(deployment.pk, "old")
    Lease.objects.filter(deployment=deployment).update(until=clock.now() - timedelta(seconds=1))
    new = lease.take(deployment.pk, "new")
    assert old is not None
    assert new is not None
    with pytest.raises(lease.Fenced), lease.held(deployment.pk, old):
        Deployment.objects.filter(pk=deployment.pk).update(error="written by the dead")
    with pytest.raises(lease.Fenced):
        lease.renew(deployment.pk, old)
    deployment.refresh_from_db()
    assert deployment.error == ""


def test_two_people_lock_at_once() -> None:
    world = make_world()
    acts = [
        lambda user=user: locks.lock(world.environment, user, Actor(user), "mine", timedelta(hours=1))
        for user in (world.requester, world.approver)
    ]
    results = at_once(*acts)
    assert sum(isinstance(result, EngineError) for result in results) == 1
    assert EnvironmentLock.objects.count() == 1


class TestTakeOver:
    """One person's lock becomes another's in one step."""

    @pytest.fixture
    def world(self) -> World:
        return make_world()

    @pytest.fixture
    def theirs(self, world: World) -> EnvironmentLock:
        third = make_user("third")
        return locks.lock(world.environment, third, Actor(third), "audit", timedelta(hours=2))

    def take(self, world: World, seen: int, user: User, reason: str = "urgent fix") -> EnvironmentLock:
        return locks.take_over(world.environment, seen, user, Actor(user), reason)

    @pytest.mark.parametrize("race", range(5))
    def test_two_people_take_over_at_once(self, world: World, theirs: EnvironmentLock, race: int) -> None:
        people = (world.requester, world.approver)
        results = at_once(*[lambda user=user: self.take(world, theirs.pk, user) for user in people])
        winners = [result for result in results if isinstance(result, EnvironmentLock)]
        losers = [result for result in results if isinstance(result, EngineError)]
        assert (len(winners), len(losers)) == (1, 1)
        held = EnvironmentLock.objects.get()
        assert held.holder_id == winners[0].holder_id
        assert str(held.holder) in str(losers[0]), "the other is told who was faster"
        assert AuditEvent.objects.filter(action="environment.take_over").count() == 1
        assert list(verify()) == []

    def test_a_take_over_and_an_unlock_at_once(self, world: World, theirs: EnvironmentLock) -> None:
        results = at_once(
            lambda: self.take(world, theirs.pk, world.requester),
            lambda: locks.unlock(world.environment, Actor(theirs.holder), "done"),
        )
        taken = isinstance(results[0], EnvironmentLock)
        assert AuditEvent.objects.filter(action="environment.take_over").exists() == taken
        assert not EnvironmentLock.objects.filter(holder=theirs.holder).exists()

    def test_the_lock_goes_over_with_both_names_on_record(self, world: World, theirs: EnvironmentLock) -> None:
        made = self.take(world, theirs.pk, world.requester)
        assert (made.holder, made.reason, made.expires_at) == (world.requester, "urgent fix", theirs.expires_at)
        event = AuditEvent.objects.get(action="environment.take_over")
        assert (event.actor_name, event.detail["held_by"], event.detail["was"]) == ("김민준", "third", "audit")
        assert event.detail["reason"] == "urgent fix"

    @pytest.mark.parametrize("reason", ["", "  "])
    def test_it_needs_a_reason(self, world: World, theirs: EnvironmentLock, reason: str) -> None:
        with pytest.raises(EngineError, match=r"\S"):
            self.take(world, theirs.pk, world.requester, reason)
        assert EnvironmentLock.objects.get() == theirs
        assert not AuditEvent.objects.filter(action="environment.take_over").exists()

    def test_ones_own_lock_is_none_to_take_over(self, world: World, theirs: EnvironmentLock) -> None:
        with pytest.raises(EngineError):
            self.take(world, theirs.pk, theirs.holder)
        assert EnvironmentLock.objects.get() == theirs

    def test_a_lock_that_is_over_is_none_to_take_over(self, world: World, theirs: EnvironmentLock) -> None:
        EnvironmentLock.objects.update(expires_at=clock.now() - timedelta(seconds=1))
        with pytest.raises(EngineError):
            self.take(world, theirs.pk, world.requester)
        assert not AuditEvent.objects.filter(action="environment.take_over").exists()

    def test_another_lock_than_the_one_seen_stays(self, world: World, theirs: EnvironmentLock) -> None:
        mine = self.take(world, theirs.pk, world.requester)
        with pytest.raises(EngineError, match="urgent fix"):
            self.take(world, theirs.pk, world.approver)
        assert EnvironmentLock.objects.get() == mine


class TestReconcile:
    """Rows become messages again."""

    @pytest.fixture
    def sent(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
        messages: list[tuple[object, ...]] = []
        monkeypatch.setattr(wake, "send", lambda *message: messages.append(message) or True)
        return messages

    def test_a_running_deployment_nobody_drives_is_sent_again(self, sent: list[tuple[object, ...]]) -> None:
        world = make_world()
        deployment = ready(world)
        begin(world, deployment)()
        sent.clear()
        assert reconcile.reconcile() == [deployment.pk]
        assert sent == [("drive", deployment.pk)]

    def test_a_driven_one_is_left_alone(self, sent: list[tuple[object, ...]]) -> None:
        world = make_world()
        deployment = ready(world)
        begin(world, deployment)()
        lease.take(deployment.pk, "driver")
        assert reconcile.reconcile() == []

    def test_drafts_and_ended_ones_are_left_alone(self, sent: list[tuple[object, ...]]) -> None:
        make_world().draft()
        assert reconcile.reconcile() == []

    def test_a_check_whose_worker_died_ends(self) -> None:
        item = make_world().draft().checklist.get()
        item.check_kind = "git_ref"
        item.save()
        consent.proof_begins(item)
        type(item).objects.filter(pk=item.pk).update(proof_began_at=clock.now() - timedelta(hours=1))
        reconcile.reconcile()
        item.refresh_from_db()
        assert item.proof == "none"


def test_a_broker_that_is_away_stops_nobody(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from celery import current_app

    world = make_world()
    deployment = ready(world)
    monkeypatch.setattr(current_app.conf, "broker_url", "redis://127.0.0.1:1/0")
    begin(world, deployment)()
    deployment.refresh_from_db()
    assert deployment.status == lifecycle.RUNNING
    assert reconcile.reconcile() == [deployment.pk]


def test_a_lease_that_is_just_used_is_not_waited_for() -> None:
    """Its holder may be frozen in the middle of a write; each driver that waited would be one less for the others."""
    deployment = make_world(approvals_required=0).draft()
    token = lease.take(deployment.pk, "frozen")
    assert token is not None
    Lease.objects.filter(deployment=deployment).update(until=clock.now() - timedelta(minutes=1))
    writes, thaw = threading.Event(), threading.Event()

    def write() -> None:
        with lease.held(deployment.pk, token):
            writes.set()
            thaw.wait(60)
        connection.close()

    frozen = threading.Thread(target=write)
    frozen.start()
    assert writes.wait(60)
    assert lease.take(deployment.pk, "next") is None  # had it waited, the write would be over, and it had the lease
    thaw.set()
    frozen.join()
    assert lease.take(deployment.pk, "next") is not None
