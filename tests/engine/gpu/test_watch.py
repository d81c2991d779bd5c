"""The watch: what it counts, what it stops, what it tells, and what it leaves alone."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.conf import LazySettings
from django.db import connection

from releases import lifecycle
from releases.audit import THE_SYSTEM
from releases.endpoints import accounts, costs, states, stopping
from releases.engine import clock, gpu_watch
from releases.gpu.nouns import Stopping
from releases.models import AuditEvent, Deployment, EndpointOrder, EndpointState, GpuAccount, GpuEndpoint, GpuSample
from tests.emulators.runpod import RunPod

from .caller import until
from .fleet import fresh
from .guarded import COLD, PRICE, Guarded, actions, told, touched
from .specs import spec

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)
ACTIVE, TESTING, RETAINED, STANDBY, FAILED, CREATING = (
    EndpointState.ACTIVE, EndpointState.TESTING, EndpointState.RETAINED, EndpointState.STANDBY, EndpointState.FAILED,
    EndpointState.CREATING,
)  # fmt: skip


def costs_minutes(row: GpuEndpoint, number: float) -> bool:
    """It cost so many minutes of a worker, and at most the seconds more that the test took."""
    least = PRICE * Decimal(number) / 60
    return least <= fresh(row).cost + Decimal("0.000001") <= least * Decimal("1.3")


# What is counted


def test_a_look_writes_down_what_it_saw_and_what_that_cost(guarded: Guarded) -> None:
    row = guarded.endpoint()
    guarded.look()
    assert fresh(row).cost == 0 and row.seen["phase"] == "asleep" and row.watched_at is not None
    guarded.warm(row)
    guarded.look()
    assert costs_minutes(row, 1)
    first, second = GpuSample.objects.filter(endpoint=row)
    assert (first.idle, first.cost, second.idle) == (0, 0, 1)
    assert 60 <= second.seconds < 90 and second.cost == row.cost
    assert (row.seen["idle"], row.seen["billed"], row.seen["phase"]) == (1, 1, "ready")
    assert (row.looked_since, row.problem, row.stopped_at) == (None, "", None)
    assert fresh(guarded.account).checked_at is not None and guarded.account.problem == ""


def test_after_an_outage_of_ours_no_cost_is_invented(guarded: Guarded) -> None:
    row = guarded.endpoint()
    guarded.look()
    guarded.warm(row)
    guarded.look(seconds=6 * 3600)
    assert costs_minutes(row, 3)


def test_the_price_is_read_when_it_is_missing_or_old(guarded: Guarded) -> None:
    old, new = guarded.endpoint(price=None, priced_at=None), guarded.endpoint(STANDBY, price=Decimal(9))
    guarded.age(new, priced_at=timedelta(hours=2))
    guarded.look()
    assert (fresh(old).price, fresh(new).price) == (PRICE, PRICE)
    asked = guarded.runpod.requests.count("GET /v2/catalog/gpus")
    guarded.look()
    assert guarded.runpod.requests.count("GET /v2/catalog/gpus") == asked == 2


def test_a_price_that_nobody_knows_is_told(guarded: Guarded) -> None:
    row = guarded.endpoint(price=None, spec={})
    guarded.looks(2)
    assert "price is not known" in fresh(row).problem and told(row) == ["price"]


def test_it_is_looked_at_once_in_half_a_minute_and_by_one_worker(guarded: Guarded) -> None:
    row = guarded.endpoint()
    guarded.look()
    gpu_watch.watch()
    assert row.samples.count() == 1
    GpuEndpoint.objects.filter(pk=row.pk).update(looked_since=clock.now())
    guarded.look()
    assert row.samples.count() == 1
    guarded.age(row, looked_since=timedelta(minutes=4))  # that worker is gone
    guarded.look()
    assert row.samples.count() == 2 and fresh(row).looked_since is None


def test_a_worker_that_took_too_long_writes_nothing(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    row = guarded.endpoint()
    priced = gpu_watch._price

    def slowly(endpoint: GpuEndpoint, provider: object) -> dict[str, object]:
        GpuEndpoint.objects.filter(pk=row.pk).update(looked_since=clock.now())  # another one took over
        return priced(endpoint, provider)  # type: ignore[arg-type]

    monkeypatch.setattr(gpu_watch, "_price", slowly)
    guarded.look()
    assert row.samples.count() == 0 and fresh(row).looked_since is not None


def test_a_slow_provider_delays_no_other(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_watch, "CALL_SECONDS", 5.0)
    with RunPod(speed=0) as slow:
        theirs = guarded.endpoint(STANDBY, guarded.open_account("slow", slow))
        ours = guarded.endpoint()
        slow.fault("no_reply", times=1000, plane="control")
        watching = threading.Thread(target=watch_alone)
        watching.start()
        until(lambda: ours.samples.exists(), 4)
        assert watching.is_alive()
        watching.join()
        assert theirs.samples.count() == 0
        assert fresh(GpuAccount.objects.get(name="slow")).problem
        slow.clear()
        guarded.look()
        assert theirs.samples.count() == 1 and fresh(GpuAccount.objects.get(name="slow")).problem == ""


def watch_alone() -> None:
    """In a thread, with a connection that ends with it."""
    try:
        gpu_watch.watch()
    finally:
        connection.close()


@pytest.mark.parametrize("fault", [{"kind": "rate_limit", "retry_after": 60}, {"kind": "server_error", "status": 503}])
def test_a_provider_that_refuses_is_asked_again(
    guarded: Guarded, fault: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_watch, "CALL_SECONDS", 0.5)
    row = guarded.endpoint()
    guarded.runpod.fault(**fault, times=1000, plane="control")
    guarded.looks(2)
    assert fresh(guarded.account).problem and row.samples.count() == 0
    assert fresh(row).looked_since is None and row.problem == ""
    guarded.age(row, created_at=timedelta(minutes=11))
    guarded.looks(2)
    assert "could not be looked at" in fresh(row).problem and told(row) == ["unseen"]
    guarded.runpod.clear()
    guarded.look()
    assert row.samples.count() == 1 and fresh(row).problem == ""
    assert fresh(guarded.account).problem == ""


def test_without_a_key_it_is_told(guarded: Guarded) -> None:
    row = guarded.endpoint()
    guarded.age(row, created_at=timedelta(minutes=11))
    GpuAccount.objects.filter(pk=guarded.account.pk).update(ciphertext=b"")
    guarded.look()
    assert "no key yet" in fresh(row).problem and "no key yet" in fresh(guarded.account).problem


def test_an_own_server_is_left_alone(guarded: Guarded) -> None:
    own = GpuAccount.objects.create(
        project=guarded.world.project, name="own", provider="self_hosted", data_url="http://127.0.0.1:1", model="m"
    )
    row = GpuEndpoint.objects.create(
        environment=guarded.environment, account=own, name="own", ref="own", state=ACTIVE, max_workers=1
    )
    guarded.look()
    assert (fresh(row).watched_at, fresh(own).problem) == (None, "")


# What is stopped


def test_a_crash_loop_stops_the_spend_within_three_looks(guarded: Guarded) -> None:
    row = guarded.endpoint(TESTING, deployment=guarded.deployment())
    guarded.runpod.fault("crash_loop", target=row.ref)
    guarded.ask(row)
    guarded.runpod.skip(COLD)
    guarded.looks(2)
    assert (fresh(row).unhealthy_looks, row.stopped_at, guarded.there(row).settings["workers"]["max"]) == (2, None, 2)
    guarded.look()
    assert fresh(row).stopped_at is not None and "crash loop" in row.stopped_because
    assert "crash loop" in row.problem and told(row) == ["stopped"]
    there = guarded.there(row)
    assert (there.settings["workers"]["max"], there.workers, there.waiting) == (0, [], [])
    assert (row.min_workers, row.max_workers, row.order) == (0, 2, "")
    billed = guarded.runpod.billed_seconds
    guarded.looks(3, between=lambda: guarded.runpod.skip(60))
    assert guarded.runpod.billed_seconds == billed
    assert told(row) == ["stopped"] and actions(row).count("gpu_endpoint.stop") == 1
    assert "crash loop" in fresh(row).problem


def test_single_crashes_stop_nothing(guarded: Guarded) -> None:
    row = guarded.endpoint(TESTING, deployment=guarded.deployment())
    guarded.runpod.fault("crash_loop", target=row.ref, times=1)
    guarded.ask(row)
    guarded.runpod.skip(COLD)
    guarded.looks(2)
    guarded.runpod.skip(2 * COLD)
    guarded.looks(4)
    assert fresh(row).unhealthy_looks == 0 and row.stopped_at is None and actions(row) == []


def test_a_stop_that_the_provider_refuses_is_tried_again(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_watch, "STOP_SECONDS", 1.0)
    row = guarded.endpoint(TESTING, deployment=guarded.deployment(), unhealthy_looks=2)
    guarded.runpod.fault("crash_loop", target=row.ref)
    guarded.ask(row)
    guarded.runpod.skip(COLD)
    guarded.runpod.fault("server_error", times=1000, only=f"PATCH /v2/serverless/{row.ref}")
    guarded.look()
    assert (fresh(row).order, row.stopped_at, told(row)) == ("stop", None, ["stopped"])
    guarded.age(row, order_at=timedelta(minutes=4))
    guarded.look()
    assert "is not done yet" in fresh(row).problem and told(row) == ["stopped", "not_stopped"]
    guarded.runpod.clear("server_error")
    guarded.look()
    assert fresh(row).stopped_at is not None and guarded.there(row).workers == []
    guarded.look()
    assert "is not done yet" not in fresh(row).problem


def test_an_order_to_stop_is_carried_out_though_the_look_fails(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_watch, "STOP_SECONDS", 1.0)
    row = guarded.endpoint()
    guarded.warm(row)
    stopping.order(row, EndpointOrder.STOP, "somebody said so", THE_SYSTEM)
    guarded.runpod.fault("server_error", status=400, times=1000, only="GET */workers")
    guarded.look()
    assert row.samples.count() == 0 and guarded.there(row).settings["workers"]["max"] == 0
    assert (fresh(row).order, row.stopped_at) == ("stop", None), "that no worker is left was not seen"
    guarded.runpod.clear()
    guarded.look()
    assert (fresh(row).order, row.stopped_because) == ("", "somebody said so")


def test_the_budget_of_a_deployment_stops_what_was_never_in_use(guarded: Guarded) -> None:
    guarded.budget(deployment="0.01")
    new = guarded.endpoint(TESTING, deployment=guarded.deployment())
    used = guarded.endpoint(ACTIVE, cost=Decimal(50))
    kept = guarded.endpoint(RETAINED, cost=Decimal(50))
    guarded.warm(new)
    guarded.look()
    assert fresh(new).stopped_at is None
    guarded.look()
    assert fresh(new).stopped_at is not None and "budget of a deployment" in new.problem
    assert "0.01 of 0.01 USD" in new.problem
    guarded.look()
    assert (fresh(used).stopped_at, fresh(kept).stopped_at) == (None, None)


@pytest.mark.parametrize("period", ["day", "month"])
def test_a_budget_stops_the_active_one_last(guarded: Guarded, period: str) -> None:
    guarded.budget(**{period: "0.02"})
    active, standby = guarded.endpoint(ACTIVE), guarded.endpoint(STANDBY)
    asleep = guarded.endpoint(RETAINED)
    guarded.warm(active)
    guarded.warm(standby)
    guarded.look()
    assert (fresh(active).order, fresh(standby).order) == ("", "")
    guarded.looks(3)  # minutes of two workers; which one is looked at first is left to chance
    assert [each.stopped_at for each in (fresh(active), fresh(standby), fresh(asleep)) if not each.stopped_at] == []
    assert f"budget of the {period}" in active.problem and "answers nothing until" in active.problem
    assert guarded.there(active).workers == [] and told(active) == ["stopped"]
    stopped = {event.target_id: event.sequence for event in AuditEvent.objects.filter(action="gpu_endpoint.stop")}
    assert stopped[str(standby.pk)] < stopped[str(active.pk)]


def test_the_active_one_is_spared_while_another_is_stopped(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_watch, "STOP_SECONDS", 0.5)
    guarded.budget(day="0.01")
    active, standby = guarded.endpoint(ACTIVE), guarded.endpoint(STANDBY)
    guarded.warm(active)
    guarded.warm(standby)
    guarded.runpod.fault("server_error", times=1000, only=f"PATCH /v2/serverless/{standby.ref}")
    guarded.looks(3)
    assert (fresh(active).order, active.stopped_at, fresh(standby).order) == ("", None, "stop")
    guarded.age(standby, order_at=timedelta(minutes=4))  # it can't be stopped: the budget is a promise all the same
    guarded.look()
    assert fresh(active).stopped_at is not None


def test_days_and_months_begin_in_the_zone_of_the_environment(guarded: Guarded) -> None:
    row = guarded.endpoint()
    now = datetime(2026, 8, 31, 15, 30, tzinfo=UTC)  # half past midnight in Seoul, on the first of September
    for at, amount in (
        ("2026-08-31T15:10+00:00", "1"),
        ("2026-08-31T14:50+00:00", "2"),
        ("2026-08-20T14:00+00:00", "4"),
        ("2026-07-31T14:00+00:00", "8"),
    ):
        GpuSample.objects.create(endpoint=row, at=datetime.fromisoformat(at), cost=Decimal(amount))
    begin = costs.day_begins(guarded.environment, now), costs.month_begins(guarded.environment, now)
    assert [costs.spent(guarded.environment, since) for since in begin] == [1, 1]
    earlier = now - timedelta(hours=1)
    begin = costs.day_begins(guarded.environment, earlier), costs.month_begins(guarded.environment, earlier)
    assert [costs.spent(guarded.environment, since) for since in begin] == [3, 7]


def test_what_is_retired_counts_and_another_environment_does_not(guarded: Guarded) -> None:
    guarded.budget(day="1")
    gone, row = guarded.endpoint(FAILED), guarded.endpoint(STANDBY)
    states.become(gone, EndpointState.RETIRING, THE_SYSTEM)
    states.become(gone, EndpointState.RETIRED, THE_SYSTEM)
    sample = GpuSample.objects.create(endpoint=gone, at=clock.now(), cost=Decimal("1.5"))
    guarded.warm(row)
    other = guarded.environment
    other.pk, other.key = None, "staging"
    other.save()
    GpuEndpoint.objects.filter(pk=gone.pk).update(environment=other)
    guarded.look()
    assert fresh(row).stopped_at is None
    GpuEndpoint.objects.filter(pk=gone.pk).update(environment=row.environment_id)
    guarded.look()
    assert fresh(row).stopped_at is not None and sample.cost > 1


@pytest.mark.parametrize(("state", "status"), [(TESTING, "failed"), (FAILED, "failed"), (TESTING, "cancelled")])
def test_what_a_deployment_left_is_stopped(guarded: Guarded, state: str, status: str) -> None:
    row = guarded.endpoint(state, deployment=guarded.deployment(status, ended=9))
    guarded.age(row, state_since=timedelta(minutes=30))
    guarded.warm(row)
    guarded.look()
    assert fresh(row).stopped_at is None
    Deployment.objects.filter(pk=row.deployment_id).update(finished_at=clock.now() - timedelta(minutes=11))
    guarded.look()
    assert fresh(row).stopped_at is not None and "deployment ended and left it behind" in row.stopped_because
    assert guarded.there(row).workers == []


def test_what_a_deployment_still_needs_is_not(guarded: Guarded) -> None:
    row = guarded.endpoint(TESTING, deployment=guarded.deployment(lifecycle.WAITING))
    guarded.age(row, state_since=timedelta(hours=3))
    guarded.look()
    assert fresh(row).stopped_at is None


def test_some_crashing_workers_do_not_take_the_others_away_from_the_users(guarded: Guarded) -> None:
    row = guarded.endpoint()
    guarded.warm(row)
    guarded.runpod.fault("slow_answers", target=row.ref, seconds=250)
    for _request in range(31):  # more than one worker takes at once
        guarded.ask(row)
    guarded.runpod.fault("crash_loop", target=row.ref)
    guarded.runpod.skip(16)
    assert (guarded.there(row).summary()["running"], guarded.there(row).summary()["unhealthy"]) == (1, 1)
    guarded.looks(4)
    assert (fresh(row).stopped_at, row.order, told(row)) == (None, "", ["crashing"])
    assert "others answer" in row.problem
    guarded.runpod.skip(900)  # the healthy one is done, and gone
    guarded.ask(row)
    guarded.runpod.skip(COLD)
    guarded.looks(3)
    assert fresh(row).stopped_at is not None


# What is told


@pytest.mark.parametrize("state", [ACTIVE, STANDBY, RETAINED])
def test_a_maximum_forced_to_zero_is_told_and_not_mended(guarded: Guarded, state: str) -> None:
    row = guarded.endpoint(state)
    guarded.look()
    assert fresh(row).problem == ""
    guarded.runpod.fault("max_zero", target=row.ref)
    guarded.looks(3)
    assert "maximum of workers to 0" in fresh(row).problem and told(row) == ["capacity"]
    assert guarded.there(row).settings["workers"]["max"] == 0 and row.stopped_at is None
    assert touched(guarded.runpod, row) == []
    with accounts.opened(guarded.account) as provider:
        provider.set_capacity(row.ref, 0, 2)
    guarded.look()
    assert fresh(row).problem == "" and actions(row)[-1] == "gpu_endpoint.alarm_over"


def test_a_maximum_that_somebody_raised_is_told(guarded: Guarded) -> None:
    row, stopped = guarded.endpoint(), guarded.endpoint(RETAINED)
    stopping.stop_now(stopped, "not needed", THE_SYSTEM, 10)
    with accounts.opened(guarded.account) as provider:
        provider.set_capacity(row.ref, 1, 4)
        provider.set_capacity(stopped.ref, 0, 1)
    guarded.look()
    assert "1-4 workers at the provider, and 0-2 here" in fresh(row).problem
    assert "may have 1 workers" in fresh(stopped).problem


def test_why_a_deployment_failed_stays_beside_an_alarm(guarded: Guarded) -> None:
    row = guarded.endpoint(STANDBY, problem="It was never switched to.")
    guarded.runpod.fault("max_zero", target=row.ref)
    guarded.look()
    assert fresh(row).problem.startswith("It was never switched to. The platform lowered")
    states.become(row, EndpointState.FAILED, THE_SYSTEM, "Something else.")
    guarded.look()
    assert fresh(row).problem == "Something else."


def test_workers_that_take_no_job_are_told(guarded: Guarded) -> None:
    row = guarded.endpoint(TESTING, deployment=guarded.deployment())
    guarded.runpod.fault("broken_image", target=row.ref)
    guarded.ask(row)
    guarded.runpod.skip(COLD)
    guarded.look()
    assert fresh(row).problem == "" and row.seen["waiting_since"]
    seen = {**row.seen, "waiting_since": (clock.now() - MINUTE).isoformat()}
    GpuEndpoint.objects.filter(pk=row.pk).update(seen=seen)
    guarded.look()
    assert "take no request" in fresh(row).problem and row.seen["phase"] == "broken_image"


@pytest.mark.parametrize(
    ("state", "then"), [(ACTIVE, ACTIVE), (STANDBY, FAILED), (RETAINED, FAILED), (TESTING, TESTING), (FAILED, FAILED)]
)
def test_one_deleted_by_hand_costs_nothing_more_and_is_told(guarded: Guarded, state: str, then: str) -> None:
    row = guarded.endpoint(state)
    guarded.warm(row)
    guarded.looks(2)
    spent = fresh(row).cost
    with accounts.opened(guarded.account) as provider:
        provider.delete(row.ref)
    guarded.looks(3)
    assert fresh(row).cost == spent > 0 and (row.state, row.seen) == (then, {"phase": "gone"})
    assert "deleted there by hand" in row.problem and told(row) == ["gone"]
    assert ("nobody is answered" in row.problem) == (state == ACTIVE)


def test_a_list_that_still_shows_it_is_believed(guarded: Guarded) -> None:
    row = guarded.endpoint(RETAINED)
    guarded.runpod.fault("server_error", status=404, times=1000, only=f"GET /v2/serverless/{row.ref}")
    guarded.looks(2)
    assert fresh(row).state == RETAINED and row.problem == "" and fresh(guarded.account).problem


# Orphans


def orphan(guarded: Guarded, name: str = "qwen-r1", ended: float = 30, **changes: object) -> GpuEndpoint:
    """The row of a creation of an hour ago whose reply nobody saw."""
    deployment = guarded.deployment("errored", ended=ended)
    row = GpuEndpoint.objects.create(
        environment=guarded.environment, account=guarded.account, name=name, deployment=deployment, max_workers=2,
        spec={}, **changes,
    )  # fmt: skip
    hour = timedelta(hours=1)
    guarded.age(row, created_at=hour, state_since=hour)
    return row


def test_an_orphan_is_found_by_its_name_and_stopped(guarded: Guarded) -> None:
    row = orphan(guarded)
    with accounts.opened(guarded.account) as provider:
        made = provider.create(spec(), "r1")
        other = provider.create(spec(), "r10")
    guarded.look()
    assert (fresh(row).ref, row.state) == (made.id, FAILED) and row.stopped_at is not None
    assert row.base_url == f"{guarded.runpod.data_url}/{made.id}/openai/v1"
    assert "found by its name" in row.problem and "gpu_endpoint.found" in actions(row)
    assert guarded.runpod.endpoint(made.id).settings["workers"]["max"] == 0
    assert guarded.runpod.endpoint(other.id).settings["workers"]["max"] == 2
    guarded.look()
    assert row.samples.count() == 1


def test_nothing_is_looked_for_while_the_creation_may_go_on(guarded: Guarded) -> None:
    young, busy = orphan(guarded, "a"), orphan(guarded, "b")
    GpuEndpoint.objects.filter(pk=young.pk).update(created_at=clock.now())
    Deployment.objects.filter(pk=busy.deployment_id).update(status=lifecycle.RUNNING, finished_at=None)
    guarded.look()
    assert "GET /v2/serverless" not in guarded.runpod.requests
    assert (fresh(young).state, fresh(busy).state) == (CREATING, CREATING)


def test_it_is_found_soon_after_the_end_and_missed_only_later(guarded: Guarded) -> None:
    found, missing = orphan(guarded, ended=1), orphan(guarded, "qwen-r2", ended=1)
    for row in (found, missing):
        GpuEndpoint.objects.filter(pk=row.pk).update(state_since=clock.now() - timedelta(hours=1))
    with accounts.opened(guarded.account) as provider:
        made = provider.create(spec(), "r1")
    guarded.look()
    assert fresh(found).ref == made.id and found.stopped_at is not None
    assert (fresh(missing).state, missing.watched_at) == (CREATING, None), "a creation may still be at work"
    Deployment.objects.filter(pk=missing.deployment_id).update(finished_at=clock.now() - timedelta(minutes=16))
    guarded.look()
    assert fresh(missing).state == FAILED


def test_what_is_not_there_is_told_and_looked_for_each_hour(guarded: Guarded) -> None:
    row = orphan(guarded)
    guarded.looks(3)
    assert fresh(row).state == FAILED and "never created" in row.problem
    assert guarded.runpod.requests.count("GET /v2/serverless") == 1
    with accounts.opened(guarded.account) as provider:  # it came to be all the same
        made = provider.create(spec(), "r1")
    guarded.look(seconds=3601)
    assert fresh(row).ref == made.id and row.stopped_at is not None
    assert guarded.runpod.endpoint(made.id).settings["workers"]["max"] == 0


def test_twins_are_stopped_and_told(guarded: Guarded) -> None:
    row = orphan(guarded)
    with accounts.opened(guarded.account) as provider:
        one = provider.create(spec(), "r1")
    settings = dict(guarded.runpod.endpoint(one.id).settings)
    with guarded.runpod.account.lock:
        two = guarded.runpod.account.create(settings | {"workers": {"min": 0, "max": 2, "idleTimeout": 30}})
    guarded.look()
    assert fresh(row).ref in (one.id, two.id)
    twin = two.id if row.ref == one.id else one.id
    assert twin in row.problem
    assert [endpoint.settings["workers"]["max"] for endpoint in guarded.runpod.endpoints] == [0, 0]


def test_an_older_one_of_the_same_name_is_somebody_elses(guarded: Guarded) -> None:
    with accounts.opened(guarded.account) as provider:
        theirs = provider.create(spec(), "r1")
    row = orphan(guarded)
    guarded.runpod.endpoint(theirs.id).created -= 7200
    guarded.look()
    assert (fresh(row).ref, row.state) == ("", FAILED)
    assert guarded.runpod.endpoint(theirs.id).settings["workers"]["max"] == 2


# What is left alone


def test_endpoints_that_are_not_ours_are_never_touched(guarded: Guarded) -> None:
    guarded.budget(day="0.001", month="0.001", deployment="0.001")
    with accounts.opened(guarded.account) as provider:
        theirs = provider.create(spec(name="somebody-elses"), "1")
    ours = guarded.endpoint(TESTING, deployment=guarded.deployment("failed", ended=60))
    guarded.age(ours, state_since=timedelta(hours=1))
    orphan(guarded, "somebody")
    guarded.warm(ours)
    guarded.looks(4)
    assert fresh(ours).stopped_at is not None
    assert [line for line in guarded.runpod.requests if theirs.id in line] == []


def test_a_retired_one_is_not_looked_at(guarded: Guarded) -> None:
    row = guarded.endpoint(FAILED)
    states.become(row, EndpointState.RETIRING, THE_SYSTEM)
    states.become(row, EndpointState.RETIRED, THE_SYSTEM)
    guarded.look()
    assert row.samples.count() == 0


def test_orders_that_no_worker_took_are_sent_again(guarded: Guarded, sent: list[tuple[object, ...]]) -> None:
    allowed, retiring, asked = guarded.endpoint(), guarded.endpoint(FAILED), guarded.endpoint(STANDBY)
    before = clock.now() - MINUTE
    GpuEndpoint.objects.filter(pk=allowed.pk).update(order="allow", order_at=before)
    states.become(retiring, EndpointState.RETIRING, THE_SYSTEM)
    GpuEndpoint.objects.filter(pk=asked.pk).update(proof_asked_at=before)
    guarded.look()
    tend = {("tend_gpu_endpoint", allowed.pk), ("tend_gpu_endpoint", retiring.pk)}
    assert set(sent) == tend | {("prove_gpu_endpoint", asked.pk)}
    sent.clear()
    GpuEndpoint.objects.update(tended_at=clock.now(), proof_began_at=clock.now())
    guarded.look()
    assert sent == []


def test_a_stop_that_nobody_verified_is_not_called_done() -> None:
    assert not Stopping(True, None, None, ()).done


def test_the_interval_is_that_of_the_settings(guarded: Guarded, settings: LazySettings) -> None:
    settings.GPU_WATCH_SECONDS = 10
    row = guarded.endpoint()
    guarded.look()
    guarded.warm(row)
    guarded.look(seconds=600)
    assert costs_minutes(row, 0.5)


def test_one_that_is_gone_is_looked_for_now_and_then(guarded: Guarded) -> None:
    row = guarded.endpoint(RETAINED)
    there = guarded.runpod.account.endpoints.pop(row.ref)
    guarded.look()
    asked = guarded.runpod.requests.count(f"GET /v2/serverless/{row.ref}")
    guarded.looks(2)
    assert guarded.runpod.requests.count(f"GET /v2/serverless/{row.ref}") == asked
    guarded.runpod.account.endpoints[row.ref] = there
    guarded.look(seconds=601)
    assert fresh(row).problem == "" and row.seen["phase"] == "asleep"
