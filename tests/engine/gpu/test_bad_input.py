"""What is wrong is told with its mend before money is spent."""

import httpx
import pytest

from releases import secrets
from releases.engine import driver
from releases.engine.errors import EngineError
from releases.models import Deployment, EndpointState, GpuEndpoint
from releases.proofs.evidence import Evidence
from releases.proofs.registry import prove

from .fleet import Fleet, fresh, step

pytestmark = pytest.mark.django_db(transaction=True)


def looked_at(deployment: Deployment) -> Evidence:
    """What the check of the checklist says."""
    item = {"proof": "gpu", "parameters": {"about": ["account", "worker", "model", "settings", "cards", "workers"]}}
    return prove(item, deployment)


def refused(fleet: Fleet, draft: Deployment, *words: str) -> Deployment:
    """The check fails, and so does the run, before anything is created; both with these words."""
    found = looked_at(draft)
    assert not found.passed
    for word in words:
        assert word in found.note
    before = len(fleet.runpod.endpoints)
    done = fleet.run(draft)
    assert done.status == "failed"
    assert [word for word in words if word not in done.steps.get(key="check").reason] == []
    assert len(fleet.runpod.endpoints) == before
    return done


def test_all_well_is_said_with_the_worst_case(fleet: Fleet) -> None:
    found = looked_at(fleet.draft("v1"))
    assert found.passed, found.note
    said = {entry["label"]: entry["value"] for entry in found.lines}
    assert said["Workers"] == "0-2" and said["Allotted in the account"] == "0 / 5"
    assert said["At worst"] == "1.37 USD an hour, 32.83 USD a day"
    assert fresh(fleet.account).problem == ""


def test_a_full_quota(fleet: Fleet) -> None:
    fleet.deploy("v1")
    fleet.deploy("v2")
    refused(fleet, fleet.draft("v3"), "4 of 5", "retire")


def test_a_price_over_the_budget_of_a_day(fleet: Fleet) -> None:
    fleet.rules.budget_day = 20
    fleet.rules.save()
    refused(fleet, fleet.draft("v1"), "32.83", "20.00", "budget")


def test_a_wrong_key(fleet: Fleet) -> None:
    draft = fleet.draft("v1")
    fleet.account.ciphertext = secrets.seal("rpa_wrong_key_0123456789")
    fleet.account.save()
    refused(fleet, draft, "key")
    assert fresh(fleet.account).problem


def test_no_key_at_all(fleet: Fleet) -> None:
    draft = fleet.draft("v1")
    fleet.account.ciphertext = b""
    fleet.account.save()
    refused(fleet, draft, "no key yet")


def test_no_card_is_free(fleet: Fleet) -> None:
    fleet.runpod.fault("no_capacity")
    draft = fleet.draft("v1")
    found = looked_at(draft)
    assert found.passed or "free" in found.note  # the catalog may say so, or only the workers do
    done = fleet.run(draft)
    assert done.status == "failed"
    assert "pool" in "".join(reason for _key, _status, reason in fleet.told(done))


def test_unknown_cards(fleet: Fleet) -> None:
    refused(fleet, fleet.draft("v1", pools=["NO_SUCH_POOL"]), "NO_SUCH_POOL")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"max_workers": 3}, ["3 workers", "2"]),
        ({"min_workers": 1}, ["day and night"]),
        ({"idle_timeout": 300}, ["300 s", "60 s"]),
        ({"image": "runpod/worker-v1-vllm"}, ["no fixed version"]),
        ({"image": "runpod/worker-v1-vllm:latest"}, ["no fixed version"]),
        ({"pools": []}, ["pool"]),
        ({"execution_timeout": 900}, ["900 s"]),
    ],
)
def test_what_the_rules_refuse_makes_no_plan(fleet: Fleet, changes: dict[str, object], words: list[str]) -> None:
    with pytest.raises(EngineError) as caught:
        fleet.draft("v1", **changes)
    assert [word for word in words if word not in str(caught.value)] == []
    assert not Deployment.objects.exists()


def test_without_an_account_or_a_runbook_the_mend_is_said(fleet: Fleet) -> None:
    fleet.rules.worker_runbook = None
    fleet.rules.save()
    with pytest.raises(EngineError, match="no runbook for a vLLM worker"):
        fleet.draft("v1")
    fleet.rules.account = None
    fleet.rules.save()
    with pytest.raises(EngineError, match="no GPU account"):
        fleet.draft("v2")


def test_an_unknown_model_stops_what_it_costs(fleet: Fleet) -> None:
    """The workers serve another model than the release is asked for as: no answer, no switch, no cost."""
    fleet.runpod.fault("engine_dead")
    done = fleet.run(fleet.draft("v1"))
    assert done.status == "failed"
    row = fleet.endpoint(done)
    assert row.state == EndpointState.FAILED and row.problem
    assert row.stopped_at and fleet.runpod.endpoint(row.ref).settings["workers"]["max"] == 0


def test_a_wrong_answer_is_shown_beside_what_was_expected(fleet: Fleet) -> None:
    fleet.runpod.fault("wrong_answers")
    done = fleet.run(fleet.draft("v1"))
    reason = done.steps.get(key="prove").reason
    assert "Lorem ipsum" in reason and "Paris" in reason


def test_an_endpoint_that_was_deleted_by_hand_takes_no_traffic_back(fleet: Fleet) -> None:
    blue = fleet.endpoint(fleet.deploy("v1"))
    second = fleet.deploy("v2")
    delete_by_hand(fleet, blue)
    back = fleet.run(fleet.draft_back(second))
    assert back.status == "failed"
    assert "console" in back.steps.get(key="activate").reason
    assert fleet.variables()["RUNPOD_ENDPOINT_ID"] == fleet.endpoint(second).ref
    assert fresh(fleet.endpoint(second)).state == EndpointState.ACTIVE


def delete_by_hand(fleet: Fleet, row: GpuEndpoint) -> None:
    """As a person does in the provider's console."""
    headers = {"Authorization": f"Bearer {fleet.runpod.key}"}
    answer = httpx.delete(f"{fleet.runpod.control_url}/serverless/{row.ref}", headers=headers)
    assert answer.status_code == 204


def test_a_name_in_use_by_something_else(fleet: Fleet) -> None:
    """Somebody made an endpoint by hand that has just this name, with another image."""
    draft = fleet.draft("v1")
    name = f"{fleet.rules.prefix}-v1-{draft.pk}"
    body = {
        "name": name,
        "type": "QUEUE",
        "image": "somebody/else:1",
        "gpu": {"pools": ["ADA_24"], "count": 1},
        "workers": {"min": 0, "max": 1, "idleTimeout": 5},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    }
    headers = {"Authorization": f"Bearer {fleet.runpod.key}"}
    assert httpx.post(f"{fleet.runpod.control_url}/serverless", json=body, headers=headers).status_code == 201
    done = fleet.run(draft)
    assert done.status == "failed"
    assert name in done.steps.get(key="create").reason and "image" in done.steps.get(key="create").reason
    assert len(fleet.runpod.endpoints) == 1
    row = fleet.endpoint(done)
    assert (row.state, row.ref) == (EndpointState.FAILED, "")


def test_a_secret_that_changed_after_the_approval_is_not_sent(fleet: Fleet) -> None:
    fleet.stage.secret("hf_token", "hf_first_secret_value")
    draft = fleet.begin(fleet.draft("v1", secret_env={"HF_TOKEN": "hf_token"}))
    variable = fleet.environment.variables.get(name="hf_token")
    variable.ciphertext, variable.version = secrets.seal("hf_second_secret_value"), 2
    variable.save()
    driver.drive(draft.pk)
    draft.refresh_from_db()
    assert "changed after the approval" in draft.steps.get(key="create").reason
    assert not fleet.runpod.endpoints


def test_a_switch_before_the_proof_is_refused(fleet: Fleet) -> None:
    steps = [step("create", "gpu_create", {}), step("switch", "gpu_switch", fleet.switch("new"), runs_on="app")]
    book = fleet.rules.worker_runbook
    assert book is not None
    fleet.save(book, steps)
    done = fleet.run(fleet.draft("v1"))
    assert "was not proved" in done.steps.get(key="switch").reason
    assert "RUNPOD_ENDPOINT_ID" not in fleet.variables()
