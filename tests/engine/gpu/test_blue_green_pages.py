"""The pages around a blue-green deploy: the plan, the way back, the lists."""

import pytest
from django.test import Client
from django.urls import reverse

from releases import way_back
from releases.engine import undoing
from releases.logs import store

from .fleet import Fleet

pytestmark = pytest.mark.django_db(transaction=True)


def page(client: Client, name: str, number: int) -> str:
    """What a person reads there."""
    answer = client.get(reverse(f"releases:{name}", args=[number]), headers={"Accept-Language": "en"})
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_plan_shows_the_endpoint_and_no_secret(fleet: Fleet, client: Client) -> None:
    fleet.stage.secret("hf_token", "hf_this_is_a_secret_token")
    client.force_login(fleet.world.requester)
    draft = fleet.draft("v1", secret_env={"HF_TOKEN": "hf_token"}, env={"EXTRA": "plain-but-hidden"})
    text = page(client, "deployment", draft.pk)
    for shown in (
        "Qwen/Qwen2.5-7B-Instruct",
        "AMPERE_24",
        "MAX_MODEL_LEN",
        "HF_TOKEN",
        "runpod/worker-v1-vllm:v2.25.2",
    ):
        assert shown in text
    assert "EXTRA" in text and "hf_this_is_a_secret_token" not in text and "plain-but-hidden" not in text
    done = fleet.run(draft)
    assert done.status == "succeeded", fleet.told(done)
    attempt = done.steps.get(key="check").attempts.get()
    log = store.read(attempt.pk, 0, attempt.log_size).decode()
    assert "MAX_MODEL_LEN: 8192" in log and "EXTRA" in log and "plain-but-hidden" not in log + str(attempt.evidence)
    made = fleet.runpod.endpoint(fleet.endpoint(done).ref)
    assert made.settings["env"]["HF_TOKEN"] == "hf_this_is_a_secret_token"
    assert "hf_this_is_a_secret_token" not in str(fleet.endpoint(done).spec)


def test_the_way_back_is_offered_and_made(fleet: Fleet, client: Client) -> None:
    client.force_login(fleet.world.requester)
    blue = fleet.endpoint(fleet.deploy("v1"))
    second = fleet.deploy("v2")
    assert reverse("releases:roll_back", args=[second.pk]) in page(client, "deployment", second.pk)
    text = page(client, "roll_back", second.pk)
    assert blue.name in text and fleet.endpoint(second).name in text
    answer = client.post(reverse("releases:roll_back", args=[second.pk]), {"idempotency_key": "one-press-of-it"})
    assert answer.status_code == 302
    draft = second.rollbacks.get()
    assert draft.kind == "gpu_rollback" and blue.name in page(client, "deployment", draft.pk)
    listed = client.get(reverse("releases:deployments")).content.decode()
    assert reverse("releases:roll_back", args=[second.pk]) in listed
    back = fleet.run(draft)
    assert back.status == "succeeded", fleet.told(back)
    assert (
        reverse("releases:roll_back", args=[second.pk])
        not in client.get(reverse("releases:deployments")).content.decode()
    )


def test_software_goes_its_own_way_beside_it(fleet: Fleet) -> None:
    """A deploy of an endpoint neither runs in place of the software's version nor stands in its way back."""
    software = fleet.run(fleet.world.draft())
    assert software.status == "succeeded"
    fleet.deploy("v1")
    running = way_back.running(fleet.environment)
    assert running is not None and running.version == fleet.world.release.version
    assert undoing.after(software) is None
    assert undoing.standing([fleet.environment.pk]) == {fleet.environment.pk: software}
