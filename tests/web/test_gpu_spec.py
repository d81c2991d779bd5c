"""The GPU part of a release: what each method needs, what could never run, and that no secret gets in."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from releases import lifecycle, secrets
from releases.endpoints import specs
from releases.models import AuditEvent, Deployment, Environment, GpuSpec, Membership, Variable
from releases.views.gpu_spec_form import COLUMNS, RESERVED
from tests.factories import World, make_user
from tests.web.gpu import browser

TOKEN = "hf_AbCdEfGhIjKlMnOpQrStUvWx"


@pytest.fixture
def client(world: World) -> Client:
    return browser(world)


@pytest.fixture
def path(world: World) -> str:
    return f"/releases/{world.release.pk}/gpu"


def given(**changes: Any) -> dict[str, Any]:
    """What a person fills in for a vLLM worker."""
    return {
        "method": "vllm", "image": "", "model": "Qwen/Qwen2.5-7B-Instruct", "served_name": "our-model",
        "revision": "a09a354", "max_model_len": "8192", "gpu_memory_utilization": "0.90", "pools": "AMPERE_24",
        "excluded_types": "NVIDIA RTX A5000\nNVIDIA GeForce RTX 3090", "min_cuda": "13.0", "gpu_count": "1",
        "disk_gb": "60", "min_workers": "0", "max_workers": "2", "idle_timeout": "30", "execution_timeout": "300",
        "init_timeout": "800", "scaling": "QUEUE_DELAY", "scaling_value": "4", "flashboot": "FLASHBOOT",
        "env": "", "secret_env": "", **changes,
    }  # fmt: skip


def secret(environment: Environment, name: str = "hf_token") -> Variable:
    return Variable.objects.create(
        environment=environment, name=name, is_secret=True, ciphertext=secrets.seal("hf_something-secret")
    )


def refused(client: Client, path: str, **changes: Any) -> tuple[list[str], str]:
    """The fields with an error, and the page."""
    answer = client.post(path, given(**changes))
    assert answer.status_code == 400, "it was not refused"
    assert not GpuSpec.objects.exists()
    return sorted(answer.context["form"].errors), answer.content.decode()


# Saving


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_vllm_worker_is_written_down_and_shown(client: Client, path: str, world: World, language: str) -> None:
    client.cookies["django_language"] = language
    secret(world.environment)
    lines = {"env": "MAX_NUM_SEQS=32\r\n\r\nVLLM_EXTRA_ARGS=--seed=7", "secret_env": "HF_TOKEN = hf_token"}
    assert client.post(path, given(**lines))["Location"] == f"/releases/{world.release.pk}/"
    spec = world.release.gpu
    assert spec.image == "runpod/worker-v1-vllm:v2.25.2", "empty is the pinned one"
    assert spec.excluded_types == ["NVIDIA RTX A5000", "NVIDIA GeForce RTX 3090"]
    assert (spec.env, spec.secret_env) == (
        {"MAX_NUM_SEQS": "32", "VLLM_EXTRA_ARGS": "--seed=7"},
        {"HF_TOKEN": "hf_token"},
    )
    assert (spec.gpu_memory_utilization, spec.asked_for) == (Decimal("0.90"), "our-model")
    text = client.get(f"/releases/{world.release.pk}/").content.decode()
    for shown in (spec.image, spec.model, "our-model", "AMPERE_24", "CUDA ≥ 13.0", "MAX_NUM_SEQS=32", "HF_TOKEN"):
        assert shown in text
    assert "MAX_NUM_SEQS=32\nVLLM_EXTRA_ARGS=--seed=7" in client.get(path).content.decode()
    assert specs.written(spec)["env"]["MODEL_REVISION"] == "a09a354"


def test_a_handler_needs_an_image_of_its_own_and_no_model(client: Client, path: str, world: World) -> None:
    for image in ("", "runpod/worker-v1-vllm:v2.25.2"):
        fields, text = refused(client, path, method="handler", image=image)
        assert fields == ["image"] and "an image of your own" in text
    answer = client.post(path, given(method="handler", image="ghcr.io/team/handler:1.4", model="", served_name=""))
    assert answer.status_code == 302
    assert (world.release.gpu.image, world.release.gpu.model) == ("ghcr.io/team/handler:1.4", "")
    assert client.get(f"/releases/{world.release.pk}/").status_code == 200


def test_of_an_own_server_only_the_model_counts(client: Client, path: str, world: World) -> None:
    wrong = {"pools": "not a pool", "max_workers": "x", "env": f"A={TOKEN}", "image": "a b", "revision": "r" * 200}
    fields, _text = refused(client, path, method="self_hosted", model="", **wrong)
    assert fields == ["model"]
    assert client.post(path, given(method="self_hosted", **wrong)).status_code == 302
    spec = world.release.gpu
    assert (spec.image, spec.pools, spec.max_workers, spec.env, spec.revision) == ("", [], 2, {}, "")
    assert (spec.model, spec.served_name) == ("Qwen/Qwen2.5-7B-Instruct", "our-model")
    assert TOKEN not in client.get(f"/releases/{world.release.pk}/").content.decode()


def test_a_change_is_on_record_with_what_it_was(client: Client, path: str, world: World) -> None:
    client.post(path, given())
    first = AuditEvent.objects.get(action="release.gpu")
    assert (first.project, first.target_name) == (world.project, "v2.8.0")
    assert set(first.detail["changed"]) == set(COLUMNS) and first.detail["changed"]["max_workers"] == [None, 2]
    client.post(path, given(max_workers="3", gpu_memory_utilization="0.85", env="A=b"))
    client.post(path, given(max_workers="3", gpu_memory_utilization="0.85", env="A=b"))
    event = AuditEvent.objects.filter(action="release.gpu").latest("sequence")
    assert event.detail["changed"] == {
        "max_workers": [2, 3], "gpu_memory_utilization": ["0.90", "0.85"], "env": [{}, {"A": "b"}],
    }  # fmt: skip
    assert AuditEvent.objects.filter(action="release.gpu").count() == 2


def test_a_stale_tab_is_refused(client: Client, path: str, world: World) -> None:
    client.post(path, given())
    seen = client.get(path).context["form"]["seen"].value()
    client.post(path, given(max_workers="5"))
    answer = client.post(path, given(seen=seen))
    assert answer.status_code == 400 and "changed meanwhile" in answer.content.decode()
    assert GpuSpec.objects.get().max_workers == 5


# What is refused


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"model": ""}, "model"),
        ({"method": "docker"}, "method"),
        ({"image": "runpod/worker-v1-vllm"}, "image"),
        ({"image": "runpod/worker-v1-vllm:latest"}, "image"),
        ({"pools": ""}, "pools"),
        ({"pools": "NVIDIA L4"}, "pools"),
        ({"excluded_types": "x" * 101}, "excluded_types"),
        ({"min_workers": "3"}, "min_workers"),
        ({"max_workers": "0"}, "max_workers"),
        ({"idle_timeout": "0"}, "idle_timeout"),
        ({"idle_timeout": "3601"}, "idle_timeout"),
        ({"execution_timeout": "0"}, "execution_timeout"),
        ({"scaling_value": "0.4"}, "scaling_value"),
        ({"scaling": "REQUEST_COUNT", "scaling_value": "1.5"}, "scaling_value"),
        ({"gpu_memory_utilization": "1.1"}, "gpu_memory_utilization"),
        ({"gpu_memory_utilization": "0"}, "gpu_memory_utilization"),
        ({"min_cuda": "thirteen"}, "min_cuda"),
        ({"disk_gb": "0"}, "disk_gb"),
        ({"gpu_count": "0"}, "gpu_count"),
        ({"env": "no equals sign"}, "env"),
        ({"env": "1A=b"}, "env"),
        ({"env": "A=b\nA=c"}, "env"),
        ({"env": "A=b\0"}, "env"),
        ({"env": f"A={'x' * 4001}"}, "env"),
        ({"env": "\n".join(f"A{n}=1" for n in range(101))}, "env"),
        ({"secret_env": "HF_TOKEN=nobody_has_it"}, "secret_env"),
        ({"secret_env": "HF_TOKEN="}, "secret_env"),
    ],
)
def test_what_could_never_run_is_told_at_its_field(
    client: Client, path: str, changes: dict[str, str], field: str
) -> None:
    fields, text = refused(client, path, **changes)
    assert fields == [field]
    assert f'id="id_{field}_error"' in text


def test_much_is_no_reason_to_refuse_a_release(client: Client, path: str, world: World) -> None:
    """What is too much, the environment says."""
    wish = given(min_workers="1", max_workers="500", idle_timeout="3600", execution_timeout="86400", pools="HOPPER_141")
    assert client.post(path, wish).status_code == 302
    assert "costs day and night" in client.get(f"/releases/{world.release.pk}/").content.decode()


def test_the_reserved_variables_are_those_that_fields_set() -> None:
    assert set(RESERVED) == specs.RESERVED


@pytest.mark.parametrize("name", sorted(specs.RESERVED))
@pytest.mark.parametrize("box", ["env", "secret_env"])
def test_a_variable_that_a_field_sets_is_refused_with_that_field(
    client: Client, path: str, world: World, name: str, box: str
) -> None:
    secret(world.environment, "x")
    fields, text = refused(client, path, **{box: f"{name}=x"})
    assert fields == [box] and f"{name} is set by the field" in text


def test_what_is_wrong_is_told_all_at_once(client: Client, path: str) -> None:
    fields, _text = refused(
        client, path, image="team/worker", env=f"A={TOKEN}", secret_env="B=nobody", idle_timeout="0"
    )
    assert fields == ["env", "idle_timeout", "image", "secret_env"]


def test_a_variable_is_not_set_twice(client: Client, path: str, world: World) -> None:
    secret(world.environment)
    fields, text = refused(client, path, env="HF_TOKEN=plain", secret_env="HF_TOKEN=hf_token")
    assert fields == ["env"] and "set as a secret, too" in text


@pytest.mark.parametrize("box", ["env", "secret_env"])
@pytest.mark.parametrize("line", ["HF_TOKEN={}", "{}", "A=b\nURL=https://x:{}@y.example.com", "A B={}"])
@pytest.mark.parametrize(
    "token", [TOKEN, "rpa_0123456789ABCDEF", "sk-proj-0123456789abcdef", "ghp_0123456789abcdef", "AKIA0123456789ABCDEF"]
)
def test_what_looks_like_a_key_is_refused_and_does_not_come_back(
    client: Client, path: str, box: str, line: str, token: str
) -> None:
    fields, text = refused(client, path, **{box: line.format(token)})
    assert fields == [box] and "looks like a secret key" in text
    assert token not in text
    assert token not in json.dumps([event.detail for event in AuditEvent.objects.all()])


@pytest.mark.parametrize("value", ["--task-list=a-long-one", "mask-everything-now", "chf_not-a-token", "sk-", "eyJ"])
def test_what_only_resembles_a_key_is_taken(client: Client, path: str, value: str) -> None:
    assert client.post(path, given(env=f"A={value}")).status_code == 302


def test_a_secret_that_some_environment_lacks_is_told(client: Client, path: str, world: World) -> None:
    staging = Environment.objects.create(project=world.project, key="staging", name="Staging")
    Variable.objects.create(environment=staging, name="hf_token", value="plain")
    secret(world.environment)
    assert client.post(path, given(secret_env="HF_TOKEN=hf_token")).status_code == 302
    assert "not set in Staging" in client.get(f"/releases/{world.release.pk}/").content.decode()
    secret(staging, "other")
    Variable.objects.filter(environment=staging, name="hf_token").update(is_secret=True, value="")
    assert "not set in" not in client.get(f"/releases/{world.release.pk}/").content.decode()


# When it is fixed


def started(world: World, draft: Deployment | None = None) -> Deployment:
    deployment = draft or world.draft()
    Deployment.objects.filter(pk=deployment.pk).update(status=lifecycle.FAILED, started_at=timezone.now())
    return deployment


def test_it_is_fixed_once_a_deployment_has_started(client: Client, path: str, world: World) -> None:
    draft = world.draft()
    assert client.post(path, given()).status_code == 302, "a draft fixes nothing"
    started(world, draft)
    for answer in (client.get(path), client.post(path, given(max_workers="9")), client.post(f"{path}/remove")):
        assert answer.status_code == 409 and "Make a new release" in answer.content.decode()
    assert GpuSpec.objects.get().max_workers == 2
    text = client.get(f"/releases/{world.release.pk}/").content.decode()
    assert "stays as it is" in text and path not in text


def test_a_release_of_software_that_ran_offers_none(client: Client, path: str, world: World) -> None:
    assert path in client.get(f"/releases/{world.release.pk}/").content.decode()
    started(world)
    assert "GPU part" not in client.get(f"/releases/{world.release.pk}/").content.decode()


def test_it_is_taken_away(client: Client, path: str, world: World) -> None:
    client.post(path, given())
    assert f'action="{path}/remove"' in client.get(path).content.decode()
    for _press in range(2):
        assert client.post(f"{path}/remove")["Location"] == f"/releases/{world.release.pk}/"
    assert not GpuSpec.objects.exists()
    assert AuditEvent.objects.filter(action="release.gpu_remove").count() == 1


def test_a_viewer_reads_it_and_changes_nothing(client: Client, path: str, world: World) -> None:
    client.post(path, given())
    viewer = make_user("viewer")
    Membership.objects.create(project=world.project, user=viewer, can_manage=True)
    client.force_login(viewer)
    text = client.get(f"/releases/{world.release.pk}/").content.decode()
    assert "Qwen/Qwen2.5-7B-Instruct" in text and path not in text
    assert client.post(path, given(max_workers="9")).status_code == 403


def test_the_number_of_queries_does_not_grow(client: Client, path: str, world: World) -> None:
    names = [f"secret_{number}" for number in range(12)]
    for name in names:
        secret(world.environment, name)
    client.post(path, given(secret_env="A=secret_0"))
    release = f"/releases/{world.release.pk}/"
    client.get(release)
    with CaptureQueriesContext(connection) as few:
        client.get(release)
    for number in range(5):
        Environment.objects.create(project=world.project, key=f"e{number}", name=f"E{number}")
    client.post(path, given(secret_env="\n".join(f"A{number}={name}" for number, name in enumerate(names))))
    with CaptureQueriesContext(connection) as many:
        assert client.get(release).status_code == 200
    assert len(many) <= len(few), "\n".join(query["sql"][:200] for query in many)
