"""A team with an endpoint: an account at the emulator, a backend's environment file on a real host, both runbooks."""

import uuid
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from django.db.models import Model

from releases import secrets
from releases.audit import Actor
from releases.endpoints import accounts
from releases.engine import clock, consent, driver, prepare, roll_back, start
from releases.gpu.nouns import EndpointSpec, Scaling, ScalingKind
from releases.gpu.provider import Provider
from releases.models import (
    Deployment,
    EndpointState,
    GpuAccount,
    GpuEndpoint,
    GpuSettings,
    GpuSpec,
    Host,
    Release,
    Runbook,
)
from releases.way_back import WayBack
from tests.emulators.runpod import RunPod
from tests.engine.stage import STEP, Stage, runbook
from tests.factories import save_version

IMAGE = "runpod/worker-v1-vllm:v2.25.2"
MODEL = "Qwen/Qwen2.5-7B-Instruct"
NAMES = {"RUNPOD_ENDPOINT_ID": "id", "RUNPOD_BASE_URL": "base_url", "AI_MODEL": "model"}
PROMPTS = [
    {"text": "What is the capital of France?", "matches": "Paris"},
    {"text": "What is 17 + 25?", "matches": "42"},
]


def step(key: str, action: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A step of a runbook; on the controller unless `runs_on` says another place."""
    made = {**STEP, "key": key, "action": action, "parameters": parameters, "idempotent": True, "timeout": 120, **more}
    return {name: value for name, value in made.items() if name != "runs_on" or more.get("runs_on")}


class Fleet:
    """Makes releases with a GPU part, deploys them and rolls them back. `runpod`: the emulator behind the account."""

    def __init__(self, stage: Stage, runpod: RunPod) -> None:
        self.stage, self.runpod, self.world = stage, runpod, stage.world
        self.environment = stage.world.environment
        self.file = stage.home / "backend.env"
        self.file.write_text("# the backend's\nPORT=8080\nAI_MODEL=old\n")
        stage.secret("backend_key", "rpa_backend_only_0123456789")
        self.account = GpuAccount.objects.create(
            project=stage.world.project,
            name="team",
            control_url=runpod.control_url,
            data_url=runpod.data_url,
            ciphertext=secrets.seal(runpod.key),
            key_version=1,
            worker_quota=5,
        )
        self.rules = GpuSettings.objects.create(
            environment=self.environment,
            account=self.account,
            worker_runbook=self._book("gpu_deploy", self.deploy_steps()),
            rollback_runbook=self._book("gpu_rollback", self.rollback_steps()),
        )
        self.rules.handler_runbook = self.rules.worker_runbook
        self.rules.save()

    def _book(self, kind: str, steps: list[dict[str, Any]]) -> Runbook:
        made = Runbook.objects.create(project=self.world.project, key=kind, name=kind, kind=kind)
        self.save(made, steps)
        return made

    def save(self, book: Runbook, steps: list[dict[str, Any]]) -> None:
        """A new version of a runbook."""
        secret = [{"name": "backend_key", "type": "secret"}]
        save_version(book, runbook(steps, kind=book.kind, variables=secret))

    def switch(self, endpoint: str) -> dict[str, Any]:
        """The parameters of the switch."""
        more = {"key_variable": "RUNPOD_API_KEY", "key_secret": "backend_key"}
        return {"endpoint": endpoint, "file": str(self.file), "variables": NAMES, **more}

    def prove(self, endpoint: str, **changes: Any) -> dict[str, Any]:
        """The parameters of the proof. Limits of jobs are in the emulator's seconds, which pass 10 times as fast."""
        limits = {"cold_limit": "10m", "capacity_limit": "4s", "warm_limit": "2m", "warm": 1, "at_once": 2}
        return {"endpoint": endpoint, "prompts": PROMPTS, **limits, **changes}

    def deploy_steps(self, **prove: Any) -> list[dict[str, Any]]:
        every = ["account", "worker", "model", "settings", "cards", "workers"]
        return [
            step("check", "gpu_check", {"about": every}),
            step("create", "gpu_create", {}),
            step("prove", "gpu_prove", self.prove("new", **prove)),
            step("switch", "gpu_switch", self.switch("new"), runs_on="app"),
            step("restart", "shell", {"command": f"cat {self.file}"}, runs_on="app"),
            step("retain", "gpu_retain", {}),
        ]

    def rollback_steps(self) -> list[dict[str, Any]]:
        return [
            step("activate", "gpu_prove", self.prove("previous")),
            step("switch", "gpu_switch", self.switch("previous"), runs_on="app"),
            step("restart", "shell", {"command": f"cat {self.file}"}, runs_on="app"),
            step("stop", "gpu_stop", {}),
        ]

    def provider(self) -> AbstractContextManager[Provider]:
        """The account as the product reaches it."""
        return accounts.opened(self.account)

    def spec(self) -> EndpointSpec:
        """An endpoint that somebody makes by hand."""
        scaling = Scaling(ScalingKind.QUEUE_DELAY, 4)
        limits = {"disk_gb": 20, "max_workers": 1, "idle_timeout": 10, "execution_timeout": 60}
        env = {"MODEL_NAME": MODEL}
        return EndpointSpec(name="hand", image=IMAGE, env=env, pools=("AMPERE_24",), scaling=scaling, **limits)

    # Releases and deployments

    def release(self, version: str, **changes: Any) -> Release:
        """A release with a GPU part."""
        made = Release.objects.create(project=self.world.project, version=version, commit="abcdef1")
        values = {"image": IMAGE, "model": MODEL, "pools": ["AMPERE_24"], "scaling_value": 1, **changes}
        GpuSpec.objects.create(release=made, **values)
        return made

    def draft(self, version: str, **changes: Any) -> Deployment:
        return self.draft_of(self.release(version, **changes))

    def draft_of(self, release: Release) -> Deployment:
        """Another draft of a release."""
        user = self.world.requester
        made, _new = prepare.prepare(release, self.environment, user, Actor(user), uuid.uuid4().hex)
        return made

    def redraft(self, draft: Deployment) -> Deployment:
        """The draft with a plan of the rows as they are now."""
        prepare.rebuild(draft, Actor(self.world.requester))
        draft.refresh_from_db()
        return Deployment.objects.get(pk=draft.pk)

    def draft_back(self, undoes: Deployment) -> Deployment:
        user = self.world.requester
        return roll_back.draft(WayBack(undoes), user, Actor(user), uuid.uuid4().hex)[0]

    def begin(self, deployment: Deployment) -> Deployment:
        """Approve and start it."""
        Host.objects.filter(pk=self.world.host.pk).update(last_checked_at=clock.now(), last_check_ok=True)
        approver, digest = self.world.approver, deployment.plan.digest
        consent.approve(deployment, approver, Actor(approver), digest)
        start.start(deployment, self.world.requester, Actor(self.world.requester), digest)
        return deployment

    def run(self, deployment: Deployment) -> Deployment:
        """Approve, start and drive it to where it stops."""
        driver.drive(self.begin(deployment).pk)
        deployment.refresh_from_db()
        return deployment

    def deploy(self, version: str, **changes: Any) -> Deployment:
        """Deployed without a fault."""
        done = self.run(self.draft(version, **changes))
        assert done.status == "succeeded", self.told(done)
        return done

    @staticmethod
    def told(deployment: Deployment) -> list[tuple[str, str, str]]:
        """How its steps stand, and why."""
        return [(step.key, step.status, step.reason) for step in deployment.steps.all()]

    def endpoint(self, deployment: Deployment) -> GpuEndpoint:
        """What it made."""
        return GpuEndpoint.objects.select_related("previous").get(deployment=deployment)

    def states(self) -> list[str]:
        """The states of all endpoints, oldest first."""
        return list(GpuEndpoint.objects.order_by("pk").values_list("state", flat=True))

    def variables(self) -> dict[str, str]:
        """What the backend's file says now."""
        lines = [line.partition("=") for line in self.file.read_text().splitlines() if "=" in line]
        return {name: value.strip('"') for name, _equals, value in lines}


def fresh[M: Model](row: M) -> M:
    """The row as it is in the database now."""
    row.refresh_from_db()
    return row


__all__ = ["EndpointState", "Fleet", "Path", "fresh"]
