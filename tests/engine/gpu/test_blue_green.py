"""Blue and green: created, proved, switched, kept; and back again."""

import pytest

from releases.audit import Actor
from releases.engine import driver, gpu_undoing, recovering, recovery, undoing
from releases.engine.errors import EngineError
from releases.models import EndpointState, GpuProof
from releases.way_back import WayBack

from .fleet import Fleet, fresh, step

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_first_endpoint_gets_the_traffic(fleet: Fleet) -> None:
    done = fleet.deploy("v1")
    row = fleet.endpoint(done)
    assert (done.kind, row.state, row.previous) == ("gpu_deploy", EndpointState.ACTIVE, None)
    assert row.ref == fleet.runpod.endpoint(row.name).id
    assert row.name == f"{fleet.rules.prefix}-v1-{done.pk}"
    said = fleet.variables()
    assert said["RUNPOD_ENDPOINT_ID"] == row.ref
    assert said["RUNPOD_BASE_URL"] == f"{fleet.runpod.data_url}/{row.ref}/openai/v1"
    assert (said["AI_MODEL"], said["PORT"]) == ("Qwen/Qwen2.5-7B-Instruct", "8080")
    assert said["RUNPOD_API_KEY"] == "rpa_backend_only_0123456789"
    proof = GpuProof.objects.get(endpoint=row)
    assert proof.passed and proof.was_cold and proof.first and proof.warm and proof.together and proof.at_once == 2


def test_blue_is_kept_and_takes_the_traffic_back(fleet: Fleet) -> None:
    blue = fleet.endpoint(fleet.deploy("v1"))
    second = fleet.deploy("v2")
    green = fleet.endpoint(second)
    assert (fresh(blue).state, green.state, green.previous) == (EndpointState.RETAINED, EndpointState.ACTIVE, blue)
    assert blue.retained_until is not None and blue.max_workers == 2
    assert undoing.is_undoable(second)
    fleet.runpod.fault("max_zero", target=blue.ref)  # as the platform does after a week without requests
    back = fleet.run(fleet.draft_back(second))
    assert back.status == "succeeded", fleet.told(back)
    assert (back.kind, back.undoes, back.release.version) == ("gpu_rollback", second, "v1")
    assert (fresh(blue).state, fresh(green).state) == (EndpointState.ACTIVE, EndpointState.FAILED)
    assert fleet.variables()["RUNPOD_ENDPOINT_ID"] == blue.ref
    assert fleet.runpod.endpoint(green.ref).settings["workers"]["max"] == 0
    assert fleet.runpod.endpoint(blue.ref).settings["workers"]["max"] == 2
    with pytest.raises(EngineError, match="was rolled back already"):
        undoing.require_open(WayBack(second))


def test_what_never_moved_the_traffic_has_nothing_to_undo(fleet: Fleet) -> None:
    blue = fleet.endpoint(fleet.deploy("v1"))
    fleet.runpod.fault("engine_dead")
    failed = fleet.run(fleet.draft("v2"))
    assert failed.status == "failed", fleet.told(failed)
    green = fleet.endpoint(failed)
    assert (fresh(blue).state, green.state) == (EndpointState.ACTIVE, EndpointState.FAILED)
    assert green.stopped_at is not None and fleet.runpod.endpoint(green.ref).settings["workers"]["max"] == 0
    assert fleet.variables()["RUNPOD_ENDPOINT_ID"] == blue.ref
    with pytest.raises(EngineError, match="never moved the traffic"):
        undoing.require_open(WayBack(failed))
    assert fleet.environment.pk not in gpu_undoing.standing([fleet.environment.pk])


def test_in_an_emergency_nobody_is_asked(fleet: Fleet) -> None:
    """The new model answers nonsense at night: one person, one reason, and the traffic is back."""
    blue = fleet.endpoint(fleet.deploy("v1"))
    second = fleet.deploy("v2")
    user = fleet.world.requester
    asked = recovery.ask(second, user, Actor(user), "it answers nonsense")
    recovering.carry_out(asked.pk)
    back = second.rollbacks.get()
    driver.drive(back.pk)
    recovering.carry_out(asked.pk)
    assert fresh(back).status == "succeeded", fleet.told(back)
    assert fresh(asked).ending == "succeeded"
    assert fleet.variables()["RUNPOD_ENDPOINT_ID"] == blue.ref


def test_a_deploy_that_failed_after_the_switch_goes_back_as_well(fleet: Fleet) -> None:
    blue = fleet.endpoint(fleet.deploy("v1"))
    book = fleet.rules.worker_runbook
    assert book is not None
    steps = fleet.deploy_steps()
    steps.insert(5, step("test", "shell", {"command": "false"}, runs_on="app"))
    fleet.save(book, steps)
    failed = fleet.run(fleet.draft("v2"))
    assert failed.status == "failed" and failed.steps.get(key="test").status == "failed"
    assert (fresh(blue).state, fleet.endpoint(failed).state) == (EndpointState.STANDBY, EndpointState.ACTIVE)
    assert gpu_undoing.standing([fleet.environment.pk]) == {fleet.environment.pk: failed}
    back = fleet.run(fleet.draft_back(failed))
    assert back.status == "succeeded", fleet.told(back)
    assert (fresh(blue).state, fleet.endpoint(failed).state) == (EndpointState.ACTIVE, EndpointState.FAILED)
    third = fleet.run(fleet.draft_of(failed.release))
    assert fleet.endpoint(third).previous == blue


def test_only_the_last_one_that_moved_the_traffic_goes_back(fleet: Fleet) -> None:
    fleet.account.worker_quota = fleet.runpod.account.quota = 10
    fleet.account.save()
    first, second = fleet.deploy("v1"), fleet.deploy("v2")
    third = fleet.deploy("v3")
    with pytest.raises(EngineError, match=f"#{third.pk} moved the traffic after"):
        undoing.require_open(WayBack(second))
    with pytest.raises(EngineError, match="no earlier endpoint"):
        fleet.run(fleet.draft_back(third))
        fleet.run(fleet.draft_back(second))
        undoing.require_open(WayBack(first))
    assert fleet.states() == ["active", "failed", "failed"]
