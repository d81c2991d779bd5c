"""The demo's GPU endpoints: an account at the emulator, its rules, the runbooks, and two releases of a model."""

from pathlib import Path
from typing import Any

from demo import gpu
from demo.machine import Machine
from releases import secrets
from releases.models import (
    Environment,
    GpuAccount,
    GpuSettings,
    GpuSpec,
    Project,
    Release,
    Runbook,
    Service,
    Variable,
)

ACCOUNT = "RunPod (emulator)"
IMAGE = "runpod/worker-v1-vllm:v2.25.2"
RELEASES = (
    ("qwen-7b-r1", "- Qwen2.5 7B로 추천 문구를 만듭니다.\n", {"max_model_len": 4096}),
    ("qwen-7b-r2", "- 긴 대화(8192 토큰)를 이해합니다.\n", {"max_model_len": 8192}),
)


def load(project: Project, machine: Machine, runbooks: dict[str, Runbook], data: Path) -> None:
    """Make what is missing; the emulator's addresses and key are brought up to date.

    Without the emulator, as in an image for production, there is nothing to make.
    """
    if not gpu.is_there():
        return
    place = gpu.place(data)
    Service.objects.get_or_create(
        project=project, key="ai", defaults={"name": "AI", "kind": Service.Kind.AI, "position": 4}
    )
    account = _account(project, place)
    for environment in project.environments.all():
        _rules(environment, account, runbooks)
        _variables(environment, machine, place)
    for version, notes, changes in RELEASES:
        _release(project, version, notes, changes)


def _account(project: Project, place: gpu.Place) -> GpuAccount:
    account, _made = GpuAccount.objects.get_or_create(project=project, name=ACCOUNT, defaults={"worker_quota": 5})
    for row in account.endpoints.exclude(base_url=""):  # a port that was taken is another one now
        path = row.base_url.removeprefix(account.data_url)
        account.endpoints.filter(pk=row.pk).update(base_url=f"{place.data_url}{path}")
    account.control_url, account.data_url = place.control_url, place.data_url
    if not account.has_key or secrets.open_sealed(bytes(account.ciphertext)) != place.key:
        account.ciphertext, account.key_version = secrets.seal(place.key), account.key_version + 1
    account.save()
    return account


def _rules(environment: Environment, account: GpuAccount, runbooks: dict[str, Runbook]) -> None:
    chosen = {
        "account": account,
        "worker_runbook": runbooks["gpu_demo"],
        "handler_runbook": runbooks["gpu_handler"],
        "rollback_runbook": runbooks["gpu_demo_rollback"],
        "budget_deployment": 5,
        "budget_day": 50,
        "budget_month": 300,
    }
    GpuSettings.objects.get_or_create(environment=environment, defaults=chosen)


def _variables(environment: Environment, machine: Machine, place: gpu.Place) -> None:
    site = machine.sites[environment.key]
    given = {
        "backend_env_file": (Variable.Type.PATH, str(site.folder / "etc" / "backend.env")),
        "ai_test_url": (Variable.Type.URL, f"http://{machine.address}:{site.services['backend']}/api/ai/chat"),
    }
    for name, (kind, value) in given.items():
        values = {"type": kind, "value": value, "is_secret": False}
        Variable.objects.update_or_create(environment=environment, name=name, defaults=values)
    key = environment.variables.filter(name="runpod_api_key").first()
    if key is None or secrets.open_sealed(bytes(key.ciphertext)) != place.key:
        sealed: dict[str, Any] = {"is_secret": True, "value": "", "ciphertext": secrets.seal(place.key)}
        sealed["version"] = key.version + 1 if key else 1
        Variable.objects.update_or_create(environment=environment, name="runpod_api_key", defaults=sealed)


def _release(project: Project, version: str, notes: str, changes: dict[str, Any]) -> None:
    commit = project.releases.exclude(commit="").order_by("created_at").values_list("commit", flat=True).first()
    release, is_new = Release.objects.get_or_create(
        project=project, version=version, defaults={"commit": commit or "0000000", "notes": notes}
    )
    if is_new:
        GpuSpec.objects.create(
            release=release,
            image=IMAGE,
            model="Qwen/Qwen2.5-7B-Instruct",
            served_name="assistant",
            pools=["AMPERE_24"],
            excluded_types=["NVIDIA RTX A5000", "NVIDIA GeForce RTX 3090"],
            idle_timeout=30,
            **changes,
        )
