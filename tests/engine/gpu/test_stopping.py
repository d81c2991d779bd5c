"""Ending what an endpoint costs, verified, and giving it its workers back."""

import threading

import pytest
from django.db import connection

from releases.audit import THE_SYSTEM, Actor
from releases.endpoints import alarms, stopping
from releases.gpu.errors import EndpointGone, QuotaFull
from releases.models import AuditEvent, EndpointOrder, EndpointState, GpuAccount, GpuEndpoint
from tests.emulators.runpod import RunPod

from .caller import until
from .fleet import fresh
from .guarded import COLD, Guarded, actions, touched

pytestmark = pytest.mark.django_db(transaction=True)


def maximum(guarded: Guarded, row: GpuEndpoint) -> int:
    return int(guarded.there(row).settings["workers"]["max"])


def test_it_is_stopped_and_seen_to_be(guarded: Guarded) -> None:
    row = guarded.endpoint()
    guarded.warm(row)
    person = Actor(guarded.world.requester, "10.0.0.9")
    found = stopping.stop_now(row, "It is not needed.", person, 10)
    assert found is not None and found.done and found.problems == ()
    assert (row.stopped_because, row.order, row.order_because) == ("It is not needed.", "", "")
    assert row.stopped_at is not None and (row.min_workers, row.max_workers) == (0, 2)
    assert (maximum(guarded, row), guarded.there(row).workers, guarded.there(row).waiting) == (0, [], [])
    event = AuditEvent.objects.get(action="gpu_endpoint.stop")
    assert (event.actor, event.address, event.detail) == (
        guarded.world.requester, "10.0.0.9", {"reason": "It is not needed."},
    )  # fmt: skip


def test_a_worker_that_ends_its_job_is_waited_for(guarded: Guarded) -> None:
    row = guarded.endpoint()
    guarded.warm(row)
    guarded.runpod.fault("slow_answers", target=row.ref, seconds=300)
    guarded.ask(row)
    found = stopping.stop_now(row, "Too dear.", THE_SYSTEM, 0.5)
    assert found is not None and (found.done, found.workers_left, found.forbidden) == (False, 1, True)
    assert (row.order, row.order_because, row.stopped_at) == ("stop", "Too dear.", None)
    assert actions(row) == []
    guarded.runpod.skip(301)
    assert stopping.carry_out(row, THE_SYSTEM, 5).done
    assert row.stopped_at is not None and row.stopped_because == "Too dear."


def test_what_waits_in_the_queue_is_dropped(guarded: Guarded) -> None:
    row = guarded.endpoint()
    guarded.runpod.fault("no_capacity")
    guarded.ask(row)
    found = stopping.stop_now(row, "No card.", THE_SYSTEM, 10)
    assert found is not None and found.done and [job.status for job in guarded.runpod.jobs] == ["CANCELLED"]


def test_what_did_not_work_stays_wanted(guarded: Guarded) -> None:
    row = guarded.endpoint()
    guarded.runpod.fault("server_error", times=1000, plane="control", only="PATCH *")
    found = stopping.stop_now(row, "Why not.", THE_SYSTEM, 1)
    assert found is not None and not found.done and found.problems
    assert (row.order, row.stopped_at) == (EndpointOrder.STOP, None)


def test_a_key_that_cannot_be_used_is_an_answer(guarded: Guarded) -> None:
    row = guarded.endpoint()
    GpuAccount.objects.filter(pk=guarded.account.pk).update(ciphertext=b"")
    found = stopping.stop_now(row, "Why not.", THE_SYSTEM, 1)
    assert found is not None and not found.done and "no key yet" in found.problems[0]
    assert (row.order, row.stopped_at) == (EndpointOrder.STOP, None)


def test_one_that_is_gone_costs_nothing(guarded: Guarded) -> None:
    row = guarded.endpoint()
    guarded.runpod.account.endpoints.pop(row.ref)
    found = stopping.stop_now(row, "Why not.", THE_SYSTEM, 5)
    assert found is not None and found.done and row.stopped_at is not None


def test_without_an_id_nothing_is_written(guarded: Guarded) -> None:
    row = guarded.endpoint(EndpointState.FAILED)
    GpuEndpoint.objects.filter(pk=row.pk).update(ref="")
    found = stopping.stop_now(fresh(row), "Why not.", THE_SYSTEM, 5)
    assert found is not None and not found.done and "not known" in found.problems[0]
    assert fresh(row).order == ""


def test_an_own_server_is_not_stopped_from_here(guarded: Guarded) -> None:
    own = GpuAccount.objects.create(
        project=guarded.world.project, name="own", provider="self_hosted", data_url="http://127.0.0.1:1", model="m"
    )
    row = GpuEndpoint.objects.create(environment=guarded.environment, account=own, name="own", ref="own")
    assert stopping.stop_now(row, "Why not.", THE_SYSTEM, 5) is None
    stopping.allow(row, THE_SYSTEM, 5)
    assert (fresh(row).order, row.stopped_at, actions(row)) == ("", None, [])


def test_an_order_that_came_meanwhile_is_not_undone(guarded: Guarded) -> None:
    """A person allows it while a worker is still at the stop: the stop must not be written over that."""
    row = guarded.endpoint()
    guarded.warm(row)
    guarded.runpod.fault("slow_answers", target=row.ref, seconds=300)
    guarded.ask(row)

    def stop() -> None:
        try:
            stopping.stop_now(GpuEndpoint.objects.get(pk=row.pk), "Too dear.", THE_SYSTEM, 20)
        finally:
            connection.close()

    thread = threading.Thread(target=stop)
    thread.start()
    until(lambda: maximum(guarded, row) == 0)
    assert stopping.order(row, EndpointOrder.ALLOW, "", Actor(guarded.world.requester))
    guarded.runpod.skip(301)
    thread.join()
    assert (fresh(row).order, row.stopped_at, row.order_by) == ("allow", None, guarded.world.requester)


def test_it_gets_its_workers_back(guarded: Guarded) -> None:
    row = guarded.endpoint(unhealthy_looks=2)
    stopping.stop_now(row, "Too dear.", THE_SYSTEM, 10)
    alarms.settle(row, {"stopped": "The cost guard stops it.", "bill": "Odd."}, {"stopped", "bill"})
    stopping.allow(row, Actor(guarded.world.requester), 10)
    assert maximum(guarded, row) == 2
    assert (row.stopped_at, row.stopped_because, row.order, row.unhealthy_looks) == (None, "", "", 0)
    assert (row.problem, row.alarms) == ("Odd.", {"bill": "Odd."})
    assert AuditEvent.objects.get(action="gpu_endpoint.allow").detail == {"workers": 2}
    guarded.ask(row)
    guarded.runpod.skip(COLD)
    assert guarded.there(row).summary()["idle"] == 1


def test_a_stop_that_waits_is_over_when_it_is_allowed(guarded: Guarded) -> None:
    row = guarded.endpoint()
    stopping.order(row, EndpointOrder.STOP, "Too dear.", THE_SYSTEM)
    stopping.allow(fresh(row), THE_SYSTEM, 10)
    assert (fresh(row).order, row.stopped_at, maximum(guarded, row)) == ("", None, 2)


def test_a_stop_ordered_while_it_is_allowed_stands(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    row = guarded.endpoint()
    stopping.stop_now(row, "Too dear.", THE_SYSTEM, 10)
    opened = stopping.accounts.opened

    def meanwhile(*arguments: object) -> object:
        other = GpuEndpoint.objects.get(pk=row.pk)
        assert stopping.order(other, EndpointOrder.STOP, "No!", THE_SYSTEM)
        return opened(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(stopping.accounts, "opened", meanwhile)
    stopping.allow(row, THE_SYSTEM, 10)
    assert (row.order, row.order_because) == ("stop", "No!") and row.stopped_at is not None


def test_what_the_provider_refuses_changes_nothing_here(guarded: Guarded) -> None:
    row = guarded.endpoint()
    stopping.stop_now(row, "Too dear.", THE_SYSTEM, 10)
    guarded.runpod.account.quota = 1
    with pytest.raises(QuotaFull):
        stopping.allow(row, THE_SYSTEM, 10)
    guarded.runpod.account.endpoints.pop(row.ref)
    with pytest.raises(EndpointGone):
        stopping.allow(row, THE_SYSTEM, 10)
    assert fresh(row).stopped_at is not None and "gpu_endpoint.allow" not in actions(row)


def test_the_same_is_ordered_once_and_of_the_living_alone(guarded: Guarded) -> None:
    row = guarded.endpoint()
    assert stopping.order(row, EndpointOrder.STOP, "One.", THE_SYSTEM)
    assert not stopping.order(row, EndpointOrder.STOP, "Two.", THE_SYSTEM)
    assert fresh(row).order_because == "One."
    gone = guarded.endpoint(EndpointState.RETIRED)
    assert not stopping.order(gone, EndpointOrder.STOP, "One.", THE_SYSTEM)


def test_nothing_else_is_touched(guarded: Guarded) -> None:
    row, other = guarded.endpoint(), guarded.endpoint(EndpointState.STANDBY)
    stopping.stop_now(row, "Too dear.", THE_SYSTEM, 10)
    stopping.allow(row, THE_SYSTEM, 10)
    assert touched(guarded.runpod, other) == [] and touched(guarded.runpod, row)


def test_alarms_are_told_once_and_leave_the_words_of_others(guarded: Guarded) -> None:
    row = guarded.endpoint(problem="The switch failed.")
    for _look in range(3):
        alarms.settle(row, {"capacity": "Lowered.", "bill": "Not asked."}, {"capacity", "gone"})
    assert (row.problem, row.alarms) == ("The switch failed. Lowered.", {"capacity": "Lowered."})
    alarms.settle(row, {"bill": "More."}, {"bill"})
    alarms.settle(row, {"capacity": "Lowered again."}, {"capacity"})
    assert fresh(row).problem == "The switch failed. More. Lowered."
    GpuEndpoint.objects.filter(pk=row.pk).update(problem="")  # as a step that succeeded says
    alarms.settle(row, {"capacity": "Lowered."}, {"capacity"})
    assert fresh(row).problem == "More. Lowered."
    alarms.settle(row, {}, {"capacity", "bill"})
    assert (fresh(row).problem, row.alarms) == ("", {})
    assert actions(row) == ["gpu_endpoint.alarm"] * 2 + ["gpu_endpoint.alarm_over"]


@pytest.mark.parametrize("kind", ["rate_limit", "server_error", "lost_reply"])
def test_a_provider_that_stumbles_once_is_stopped_all_the_same(guarded: Guarded, kind: str) -> None:
    row = guarded.endpoint()
    guarded.warm(row)
    guarded.runpod.fault(kind, times=1, only="PATCH *")
    found = stopping.stop_now(row, "Too dear.", THE_SYSTEM, 20)
    assert found is not None and found.done and isinstance(guarded.runpod, RunPod)
    assert guarded.there(row).workers == []
