"""A stage for one step: a real deployment row, a real SSH host, the real step wrapper."""

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudwiki.embedded.binaries import find_postgres
from releases import secrets
from releases.actions import registry
from releases.actions.base import ActionError, DirectAction, ScriptAction, StepContext
from releases.models import Attempt, Deployment, Host, Runbook, Variable
from releases.remote.connection import open_transport
from releases.remote.local import LocalTransport
from releases.remote.steps import StepClient, StepScript
from releases.remote.transport import Transport
from releases.runbooks.plan import PlannedStep
from tests.engine.sshd import Sshd
from tests.factories import World, make_world, save_version


@dataclass
class Done:
    """How a step ended. `problem` is what the person is told, "" for a success."""

    context: StepContext
    problem: str = ""
    exit_code: int | None = 0
    printed: bytearray = field(default_factory=bytearray)

    @property
    def log(self) -> str:
        return self.printed.decode(errors="replace")


def start_host(folder: Path, first_on_path: Path | None = None) -> Sshd:
    """An SSH server whose login has a home folder of its own and the embedded PostgreSQL's programs on its PATH."""
    home = folder / "home"
    home.mkdir()
    path = f"{find_postgres().path.parent}:{os.environ['PATH']}"
    server = Sshd(folder / "sshd", f"SetEnv HOME={home} PATH={first_on_path or home / 'bin'}:{path}")
    server.start()
    return server


class Stage:
    """Makes deployments of one step and performs it. `home` is the login's home folder on the host."""

    def __init__(self, server: Sshd, folder: Path) -> None:
        self.server, self.folder, self.home = server, folder, folder / "home"
        self.world: World = make_world(runbook([{**STEP, "action": "wait", "parameters": {"seconds": 0}}]))
        self._enrol(self.world.host)
        self.workspace = Path(self.world.project.workspace())
        self.workspace.mkdir(parents=True)

    def _enrol(self, host: Host) -> None:
        target = self.server.target
        Host.objects.filter(pk=host.pk).update(
            address=target.address, port=target.port, user=target.user, host_key=target.host_key
        )
        host.refresh_from_db()

    def variable(self, name: str, value: str) -> None:
        Variable.objects.create(environment=self.world.environment, name=name, value=value)

    def secret(self, name: str, value: str) -> None:
        sealed = secrets.seal(value)
        Variable.objects.create(environment=self.world.environment, name=name, is_secret=True, ciphertext=sealed)

    def draft(
        self, steps: list[dict[str, Any]], checklist: list[dict[str, Any]] | None = None, **more: Any
    ) -> Deployment:
        """A draft of these steps; of steps that restore, a rollback of what was last started."""
        if not any(step["action"].startswith("restore_") for step in steps):
            self.world.save_runbook(runbook(steps, checklist or [], **more))
            return self.world.draft()
        environment = self.world.environment
        environment.rollback_runbook, _made = Runbook.objects.get_or_create(
            project=self.world.project, key="rollback", defaults={"name": "Rollback"}
        )
        environment.save()
        save_version(environment.rollback_runbook, runbook(steps, checklist or [], **more, kind="rollback"))
        started = environment.deployments.filter(started_at__isnull=False).exclude(kind="rollback")
        return self.world.draft(undoes=started.order_by("-started_at", "-pk").first())

    def perform(self, action: str, parameters: dict[str, Any], **fields: Any) -> Done:
        """One attempt of a step made of these parameters."""
        variables = fields.pop("variables", [])
        deployment = self.draft([{**STEP, "action": action, "parameters": parameters, **fields}], variables=variables)
        return self.attempt(deployment)

    def attempt(self, deployment: Deployment, number: int = 1, **changes: Any) -> Done:
        """Perform the deployment's only step, or that with the key `step`."""
        step = deployment.steps.get(key=changes.get("step", deployment.plan.content["steps"][0]["key"]))
        planned = PlannedStep.from_json(deployment.plan.content["steps"][step.position - 1])
        on_host = planned.runs_on != "controller"
        attempt = Attempt.objects.create(
            step=step, number=number, remote_id=uuid.uuid4().hex, host=self.world.host if on_host else None
        )
        printed = bytearray()
        transport: Transport = open_transport(self.server.target) if on_host else LocalTransport()
        context = StepContext(
            deployment=deployment,
            attempt=attempt,
            planned=planned,
            values=deployment.plan.content["values"],
            transport=lambda: transport,
            write=printed.extend,
            stop=changes.get("stop", lambda: False),
            progress=changes.get("progress", lambda done, total: None),
        )
        try:
            return self._run(context, Done(context, printed=printed))
        finally:
            transport.close()

    def _run(self, context: StepContext, done: Done) -> Done:
        action = registry.find(context.planned.action)
        try:
            if isinstance(action, DirectAction):
                action.run(context)
                return done
            assert isinstance(action, ScriptAction)
            script = self._script(action, context)
            client = StepClient(context.transport(), str(self.folder / "attempts"))
            status = client.launch_and_follow(script, 0, context.write, lambda: False)
            assert status.state == "finished", status
            done.exit_code = status.exit_code
            if status.exit_code or status.reason:
                done.problem = action.explain(status.exit_code or 0, bytes(done.printed)) or f"exit {status}"
            else:
                action.succeeded(context)
        except ActionError as error:
            done.problem = str(error)
        return done

    def _script(self, action: ScriptAction, context: StepContext) -> StepScript:
        script = action.script(context)
        rows = {row.name: row for row in self.world.environment.variables.filter(is_secret=True)}
        opened: Mapping[str, str] = {n: secrets.open_sealed(bytes(rows[n].ciphertext)) for n in script.secrets}
        return StepScript(
            attempt=context.attempt.remote_id,
            text=script.text.encode(),
            parameters=script.parameters,
            secrets=opened,
            lock="stage",
            token=1,
            timeout=60,
            silence_timeout=None,
        )


STEP: dict[str, Any] = {
    "key": "only",
    "title": {"ko": "시험", "en": "Test"},
    "role": "DevOps",
    "phase": "replace",
    "runs_on": "app",
    "estimate": 1,
}


def runbook(steps: list[dict[str, Any]], checklist: list[dict[str, Any]] | None = None, **more: Any) -> str:
    """The text of a runbook; JSON is YAML."""
    return json.dumps(
        {"kind": "deploy", "title": {"en": "Test"}, "checklist": checklist or [], "steps": steps, **more},
        ensure_ascii=False,
    )
