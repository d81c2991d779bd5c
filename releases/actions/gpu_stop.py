"""Ending what the endpoint costs that a rollback undid."""

from django.utils.translation import gettext as _

from releases.actions import gpu_steps, gpu_switch
from releases.actions.base import ActionError, DirectAction, StepContext
from releases.endpoints import states, stopping
from releases.models import EndpointState

SECONDS = 120.0


class GpuStop(DirectAction):
    """No workers any more, which is verified; it is not deleted, so that it can be looked into."""

    kind = "gpu_stop"

    def run(self, context: StepContext) -> None:
        gpu_steps.carefully(context, lambda: self._stop(context))

    def _stop(self, context: StepContext) -> None:
        gpu_switch.settle(context.deployment, gpu_steps.actor_of(context))
        row = gpu_steps.new_one(context.deployment)
        if row.state == EndpointState.ACTIVE:
            raise ActionError(_("%s has the traffic. Switch to another endpoint first.") % row.name)
        actor = gpu_steps.actor_of(context)
        because = _("Rolled back by #%s.") % context.deployment.pk
        if row.state in (EndpointState.TESTING, EndpointState.STANDBY, EndpointState.RETAINED):
            states.become(row, EndpointState.FAILED, actor, because)
        stopped = stopping.stop_now(row, because, actor, SECONDS)
        if stopped is None:
            context.say(_("Its provider starts and stops no workers; stop the server by hand if it is not needed."))
            return
        if not stopped.done:
            raise ActionError(_("Its workers could not be stopped: %s") % " ".join(stopped.problems))
        context.say(_("Its workers are stopped: it costs nothing more."))
        context.evidence["stopped"] = row.ref
