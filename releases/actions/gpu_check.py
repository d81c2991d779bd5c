"""Looking at what a new endpoint would be and cost, before there is one: the first lines of the written procedure."""

from django.utils.translation import gettext as _

from releases.actions import gpu_steps
from releases.actions.base import ActionError, DirectAction, StepContext
from releases.actions.gpu_preflight import Preflight


class GpuCheck(DirectAction):
    """Looks at the parts that the step names; anything wrong fails the step, and nothing was spent."""

    kind = "gpu_check"

    def run(self, context: StepContext) -> None:
        gpu_steps.carefully(context, lambda: self._look(context))

    def _look(self, context: StepContext) -> None:
        deployment = context.deployment
        account = gpu_steps.account_of(deployment)
        with gpu_steps.provider(context, account) as provider:
            preflight = Preflight(gpu_steps.signed(deployment), deployment.environment, account, provider)
            found = preflight.look(context.parameters["about"])
        for label, value in found.lines:
            context.say(f"{label}: {value}")
        context.evidence["looked_at"] = [list(line) for line in found.lines]
        if found.problems:
            raise ActionError(" ".join(found.problems))
        context.say(_("Nothing speaks against it."))
