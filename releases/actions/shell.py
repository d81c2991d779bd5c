"""A command as the person wrote it, on a host or on the controller."""

from releases.actions import artifacts
from releases.actions.base import Script, ScriptAction, StepContext
from releases.actions.explain import explain_tail
from releases.actions.texts import shown
from releases.models import Deployment
from releases.runbooks.model import CONTROLLER
from releases.runbooks.placeholders import CompiledScript

_SHOW = "printf '%s\\n' \"$step_shown\"\n"
_WORKSPACE = 'cd -- "$step_workspace" || exit\n'


def in_place(deployment: Deployment, runs_on: str, command: CompiledScript) -> Script:
    """A command of a step or a check, run in the project's workspace where it runs on the controller."""
    if runs_on != CONTROLLER:
        return Script(command.text, command.parameters, command.secrets)
    parameters = {**command.parameters, "step_workspace": deployment.release.project.workspace()}
    return Script(_WORKSPACE + command.text, parameters, command.secrets)


class Shell(ScriptAction):
    """Runs under `sh` exactly as written: no `set -e`, `a && b` means what it says."""

    kind = "shell"

    def script(self, context: StepContext) -> Script:
        script = in_place(context.deployment, context.planned.runs_on, context.planned.scripts["command"])
        parameters = {**script.parameters, "step_shown": shown(context.planned.lines)}
        return Script(_SHOW + script.text, parameters, script.secrets)

    def succeeded(self, context: StepContext) -> None:
        """Record every artifact that the command was to make. Raises ActionError naming one that is not there."""
        names = context.parameters.get("produces", [])
        made = [artifacts.record(artifacts.row(context.deployment, name)) for name in names]
        if made:
            context.evidence["artifacts"] = made

    def explain(self, exit_code: int, tail: bytes) -> str:
        return explain_tail(tail, exit_code)
