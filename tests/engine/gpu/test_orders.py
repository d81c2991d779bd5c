"""What people have done to endpoints: stopped, allowed, retired, kept, asked; and the worker who does it."""

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from releases import lifecycle
from releases.audit import Actor
from releases.endpoints import accounts, stopping
from releases.engine import clock, gpu_asking, gpu_orders, gpu_retiring, gpu_tending
from releases.engine.errors import Conflict, EngineError
from releases.models import (
    AuditEvent,
    Deployment,
    EndpointState,
    GpuAccount,
    GpuEndpoint,
    GpuProof,
    GpuSample,
)

from .caller import until
from .fleet import Fleet, fresh
from .guarded import Guarded, actions, told, touched
from .specs import spec

pytestmark = pytest.mark.django_db(transaction=True)
ACTIVE, TESTING, RETAINED, STANDBY, FAILED, RETIRING, RETIRED = (
    EndpointState.ACTIVE, EndpointState.TESTING, EndpointState.RETAINED, EndpointState.STANDBY, EndpointState.FAILED,
    EndpointState.RETIRING, EndpointState.RETIRED,
)  # fmt: skip


@pytest.fixture
def person(guarded: Guarded) -> Actor:
    return Actor(guarded.world.requester, "10.0.0.9")


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little, so that what does not come about is told soon."""
    monkeypatch.setattr(gpu_retiring, "DRAIN_SECONDS", 0.3)


def refused(work: Callable[[], None]) -> str:
    with pytest.raises(EngineError) as caught:
        work()
    return str(caught.value)


def gone(guarded: Guarded, row: GpuEndpoint) -> bool:
    return row.ref not in {endpoint.id for endpoint in guarded.runpod.endpoints}


def in_thread(work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


# Stop and allow


def test_a_person_stops_the_active_one(guarded: Guarded, person: Actor, sent: list[object]) -> None:
    row = guarded.endpoint()
    guarded.warm(row)
    gpu_orders.stop(row, person, " It answers nonsense. ")
    assert (fresh(row).order, row.order_because, row.order_by) == ("stop", "It answers nonsense.", person.user)
    assert sent == [("tend_gpu_endpoint", row.pk)] and touched(guarded.runpod, row) != []
    gpu_tending.carry_out(row.pk)
    assert fresh(row).stopped_at is not None and row.stopped_because == "It answers nonsense."
    assert (guarded.there(row).workers, row.order, row.tended_at) == ([], "", None)
    assert actions(row) == ["gpu_endpoint.stop_asked", "gpu_endpoint.stop"]
    assert set(AuditEvent.objects.filter(action__startswith="gpu_endpoint").values_list("actor", flat=True)) == {
        guarded.world.requester.pk
    }
    gpu_tending.carry_out(row.pk)
    assert len(actions(row)) == 2


def test_a_stop_needs_a_reason_an_endpoint_and_a_provider_that_can(guarded: Guarded, person: Actor) -> None:
    row = guarded.endpoint()
    assert "Say why" in refused(lambda: gpu_orders.stop(row, person, "  "))
    gpu_orders.stop(row, person, "x")
    assert "already" in refused(lambda: gpu_orders.stop(row, person, "y"))
    dead = guarded.endpoint(RETIRED)
    assert "retired" in refused(lambda: gpu_orders.stop(dead, person, "x"))
    new = GpuEndpoint.objects.create(environment=guarded.environment, account=guarded.account, name="new")
    assert "not known yet" in refused(lambda: gpu_orders.stop(new, person, "x"))
    own = GpuAccount.objects.create(project=guarded.world.project, name="own", provider="self_hosted")
    server = GpuEndpoint.objects.create(environment=guarded.environment, account=own, name="own", ref="own")
    assert "on its machine" in refused(lambda: gpu_orders.stop(server, person, "x"))
    assert [actions(each) for each in (dead, new, server)] == [[], [], []]


def test_allowed_again_it_answers(guarded: Guarded, person: Actor, sent: list[object]) -> None:
    row = guarded.endpoint()
    stopping.stop_now(row, "Too dear.", person, 10)
    gpu_orders.allow(row, person)
    assert "already" in refused(lambda: gpu_orders.allow(row, person))
    gpu_tending.carry_out(row.pk)
    assert (fresh(row).stopped_at, row.order, guarded.there(row).settings["workers"]["max"]) == (None, "", 2)
    assert sent == [("tend_gpu_endpoint", row.pk)]
    assert actions(row) == ["gpu_endpoint.stop", "gpu_endpoint.allow_asked", "gpu_endpoint.allow"]


def test_what_the_guard_would_stop_again_is_not_allowed(guarded: Guarded, person: Actor) -> None:
    guarded.budget(day="1")
    row = guarded.endpoint(stopped_at=clock.now())
    left = guarded.endpoint(FAILED, deployment=guarded.deployment("failed", ended=60), stopped_at=clock.now())
    guarded.age(left, state_since=timedelta(hours=1))
    assert "left it behind" in refused(lambda: gpu_orders.allow(left, person))
    spent = GpuSample.objects.create(endpoint=left, at=clock.now(), cost=Decimal("1.01"))
    assert "budget of the day" in refused(lambda: gpu_orders.allow(row, person))
    spent.delete()
    gpu_orders.allow(row, person)


def test_a_full_quota_is_told_and_ends_the_order(guarded: Guarded, person: Actor) -> None:
    row = guarded.endpoint()
    stopping.stop_now(row, "Too dear.", person, 10)
    guarded.runpod.account.quota = 1
    gpu_orders.allow(row, person)
    gpu_tending.carry_out(row.pk)
    assert fresh(row).stopped_at is not None and row.order == "" and "workers quota" in row.problem
    assert told(row) == ["not_allowed"]
    guarded.runpod.account.quota = 5
    gpu_orders.allow(row, person)
    gpu_tending.carry_out(row.pk)
    assert (fresh(row).stopped_at, row.problem) == (None, "")


def test_a_provider_that_is_away_is_asked_again(
    guarded: Guarded, person: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_tending, "ALLOW_SECONDS", 0.5)
    row = guarded.endpoint()
    stopping.stop_now(row, "Too dear.", person, 10)
    guarded.runpod.fault("server_error", status=503, times=1000, only="PATCH *")
    gpu_orders.allow(row, person)
    gpu_tending.carry_out(row.pk)
    assert (fresh(row).order, row.problem, row.tended_at) == ("allow", "", None)
    guarded.runpod.clear()
    gpu_tending.carry_out(row.pk)
    assert (fresh(row).order, row.stopped_at) == ("", None)


def test_a_stop_after_an_allow_is_the_last_word(guarded: Guarded, person: Actor) -> None:
    row = guarded.endpoint()
    gpu_orders.allow(row, person)
    gpu_orders.stop(row, person, "No.")
    gpu_tending.carry_out(row.pk)
    gpu_tending.carry_out(row.pk)
    assert fresh(row).stopped_at is not None and guarded.there(row).settings["workers"]["max"] == 0


def test_one_worker_at_a_time_is_at_it(guarded: Guarded, person: Actor) -> None:
    row = guarded.endpoint()
    gpu_orders.stop(row, person, "x")
    GpuEndpoint.objects.filter(pk=row.pk).update(tended_at=clock.now())
    gpu_tending.carry_out(row.pk)
    assert fresh(row).order == "stop" and guarded.there(row).settings["workers"]["max"] == 2
    guarded.age(row, tended_at=timedelta(minutes=7))  # that worker is gone
    gpu_tending.carry_out(row.pk)
    assert fresh(row).order == ""


# Retire


def test_a_retained_one_is_deleted_and_seen_to_be_gone(guarded: Guarded, person: Actor, sent: list[object]) -> None:
    row, other = guarded.endpoint(RETAINED), guarded.endpoint()
    gpu_orders.retire(row, guarded.world.requester, person)
    assert (fresh(row).state, sent) == (RETIRING, [("tend_gpu_endpoint", row.pk)])
    gpu_tending.carry_out(row.pk)
    assert (fresh(row).state, row.retired_by, row.problem) == (RETIRED, guarded.world.requester, "")
    assert row.retired_at is not None and gone(guarded, row) and not gone(guarded, other)
    assert actions(row) == ["gpu_endpoint.retiring", "gpu_endpoint.retired"]
    assert touched(guarded.runpod, other) == []
    deleted = guarded.runpod.requests.index(f"DELETE /v2/serverless/{row.ref}")
    assert "GET /v2/serverless" in guarded.runpod.requests[deleted:]
    gpu_tending.carry_out(row.pk)
    assert len(actions(row)) == 2


def test_requests_are_answered_before_it_is_deleted(guarded: Guarded, person: Actor, patience: None) -> None:
    row = guarded.endpoint(RETAINED)
    guarded.warm(row)
    guarded.runpod.fault("slow_answers", target=row.ref, seconds=300)
    guarded.ask(row)
    gpu_orders.retire(row, guarded.world.requester, person)
    gpu_tending.carry_out(row.pk)
    assert fresh(row).state == RETIRING and "1 are being answered" in row.problem and not gone(guarded, row)
    assert told(row) == ["not_retired"] and row.delete_began_at is None
    gpu_tending.carry_out(row.pk)
    assert told(row) == ["not_retired"]
    guarded.runpod.skip(301)
    gpu_tending.carry_out(row.pk)
    assert (fresh(row).state, row.problem) == (RETIRED, "") and gone(guarded, row)


def test_a_queue_is_served_before_its_workers_go(guarded: Guarded, person: Actor) -> None:
    row = guarded.endpoint(RETAINED)
    guarded.ask(row)  # nobody is there yet
    gpu_orders.retire(row, guarded.world.requester, person)
    retiring = in_thread(lambda: gpu_tending.carry_out(row.pk))
    until(lambda: guarded.runpod.requests.count(f"GET /v2/{row.ref}/health") > 2)
    assert guarded.there(row).settings["workers"]["max"] == 2
    job = guarded.runpod.jobs[0]
    guarded.runpod.skip(20)
    retiring.join()
    assert job.status == "COMPLETED" and fresh(row).state == RETIRED


def test_a_queue_that_the_platform_left_without_workers_gets_them(guarded: Guarded, person: Actor) -> None:
    row = guarded.endpoint(RETAINED)
    guarded.runpod.fault("max_zero", target=row.ref)
    guarded.ask(row)
    job = guarded.runpod.jobs[0]
    gpu_orders.retire(row, guarded.world.requester, person)
    retiring = in_thread(lambda: gpu_tending.carry_out(row.pk))
    until(lambda: guarded.there(row).settings["workers"]["max"] == 2)
    guarded.runpod.skip(20)
    retiring.join()
    assert job.status == "COMPLETED" and fresh(row).state == RETIRED


def test_a_queue_that_was_stopped_is_for_a_person_to_drop(guarded: Guarded, person: Actor, patience: None) -> None:
    row = guarded.endpoint(RETAINED)
    stopping.stop_now(row, "Too dear.", person, 10)
    guarded.ask(row)
    gpu_orders.retire(row, guarded.world.requester, person)
    gpu_tending.carry_out(row.pk)
    assert fresh(row).state == RETIRING and "1 requests wait in its queue" in row.problem
    gpu_orders.stop(row, person, "drop them")
    gpu_tending.carry_out(row.pk)
    assert fresh(row).state == RETIRED and gone(guarded, row)


def test_the_active_one_and_what_is_needed_stay(guarded: Guarded, person: Actor) -> None:
    active, user = guarded.endpoint(), guarded.world.requester
    assert "has the traffic" in refused(lambda: gpu_orders.retire(active, user, person))
    deployment = guarded.deployment(lifecycle.RUNNING)
    Deployment.objects.filter(pk=deployment.pk).update(kind="gpu_deploy")
    blue = guarded.endpoint(STANDBY)
    green = guarded.endpoint(TESTING, deployment=deployment, previous=blue)
    other = guarded.endpoint(STANDBY)
    for row in (blue, green):
        assert f"#{deployment.pk} needs it" in refused(lambda row=row: gpu_orders.retire(row, user, person))  # type: ignore[misc]
    Deployment.objects.filter(pk=deployment.pk).update(status="succeeded", finished_at=clock.now())
    draft = guarded.deployment(lifecycle.DRAFT)
    Deployment.objects.filter(pk=draft.pk).update(kind="gpu_rollback", undoes=deployment)
    assert f"#{draft.pk} needs it" in refused(lambda: gpu_orders.retire(blue, user, person))
    gpu_orders.retire(other, user, person)
    Deployment.objects.filter(pk=draft.pk).update(status="cancelled")
    gpu_orders.retire(blue, user, person)
    assert "already" in refused(lambda: gpu_orders.retire(blue, user, person))
    assert (fresh(active).state, fresh(green).state) == (ACTIVE, TESTING)


def test_one_deleted_by_hand_is_retired_at_once(guarded: Guarded, person: Actor) -> None:
    row = guarded.endpoint(FAILED)
    guarded.runpod.account.endpoints.pop(row.ref)
    gpu_orders.retire(row, guarded.world.requester, person)
    gpu_tending.carry_out(row.pk)
    assert fresh(row).state == RETIRED


def test_without_an_id_it_is_looked_for_by_its_name(guarded: Guarded, person: Actor) -> None:
    row = GpuEndpoint.objects.create(
        environment=guarded.environment, account=guarded.account, name="qwen-r1", state=FAILED
    )
    with accounts.opened(guarded.account) as provider:
        made, other = provider.create(spec(), "r1"), provider.create(spec(), "r11")
    gpu_orders.retire(row, guarded.world.requester, person)
    gpu_tending.carry_out(row.pk)
    assert fresh(row).state == RETIRED
    assert [endpoint.id for endpoint in guarded.runpod.endpoints] == [other.id] != [made.id]


def test_what_may_still_come_to_be_is_not_crossed_out(guarded: Guarded, person: Actor) -> None:
    deployment = guarded.deployment("errored", ended=1)
    row = GpuEndpoint.objects.create(
        environment=guarded.environment, account=guarded.account, name="qwen-r1", state=FAILED, deployment=deployment
    )
    gpu_orders.retire(row, guarded.world.requester, person)
    guarded.age(row, created_at=timedelta(hours=1))
    gpu_tending.carry_out(row.pk)
    assert fresh(row).state == RETIRING and "may still be at work" in row.problem
    with accounts.opened(guarded.account) as provider:
        provider.create(spec(), "r1")
    gpu_tending.carry_out(row.pk)
    assert fresh(row).state == RETIRED and guarded.runpod.endpoints == []


def test_one_that_the_list_still_shows_is_not_gone(
    guarded: Guarded, person: Actor, patience: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = guarded.endpoint(FAILED)
    gpu_orders.retire(row, guarded.world.requester, person)
    guarded.runpod.fault("server_error", status=404, times=1000, only="DELETE *")
    gpu_tending.carry_out(row.pk)
    assert fresh(row).state == RETIRING and "still lists it" in row.problem
    assert "can't be taken back" in refused(lambda: gpu_orders.keep(row, person))
    guarded.runpod.clear()
    gpu_tending.carry_out(row.pk)
    assert fresh(row).state == RETIRED and gone(guarded, row)


@pytest.mark.parametrize("only", ["GET *", "PATCH *", "DELETE *"])
def test_a_provider_that_fails_leaves_it_retiring(
    guarded: Guarded, person: Actor, only: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_retiring, "CALL_SECONDS", 0.5)
    row = guarded.endpoint(RETAINED)
    gpu_orders.retire(row, guarded.world.requester, person)
    guarded.runpod.fault("server_error", status=503, times=1000, only=only)
    gpu_tending.carry_out(row.pk)
    assert fresh(row).state == RETIRING and row.problem and row.tended_at is None
    guarded.runpod.clear()
    gpu_tending.carry_out(row.pk)
    assert fresh(row).state == RETIRED


def test_an_own_server_is_only_crossed_out(guarded: Guarded, person: Actor) -> None:
    own = GpuAccount.objects.create(
        project=guarded.world.project, name="own", provider="self_hosted", data_url="http://127.0.0.1:1", model="m"
    )
    row = GpuEndpoint.objects.create(
        environment=guarded.environment, account=own, name="own", ref="own", state=RETAINED
    )
    gpu_orders.retire(row, guarded.world.requester, person)
    gpu_tending.carry_out(row.pk)
    assert fresh(row).state == RETIRED


# Keep


def test_it_is_kept_after_all(guarded: Guarded, person: Actor, patience: None) -> None:
    row, failed = guarded.endpoint(RETAINED), guarded.endpoint(FAILED)
    guarded.warm(row)
    guarded.runpod.fault("slow_answers", target=row.ref, seconds=300)
    guarded.ask(row)
    for each in (row, failed):
        gpu_orders.retire(each, guarded.world.requester, person)
    gpu_tending.carry_out(row.pk)
    for each in (row, failed):
        gpu_orders.keep(each, person)
    assert (fresh(row).state, row.problem, row.retired_by) == (RETAINED, "", None)
    assert row.retained_until is not None and row.retained_until > clock.now() + timedelta(days=13)
    assert (fresh(failed).state, failed.problem) == (FAILED, "It was never proved.")
    gpu_tending.carry_out(row.pk)
    assert not gone(guarded, row) and "not being retired" in refused(lambda: gpu_orders.keep(row, person))


def test_one_that_was_kept_at_this_moment_is_not_deleted(
    guarded: Guarded, person: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = guarded.endpoint(RETAINED)
    gpu_orders.retire(row, guarded.world.requester, person)
    drained = gpu_retiring._drain

    def meanwhile(*arguments: object) -> None:
        drained(*arguments)  # type: ignore[arg-type]
        gpu_orders.keep(row, person)

    monkeypatch.setattr(gpu_retiring, "_drain", meanwhile)
    gpu_tending.carry_out(row.pk)
    assert fresh(row).state == RETAINED and not gone(guarded, row) and row.problem == ""


# Ask


def test_a_person_asks_it(fleet: Fleet, sent: list[object]) -> None:
    row = fleet.endpoint(fleet.deploy("v1"))
    user = fleet.world.requester
    sent.clear()
    gpu_orders.prove(row, user, Actor(user))
    assert sent == [("prove_gpu_endpoint", row.pk)]
    with pytest.raises(Conflict):
        gpu_orders.prove(row, user, Actor(user))
    gpu_asking.carry_out(row.pk)
    proof = GpuProof.objects.get(endpoint=row, occasion=GpuProof.Occasion.PERSON)
    assert proof.passed and proof.first and proof.warm and proof.together is None and proof.attempt is None
    assert (fresh(row).proof_asked_at, row.proof_asked_by, row.proof_began_at) == (None, None, None)
    assert actions(row)[-2:] == ["gpu_endpoint.prove", "gpu_endpoint.proved"]
    gpu_asking.carry_out(row.pk)
    assert row.proofs.count() == 2
    fleet.runpod.fault("wrong_answers")
    gpu_orders.prove(row, user, Actor(user))
    gpu_asking.carry_out(row.pk)
    last = row.proofs.last()
    assert last is not None and not last.passed and last.problem and fresh(row).state == ACTIVE
    stopping.stop_now(row, "Too dear.", Actor(user), 20)
    with pytest.raises(Conflict):
        gpu_orders.prove(row, user, Actor(user))


def test_what_cannot_answer_is_not_asked(guarded: Guarded, person: Actor) -> None:
    user = guarded.world.requester
    row = guarded.endpoint()
    assert "no question" in refused(lambda: gpu_orders.prove(row, user, person))
    busy = guarded.endpoint(TESTING, deployment=guarded.deployment())
    assert "is testing it" in refused(lambda: gpu_orders.prove(busy, user, person))
    stopped = guarded.endpoint(STANDBY, stopped_at=clock.now())
    assert "Allow it first" in refused(lambda: gpu_orders.prove(stopped, user, person))
    leaving = guarded.endpoint(RETIRING)
    assert "created or retired" in refused(lambda: gpu_orders.prove(leaving, user, person))
    assert GpuProof.objects.count() == 0
