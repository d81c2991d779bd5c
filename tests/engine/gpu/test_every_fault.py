"""Every fault of the admin route, at every step that it can strike: nothing is lost, nothing goes on costing.

The fault is set over HTTP by a step of the runbook itself, just before the step that it shall strike. Whatever came of
the run, afterwards: no endpoint is there that no row knows, no deployment has two, who has the traffic is proved, and
what failed has no worker and can have none.
"""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from releases.engine import clock, gpu_watch
from releases.models import Deployment, EndpointState, GpuEndpoint

from .fleet import Fleet, fresh, step

pytestmark = pytest.mark.django_db(transaction=True)

THROUGH, STOPPED = "succeeded", "failed"
CREATE = "POST /v2/serverless"


@dataclass(frozen=True)
class Case:
    """A fault, before which step, and how the run then ends. `of`: "green" or "blue" for a fault of one endpoint."""

    kind: str
    at: str
    ends: str
    of: str = ""
    back: bool = False  # strikes the rollback, not the deploy
    settings: dict[str, Any] = field(default_factory=dict)
    prove: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        more = "".join(f"-{value}" for value in self.settings.values() if value != CREATE)
        return f"{self.kind}{more}-{'back-' if self.back else ''}{self.at}"


CASES = [
    Case("rate_limit", "check", THROUGH),
    Case("server_error", "check", THROUGH, settings={"status": 503}),
    Case("rate_limit", "create", THROUGH, settings={"only": CREATE}),
    Case("server_error", "create", THROUGH, settings={"only": CREATE, "status": 502}),
    Case("server_error", "create", STOPPED, settings={"only": CREATE, "status": 500, "times": 100}),
    Case("lost_reply", "create", THROUGH),
    Case("no_reply", "create", THROUGH, settings={"only": CREATE}),
    Case("no_capacity", "prove", STOPPED),
    Case("crash_loop", "prove", STOPPED),
    Case("slow_start", "prove", THROUGH, settings={"seconds": 30}),
    Case("engine_dead", "prove", STOPPED),
    Case("broken_image", "prove", STOPPED, prove={"cold_limit": "5s"}),
    Case("wrong_answers", "prove", STOPPED),
    Case("slow_answers", "prove", THROUGH, settings={"seconds": 5}),
    Case("slow_answers", "prove", STOPPED, settings={"seconds": 5000}, prove={"cold_limit": "4s"}),
    Case("rate_limit", "prove", THROUGH, settings={"times": 2}),
    Case("server_error", "prove", THROUGH, settings={"status": 503, "plane": "control"}),
    Case("max_zero", "prove", THROUGH, of="green"),
    Case("engine_dead", "switch", THROUGH, of="blue"),
    Case("server_error", "retain", THROUGH, settings={"status": 503}),
    Case("max_zero", "activate", THROUGH, of="blue", back=True),
    Case("crash_loop", "activate", STOPPED, of="blue", back=True),
    Case("engine_dead", "activate", STOPPED, of="blue", back=True),
    Case("rate_limit", "stop", THROUGH, back=True),
    Case("server_error", "stop", THROUGH, back=True, settings={"status": 503}),
]


def arm(fleet: Fleet, case: Case, names: dict[str, str]) -> dict[str, Any]:
    """The step that sets the fault."""
    body = {"kind": case.kind, **case.settings, **({"target": names[case.of]} if case.of else {})}
    command = (
        f"curl -fsS -X POST {fleet.runpod.admin_url}/faults -d '{json.dumps(body)}' -H 'Content-Type: application/json'"
    )
    return step("arm", "shell", {"command": command}, runs_on="app")


def armed(steps: list[dict[str, Any]], case: Case, order: dict[str, Any]) -> list[dict[str, Any]]:
    position = next(index for index, each in enumerate(steps) if each["key"] == case.at)
    return [*steps[:position], order, *steps[position:]]


def run(fleet: Fleet, case: Case) -> tuple[Deployment, GpuEndpoint, Deployment]:
    """Blue, then green with the fault in its deploy or in the way back: green's deployment, blue, the last run."""
    blue = fleet.endpoint(fleet.deploy("v1"))
    assert fleet.rules.worker_runbook and fleet.rules.rollback_runbook
    draft = fleet.draft("v2")
    names = {"blue": blue.ref, "green": f"{fleet.rules.prefix}-v2-{draft.pk}"}
    if not case.back:
        steps = armed(fleet.deploy_steps(**case.prove), case, arm(fleet, case, names))
        fleet.save(fleet.rules.worker_runbook, steps)
        draft = fleet.redraft(draft)
        done = fleet.run(draft)
        return done, blue, done
    second = fleet.run(draft)
    assert second.status == THROUGH, fleet.told(second)
    fleet.runpod.skip(300)  # blue's worker has gone, as after a quiet night
    fleet.save(fleet.rules.rollback_runbook, armed(fleet.rollback_steps(), case, arm(fleet, case, names)))
    return second, blue, fleet.run(fleet.draft_back(second))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_is_lost_and_nothing_goes_on_costing(fleet: Fleet, case: Case) -> None:
    second, blue, last = run(fleet, case)
    assert last.status == case.ends, fleet.told(last)
    fleet.runpod.clear()
    _nobody_is_unknown(fleet)
    green = fleet.endpoint(second)
    moved = (last == second) == (case.ends == THROUGH)
    _traffic_is_with(fleet, green if moved else fresh(blue))
    if last == second and case.ends == STOPPED:
        _costs_nothing(fleet, green)
    if last != second and case.ends == THROUGH:
        _costs_nothing(fleet, green)


def _nobody_is_unknown(fleet: Fleet) -> None:
    """Every endpoint at the provider has its row, and no name is there twice."""
    there = fleet.runpod.endpoints
    refs = set(GpuEndpoint.objects.living().exclude(ref="").values_list("ref", flat=True))
    assert {endpoint.id for endpoint in there} <= refs
    names = [endpoint.settings["name"] for endpoint in there]
    assert len(names) == len(set(names)) and len(names) <= 2


def _traffic_is_with(fleet: Fleet, row: GpuEndpoint) -> None:
    assert fleet.variables()["RUNPOD_ENDPOINT_ID"] == row.ref
    assert row.state == EndpointState.ACTIVE
    assert GpuEndpoint.objects.filter(state=EndpointState.ACTIVE).count() == 1


def _costs_nothing(fleet: Fleet, row: GpuEndpoint) -> None:
    """It failed; if it ever was, it has no workers, can have none, and an hour later it cost nothing more."""
    if not row.ref:  # whether it was created was never answered: the watch looks for it by its name
        GpuEndpoint.objects.filter(pk=row.pk).update(created_at=clock.now() - timedelta(hours=1))
        GpuEndpoint.objects.filter(pk=row.pk).update(state_since=clock.now() - timedelta(hours=1))
        Deployment.objects.filter(pk=row.deployment_id).update(finished_at=clock.now() - timedelta(hours=1))
        gpu_watch.watch()
        row.refresh_from_db()
        assert row.problem and not row.ref and len(fleet.runpod.endpoints) == 1
        return
    assert row.state == EndpointState.FAILED and row.problem
    there = fleet.runpod.endpoint(row.ref)
    assert there.settings["workers"]["max"] == 0 and row.stopped_at is not None
    fleet.runpod.skip(1)
    assert not there.workers
    before = fleet.runpod.billed_of(row.ref)
    fleet.runpod.skip(3600)
    assert fleet.runpod.billed_of(row.ref) == before
