"""Whatever breaks around a creation: one endpoint, and its row knows it."""

import threading
import uuid

import httpx
import pytest

from releases.actions import registry
from releases.actions.base import StepContext
from releases.engine import clock
from releases.models import Attempt, Deployment, EndpointState, GpuEndpoint
from releases.remote import faults
from releases.remote.local import LocalTransport
from releases.runbooks.plan import PlannedStep

from .fleet import Fleet, fresh

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """A worker that is killed at this moment; nothing of ours catches that."""


def context(draft: Deployment, number: int, stop: threading.Event | None = None) -> StepContext:
    """An attempt of its creating step."""
    step = draft.steps.get(key="create")
    attempt = Attempt.objects.create(step=step, number=number, remote_id=uuid.uuid4().hex)
    planned = PlannedStep.from_json(draft.plan.content["steps"][step.position - 1])
    said = bytearray()
    return StepContext(
        draft,
        attempt,
        planned,
        {},
        LocalTransport,
        said.extend,
        stop.is_set if stop else lambda: False,
        lambda done, total: None,
    )


def create(draft: Deployment, number: int) -> None:
    registry.find("gpu_create").run(context(draft, number))  # type: ignore[attr-defined]


def end(draft: Deployment, number: int) -> None:
    """The attempt of a worker that is gone, as the recovery would end it."""
    Attempt.objects.filter(step__deployment=draft, number=number).update(status="errored", finished_at=clock.now())


def test_a_worker_killed_before_it_kept_the_id_leaves_no_second_endpoint(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = fleet.draft("v1")

    def kill(name: str) -> None:
        if name == "gpu_created":
            raise Killed

    monkeypatch.setattr(faults, "hook", kill)
    with pytest.raises(Killed):
        create(draft, 1)
    row = GpuEndpoint.objects.get(deployment=draft)
    assert (row.state, row.ref, len(fleet.runpod.endpoints)) == (EndpointState.CREATING, "", 1)
    monkeypatch.setattr(faults, "hook", None)
    end(draft, 1)
    create(draft, 2)
    assert [endpoint.id for endpoint in fleet.runpod.endpoints] == [fresh(row).ref]
    assert row.state == EndpointState.TESTING


def test_a_second_run_of_the_same_step_finds_it(fleet: Fleet) -> None:
    draft = fleet.draft("v1")
    create(draft, 1)
    end(draft, 1)
    create(draft, 2)
    assert len(fleet.runpod.endpoints) == 1 and GpuEndpoint.objects.count() == 1


def test_a_cancelled_creation_is_one_that_is_known(fleet: Fleet) -> None:
    """The order to stop comes while the provider is silent: what it made is found by its name, by the next try."""
    draft = fleet.draft("v1")
    stop = threading.Event()
    fleet.runpod.fault("rate_limit", only="POST /v2/serverless", retry_after=30, times=1)
    stopper = threading.Timer(0.5, stop.set)
    stopper.start()
    asked = context(draft, 1, stop)
    registry.find("gpu_create").run(asked)  # type: ignore[attr-defined]
    stopper.join()
    assert not fleet.runpod.endpoints
    assert GpuEndpoint.objects.get(deployment=draft).state == EndpointState.CREATING


def test_two_deployments_of_one_release_have_an_endpoint_each(fleet: Fleet) -> None:
    first = fleet.deploy("v1")
    again = fleet.run(fleet.draft_of(first.release))
    assert again.status == "succeeded", fleet.told(again)
    names = {endpoint.settings["name"] for endpoint in fleet.runpod.endpoints}
    assert names == {f"{fleet.rules.prefix}-v1-{first.pk}", f"{fleet.rules.prefix}-v1-{again.pk}"}


def test_endpoints_that_are_not_ours_are_never_touched(fleet: Fleet) -> None:
    body = {
        "name": "somebody-elses",
        "type": "QUEUE",
        "image": "somebody/else:1",
        "gpu": {"pools": ["ADA_24"], "count": 1},
        "workers": {"min": 0, "max": 1, "idleTimeout": 5},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    }
    headers = {"Authorization": f"Bearer {fleet.runpod.key}"}
    made = httpx.post(f"{fleet.runpod.control_url}/serverless", json=body, headers=headers).json()
    fleet.deploy("v1")
    fleet.run(fleet.draft_back(fleet.deploy("v2")))
    touched = [line for line in fleet.runpod.requests if made["id"] in line]
    assert touched == []
