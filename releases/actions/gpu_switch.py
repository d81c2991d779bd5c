"""Switching the traffic: the backend's environment file names the endpoint; a restart makes it read that."""

import re
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases import lifecycle
from releases.actions import gpu_steps
from releases.actions.base import ActionError, Script, ScriptAction, StepContext
from releases.actions.explain import explain_tail, plain
from releases.actions.texts import shell_text
from releases.audit import Actor
from releases.endpoints import states
from releases.models import Deployment, EndpointOrder, EndpointState, GpuEndpoint

_REASONS: Final = {
    "no file": gettext_lazy("There is no file %(what)s. Correct the path, or make the file."),
    "no folder": gettext_lazy("There is no folder for %(what)s. Correct the path."),
    "not allowed": gettext_lazy("The login may not change %(what)s. Give it the right to, or set sudo: true."),
    "odd secret": gettext_lazy("The secret %(what)s holds more than one line, which the file can't hold."),
    "full": gettext_lazy("There is no room to write %(what)s. Free some space; the file is as it was."),
}
_READY: Final = (EndpointState.STANDBY, EndpointState.ACTIVE)
SAFE: Final = re.compile(r"[A-Za-z0-9._~:/@%+=,-]*")


class GpuSwitch(ScriptAction):
    """Changes the named variables of the file and nothing else; all of it or nothing, with its rights kept."""

    kind = "gpu_switch"

    def script(self, context: StepContext) -> Script:
        parameters = context.parameters
        row = gpu_steps.chosen(context.deployment, parameters["endpoint"])
        if row.state not in _READY:
            sentence = _("%s was not proved, so no traffic goes there. Run the step that proves it first.")
            raise ActionError(sentence % row.name)
        if row.stopped_at is not None or row.order == EndpointOrder.STOP:
            sentence = _(
                "%(name)s is stopped, so no traffic goes there: %(why)s Allow it on the GPU page and have it asked "
                "there, then try this step again."
            )
            raise ActionError(sentence % {"name": row.name, "why": row.stopped_because or row.order_because})
        last = row.proofs.order_by("-at").first()
        if last is not None and not last.passed:
            sentence = _(
                "The last time that %(name)s was asked it failed: %(why)s Have it asked again on the GPU page."
            )
            raise ActionError(sentence % {"name": row.name, "why": last.problem})
        values = {name: value_of(row, what) for name, what in parameters["variables"].items()}
        secret, key_variable = parameters.get("key_secret", ""), parameters.get("key_variable", "")
        data = {
            "step_file": parameters["file"],
            "step_names": " ".join(values),
            **{f"step_value_{name}": value for name, value in values.items()},
            "step_key_name": key_variable if secret else "",
            "step_key_secret": secret,
            "step_sudo": "yes" if parameters["sudo"] else "no",
        }
        secrets = (secret,) if secret and key_variable else ()
        return Script(shell_text("machine.sh", "switch_environment.sh"), data, secrets)

    def succeeded(self, context: StepContext) -> None:
        """From now on the traffic counts as the endpoint's: the next start of the backend goes there."""
        row, before = move(context.deployment, context.parameters["endpoint"], gpu_steps.actor_of(context))
        context.evidence |= {"endpoint": row.ref, "before": before.ref if before else ""}

    def explain(self, exit_code: int, tail: bytes) -> str:
        found = re.findall(r"^switch: ([^:\n]+): (.+)$", plain(tail), re.MULTILINE)
        if found and found[-1][0] in _REASONS:
            return str(_REASONS[found[-1][0]]) % {"what": found[-1][1]}
        return explain_tail(tail, exit_code)


def move(deployment: Deployment, which: str, actor: Actor) -> tuple[GpuEndpoint, GpuEndpoint | None]:
    """Write down that the traffic is with the endpoint that `which` names; also who had it before. Safe to repeat."""
    row = gpu_steps.chosen(deployment, which)
    return row, states.hand_over(row, actor, remember=which == "new")


def settle(deployment: Deployment, actor: Actor) -> None:
    """The same after a person, or a check, said that the switch worked: nobody else wrote it down then."""
    for entry in deployment.plan.content["steps"]:
        if entry["action"] == GpuSwitch.kind and not entry["skipped_because"]:
            step = deployment.steps.get(key=entry["key"])
            which = entry["parameters"]["endpoint"]
            if step.status == lifecycle.SUCCEEDED and gpu_steps.chosen(deployment, which).state in _READY:
                move(deployment, which, actor)


def value_of(row: GpuEndpoint, what: str) -> str:
    """What a variable of the backend holds. Raises ActionError for what an environment file can't hold plainly."""
    values = {
        "id": row.ref,
        "base_url": row.base_url,
        "run_url": row.base_url.removesuffix("/openai/v1"),
        "model": str(row.spec.get("served_name", "")),
    }
    if not SAFE.fullmatch(values[what]):
        raise ActionError(_("%s can't stand in an environment file. Use letters, digits and . _ - / :") % values[what])
    return values[what]
