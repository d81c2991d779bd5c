"""Creating the new endpoint, once: its row is there before it is, and its id is kept before anything else is done."""

from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from releases.actions import gpu_steps, gpu_words
from releases.actions.base import ActionError, DirectAction, StepContext
from releases.endpoints import specs, states
from releases.endpoints.addresses import openai_url
from releases.gpu import policy
from releases.gpu.errors import CreateUnknown, GpuError, ProviderUnavailable, RateLimited, Stopped
from releases.gpu.nouns import Endpoint, EndpointSpec
from releases.gpu.provider import Provider
from releases.gpu.runpod_create import named
from releases.models import EndpointState, GpuAccount, GpuEndpoint
from releases.remote.faults import fault_point

SECONDS = 180.0  # for the creation with its retries and looks


class GpuCreate(DirectAction):
    """Creates it, or finds the one that an earlier try made: the deployment's number is in the name."""

    kind = "gpu_create"

    def run(self, context: StepContext) -> None:
        gpu_steps.carefully(context, lambda: self._create(context))

    def _create(self, context: StepContext) -> None:
        deployment = context.deployment
        account = gpu_steps.account_of(deployment)
        signed = gpu_steps.signed(deployment)
        spec = specs.endpoint_spec(signed["spec"], signed["name"], gpu_steps.secret_values(deployment))
        tag = f"{deployment.release.version}-{deployment.pk}"
        with gpu_steps.provider(context, account, SECONDS) as provider:
            row = _row(context, account, named(spec, tag) if provider.capabilities.create else account.name)
            context.say(f"{row.name}")
            if row.ref:
                context.say(_("It is there already: %s") % row.ref)
                return
            made = self._made(context, row, provider, spec, tag)
            fault_point("gpu_created")
            columns = {"ref": made.id, "base_url": openai_url(made)}
            states.become(row, EndpointState.TESTING, gpu_steps.actor_of(context), **columns)
            context.say(_("Its id: %s") % made.id)
            context.evidence |= {"endpoint": made.id, "name": row.name}
            _say_price(context, row, provider, spec)

    def _made(
        self, context: StepContext, row: GpuEndpoint, provider: Provider, spec: EndpointSpec, tag: str
    ) -> Endpoint:
        """Raises what refused it; then it is known that there is none."""
        if not provider.capabilities.create:
            return provider.get(row.name)
        try:
            return provider.create(spec, tag)
        except (Stopped, CreateUnknown, ProviderUnavailable, RateLimited):
            raise  # it may be there: the row stays as it is, and the watch looks for it by its name
        except GpuError as error:
            states.become(row, EndpointState.FAILED, gpu_steps.actor_of(context), gpu_words.told(error))
            raise


def _row(context: StepContext, account: GpuAccount, name: str) -> GpuEndpoint:
    """The deployment's row, made before anything is asked of the provider. Raises ActionError for a name in use."""
    deployment = context.deployment
    row = GpuEndpoint.objects.filter(deployment=deployment).first()
    if row is not None:
        if row.state == EndpointState.FAILED and not row.ref:
            states.become(row, EndpointState.CREATING, gpu_steps.actor_of(context))
        if not row.ref:  # the watch, which may have looked for the earlier try, looks for this one, too
            GpuEndpoint.objects.filter(pk=row.pk).update(watched_at=None, state_since=Now())
        return row
    before = deployment.environment.gpu_endpoints.filter(state=EndpointState.ACTIVE).first()
    signed = gpu_steps.signed(deployment)
    values: dict[str, Any] = {
        "environment": deployment.environment,
        "account": account,
        "release": deployment.release,
        "previous": before,
        "name": name,
        "spec": signed["spec"],
        "min_workers": signed["spec"]["min_workers"],
        "max_workers": signed["spec"]["max_workers"],
    }
    try:
        with transaction.atomic():
            return GpuEndpoint.objects.create(deployment=deployment, **values)
    except IntegrityError as error:
        sentence = _("The name %s is in use by another endpoint that lives. Retire that one first, or use another.")
        raise ActionError(sentence % name) from error


def _say_price(context: StepContext, row: GpuEndpoint, provider: Provider, spec: EndpointSpec) -> None:
    if not provider.capabilities.billing:
        return
    price = provider.price(spec)
    GpuEndpoint.objects.filter(pk=row.pk).update(price=price.per_hour)
    worst: Decimal = policy.worst_case(spec, price).per_day
    context.say(
        _("%(hour).4f USD an hour and worker; at worst %(day).2f USD a day") % {"hour": price.per_hour, "day": worst}
    )
