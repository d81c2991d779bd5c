"""Who has the traffic is written down whatever way a switch ends, and nobody who may have it is taken away."""

import pytest
from django.db.models import F

from releases.audit import Actor
from releases.endpoints import adoption, stopping
from releases.engine import clock, decide, driver, gpu_orders, gpu_rules, gpu_undoing, undoing
from releases.engine.errors import Conflict
from releases.models import Attempt, Deployment, EndpointState, GpuEndpoint, Step
from releases.way_back import WayBack

from .fleet import Fleet, fresh, step

pytestmark = pytest.mark.django_db(transaction=True)


def stopped_at(fleet: Fleet, key: str) -> Deployment:
    """A second deploy that stops at a step, which fails."""
    steps = fleet.deploy_steps()
    position = next(index for index, each in enumerate(steps) if each["key"] == key)
    steps.insert(position, step("halt", "shell", {"command": "false"}, runs_on="app"))
    assert fleet.rules.worker_runbook is not None
    fleet.save(fleet.rules.worker_runbook, steps)
    done = fleet.run(fleet.draft("v2"))
    assert done.status == "failed", fleet.told(done)
    return done


def go_on(fleet: Fleet, deployment: Deployment, skipped: str) -> Deployment:
    """A person leaves a stopped step out, and it runs on."""
    decide.skip(deployment.steps.get(key=skipped), Actor(fleet.world.requester), "by hand")
    driver.drive(deployment.pk)
    return fresh(deployment)


def test_after_a_skipped_switch_the_one_that_has_the_traffic_is_left_alone(fleet: Fleet) -> None:
    blue = fleet.endpoint(fleet.deploy("v1"))
    second = fleet.begin(fleet.draft("v2"))
    (fleet.file).rename(fleet.stage.home / "elsewhere.env")  # so that the switch fails
    driver.drive(second.pk)
    (fleet.stage.home / "elsewhere.env").rename(fleet.file)
    assert fresh(second).steps.get(key="switch").status == "failed"
    done = go_on(fleet, second, "switch")
    assert done.steps.get(key="retain").status == "failed"
    assert "does not have the traffic" in done.steps.get(key="retain").reason
    assert fresh(blue).state == EndpointState.ACTIVE
    assert fleet.runpod.endpoint(blue.ref).settings["workers"]["max"] == 2


def test_a_switch_that_a_person_says_worked_moves_the_traffic(fleet: Fleet) -> None:
    blue = fleet.endpoint(fleet.deploy("v1"))
    second = stopped_at(fleet, "restart")
    green = fleet.endpoint(second)
    # As a worker leaves it that died after the file was changed: nobody knows, and the row says nothing.
    GpuEndpoint.objects.filter(pk=green.pk).update(state="standby")
    GpuEndpoint.objects.filter(pk=blue.pk).update(state="active")
    switch = second.steps.get(key="switch")
    Deployment.objects.filter(pk=second.pk).update(status="unknown", finished_at=None)
    Step.objects.filter(pk=switch.pk).update(status="unknown")
    Attempt.objects.create(step=switch, number=9, remote_id="nine", status="unknown")
    decide.resolve(switch, Actor(fleet.world.requester), "worked", "the file names it")
    assert (fresh(blue).state, fresh(green).state) == (EndpointState.STANDBY, EndpointState.ACTIVE)


def test_around_a_switch_nobody_is_retired_and_blue_is_not_stopped_first(fleet: Fleet) -> None:
    blue = fleet.endpoint(fleet.deploy("v1"))
    second = stopped_at(fleet, "restart")  # the file names green, the running backend still asks blue
    green = fleet.endpoint(second)
    assert gpu_undoing.in_doubt(fleet.environment.pk) == {blue.pk, green.pk}
    blue = fresh(blue)
    with pytest.raises(Conflict, match="stopped around its switch"):
        gpu_orders.retire(blue, fleet.world.requester, Actor(fleet.world.requester))
    assert gpu_rules._is_active(blue) and gpu_rules._is_active(green)
    done = fleet.run(fleet.draft_back(second))
    assert done.status == "succeeded", fleet.told(done)
    assert gpu_undoing.in_doubt(fleet.environment.pk) == set()


def test_a_switch_that_waits_for_its_retry_can_still_be_undone(fleet: Fleet) -> None:
    fleet.deploy("v1")
    second = stopped_at(fleet, "restart")
    second.steps.filter(key="switch").update(started_at=None, status="pending")
    assert undoing.is_undoable(second)
    assert gpu_undoing.standing([fleet.environment.pk]) == {fleet.environment.pk: second}


def test_who_was_taken_over_meanwhile_is_the_one_before(fleet: Fleet) -> None:
    """The first deploy stops before its switch; somebody takes over what the backend asks; the deploy goes on."""
    first = stopped_at(fleet, "switch")
    green = fleet.endpoint(first)
    with fleet.provider() as provider:
        made = provider.create(fleet.spec(), "by-hand")
        adopted = adoption.adopt(fleet.account, fleet.environment, made, Actor(fleet.world.approver))
    assert adopted.state == EndpointState.ACTIVE and green.previous is None
    done = go_on(fleet, first, "halt")
    assert done.status == "succeeded", fleet.told(done)
    green = fresh(green)
    assert (green.state, green.previous, fresh(adopted).state) == ("active", adopted, "retained")


def test_an_order_to_stop_that_came_meanwhile_is_carried_out(fleet: Fleet) -> None:
    row = fleet.endpoint(fleet.deploy("v1"))
    stale = GpuEndpoint.objects.select_related("account").get(pk=row.pk)
    actor = Actor(fleet.world.requester)
    stopping.stop_now(fresh(row), "too dear", actor, 20)  # ordered, done, and over
    assert fresh(row).stopped_at is not None and fresh(row).order == ""
    stopping.allow(stale, actor, 20)  # by who had read the row before
    assert fresh(row).order == "stop" and fresh(row).stopped_at is not None


def test_what_a_person_stopped_is_not_started_by_its_proof(fleet: Fleet) -> None:
    second = stopped_at(fleet, "prove")
    row = fleet.endpoint(second)
    stopping.stop_now(row, "wrong model", Actor(fleet.world.requester), 20)
    done = go_on(fleet, second, "halt")
    assert done.steps.get(key="prove").status == "failed"
    assert "wrong model" in done.steps.get(key="prove").reason
    assert fleet.runpod.endpoint(row.ref).settings["workers"]["max"] == 0


def test_a_creation_that_is_tried_again_is_looked_for_again(fleet: Fleet) -> None:
    fleet.runpod.fault("server_error", only="POST /v2/serverless", status=400, times=1)
    second = fleet.run(fleet.draft("v1"))
    row = fleet.endpoint(second)
    assert (row.state, row.ref) == (EndpointState.FAILED, "")
    GpuEndpoint.objects.filter(pk=row.pk).update(watched_at=clock.now(), state_since=F("state_since"))
    fleet.runpod.fault("server_error", only="POST /v2/serverless", status=500, times=50)
    decide.retry(second.steps.get(key="create"), Actor(fleet.world.requester), "again")
    driver.drive(second.pk)
    assert fresh(row).watched_at is None and fresh(row).state == EndpointState.CREATING


def test_every_prompt_is_asked(fleet: Fleet) -> None:
    """The last of five has a pattern that nothing matches."""
    prompts = [{"text": f"What is 1 + {n}?", "matches": str(1 + n)} for n in range(4)]
    prompts.append({"text": "Say ok", "matches": "never"})
    book = fleet.rules.worker_runbook
    assert book is not None
    fleet.save(book, fleet.deploy_steps(prompts=prompts, warm=1, at_once=1))
    done = fleet.run(fleet.draft("v1"))
    assert done.steps.get(key="prove").status == "failed" and "never" in done.steps.get(key="prove").reason


def test_a_kept_one_that_was_thought_gone_may_take_the_traffic_back(fleet: Fleet) -> None:
    """Another account's key made it look deleted; whether it is there is proved before the switch."""
    blue = fleet.endpoint(fleet.deploy("v1"))
    second = fleet.deploy("v2")
    GpuEndpoint.objects.filter(pk=blue.pk).update(state="failed", problem="It is gone.")
    undoing.require_open(WayBack(second))
    back = fleet.run(fleet.draft_back(second))
    assert back.status == "succeeded", fleet.told(back)
    assert fresh(blue).state == EndpointState.ACTIVE
