"""Keeping the endpoint that had the traffic: its capacity is written down, so that a rollback can give it back."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from releases.actions import gpu_steps, gpu_switch
from releases.actions.base import ActionError, DirectAction, StepContext
from releases.endpoints import states
from releases.gpu.errors import EndpointGone
from releases.gpu.provider import Provider
from releases.models import EndpointState, GpuEndpoint


class GpuRetain(DirectAction):
    """The earlier endpoint stays, idle and without cost, until a person retires it."""

    kind = "gpu_retain"

    def run(self, context: StepContext) -> None:
        gpu_steps.carefully(context, lambda: self._retain(context))

    def _retain(self, context: StepContext) -> None:
        gpu_switch.settle(context.deployment, gpu_steps.actor_of(context))
        new = gpu_steps.new_one(context.deployment)
        if new.state != EndpointState.ACTIVE:
            sentence = _("%s does not have the traffic, so the earlier endpoint is needed as it is. Run the switch.")
            raise ActionError(sentence % new.name)
        row = new.previous
        if row is None or not row.is_living:
            context.say(_("There was no endpoint before, so none is kept."))
            return
        context.say(f"{row.name} ({row.ref})")
        actor = gpu_steps.actor_of(context)
        days = gpu_steps.signed(context.deployment)["policy"]["retained_days"]
        with gpu_steps.provider(context, row.account) as provider:
            try:
                columns = self._capacity(context, row, provider)
            except EndpointGone as error:
                context.say(error.message)
                states.become(row, EndpointState.FAILED, actor, _("It is not there any more."))
                return
        until = timezone.now() + timedelta(days=days)
        if row.state != EndpointState.FAILED:
            states.become(row, EndpointState.RETAINED, actor, retained_until=until, **columns)
        context.say(_("It is kept until %s, then people are asked to retire it.") % f"{until:%Y-%m-%d}")
        context.evidence |= {"kept": row.ref, "until": until.isoformat(), "workers": row.max_workers}

    def _capacity(self, context: StepContext, row: GpuEndpoint, provider: Provider) -> dict[str, Any]:
        """What it may have at most, as it is now; the step may lower it, which frees room in the account."""
        if not provider.capabilities.scaling:
            return {}
        there = provider.get(row.ref).spec
        asked = context.parameters.get("max_workers")
        kept = there.max_workers if asked is None else min(asked, max(there.max_workers, row.max_workers))
        if there.max_workers > max(kept, row.max_workers):  # what it may have again; written down before it is taken
            GpuEndpoint.objects.filter(pk=row.pk).update(min_workers=0, max_workers=there.max_workers)
        if kept != there.max_workers or there.min_workers > 0:
            provider.set_capacity(row.ref, 0, kept)
            context.say(_("Workers at most: %s") % kept)
        if asked == 0:  # by us, and not by the platform
            return {"min_workers": 0, "stopped_at": timezone.now(), "stopped_because": _("It is kept without workers.")}
        return {"min_workers": 0}
