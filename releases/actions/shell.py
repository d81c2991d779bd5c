"""A command as the person wrote it, on a host or on the controller."""

from releases.actions import artifacts
from releases.actions.base import Script, ScriptAction, StepContext
from releases.actions.explain import explain_tail
from releases.actions.texts import shown
from releases.runbooks.model import CONTROLLER

_SHOW = "printf '%s\\n' \"$step_shown\"\n"
_WORKSPACE = 'cd -- "$step_workspace" || exit\n'


class Shell(ScriptAction):
    """Runs under `sh` exactly as written: no `set -e`, `a && b` means what it says."""

    kind = "shell"

    def script(self, context: StepContext) -> Script:
        command = context.planned.scripts["command"]
        text, parameters = _SHOW, {**command.parameters, "step_shown": shown(context.planned.lines)}
        if context.planned.runs_on == CONTROLLER:
            text += _WORKSPACE
            parameters["step_workspace"] = context.deployment.release.project.workspace()
        return Script(text + command.text, parameters, command.secrets)

    def succeeded(self, context: StepContext) -> None:
        """Record every artifact that the command was to make. Raises ActionError naming one that is not there."""
        names = context.parameters.get("produces", [])
        made = [artifacts.record(artifacts.row(context.deployment, name)) for name in names]
        if made:
            context.evidence["artifacts"] = made

    def explain(self, exit_code: int, tail: bytes) -> str:
        return explain_tail(tail, exit_code)
