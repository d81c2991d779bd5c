"""Taking an endpoint over that was made elsewhere: from then on it is watched, switched and retired like our own."""

from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from releases import audit, lifecycle
from releases.audit import Actor
from releases.endpoints.addresses import openai_url
from releases.gpu.http import belongs_to
from releases.gpu.nouns import Endpoint
from releases.gpu.runpod import DATA
from releases.models import EndpointState, Environment, GpuAccount, GpuEndpoint, GpuSettings, GpuSpec

RETAINED_DAYS: Final = 14  # where the environment has no rule yet
_MODEL: Final = "MODEL_NAME"
_SERVED_NAME: Final = "OPENAI_SERVED_MODEL_NAME_OVERRIDE"
_LONGEST: Final = 200  # characters of a model's name


class NotAdopted(Exception):
    """It can't be taken over. `str()` is a translated sentence with the mend."""


def adopt(account: GpuAccount, environment: Environment, found: Endpoint, actor: Actor) -> GpuEndpoint:
    """Make it an endpoint of the environment: active if that has none yet, else retained. Raises NotAdopted."""
    address = base_url(account, found)
    with transaction.atomic():
        held = GpuAccount.objects.select_for_update(of=("self",), no_key=True).get(pk=account.pk)
        Environment.objects.select_for_update(of=("self",), no_key=True).get(pk=environment.pk)
        _require_free(held, environment, found)
        made = GpuEndpoint.objects.create(
            environment=environment,
            account=held,
            ref=found.id,
            name=found.name,
            spec=spec_of(held, found),
            base_url=address,
            min_workers=found.spec.min_workers,
            max_workers=found.spec.max_workers,
            **_beginning(environment),
        )
        others = [stranger for stranger in held.strangers if stranger["id"] != found.id]
        GpuAccount.objects.filter(pk=held.pk).update(strangers=others)
        audit.record(actor, "gpu_endpoint.adopt", made, ref=made.ref, state=made.state, account=held.name)
    made.refresh_from_db()
    return made


def base_url(account: GpuAccount, found: Endpoint) -> str:
    """Where OpenAI's routes of it begin. Raises NotAdopted for one without a queue, or elsewhere than the account."""
    address = openai_url(found)
    if not address:
        raise NotAdopted(_("%s has no queue, so it can't be taken over: only queue endpoints are.") % found.name)
    if not belongs_to(address, account.data_url or DATA):
        sentence = _("%(name)s says that it is at %(url)s, which is elsewhere than its account. Correct the account.")
        raise NotAdopted(sentence % {"name": found.name, "url": found.urls.get("run", address)})
    return address


def spec_of(account: GpuAccount, found: Endpoint) -> dict[str, Any]:
    """What it is, in the shape of specs.written. Of its variables only the names are kept, and those of its model."""
    spec = found.spec
    model = spec.env.get(_MODEL, account.model)[:_LONGEST]
    return {
        "method": _method(account, spec.image),
        "image": spec.image,
        "model": model,
        "served_name": (spec.env.get(_SERVED_NAME) or model)[:_LONGEST],
        "pools": sorted(spec.pools),
        "excluded_types": sorted(spec.excluded_types),
        "min_cuda": spec.min_cuda,
        "gpu_count": spec.gpu_count,
        "disk_gb": spec.disk_gb,
        "min_workers": spec.min_workers,
        "max_workers": spec.max_workers,
        "idle_timeout": spec.idle_timeout,
        "execution_timeout": spec.execution_timeout,
        "scaling": spec.scaling.kind.value,
        "scaling_value": spec.scaling.value,
        "flashboot": spec.flashboot.value,
        "env": dict.fromkeys(sorted(spec.env), ""),
        "secret_env": {},
    }


def _method(account: GpuAccount, image: str) -> str:
    if account.provider == GpuAccount.Provider.SELF_HOSTED:
        return GpuSpec.Method.SELF_HOSTED
    return GpuSpec.Method.VLLM if "worker-v1-vllm" in image else GpuSpec.Method.HANDLER


def _require_free(account: GpuAccount, environment: Environment, found: Endpoint) -> None:
    """Nobody has it, and nothing there is about to switch. Raises NotAdopted."""
    living = account.endpoints.living()
    if living.filter(ref=found.id).exists():
        raise NotAdopted(_("%s is an endpoint of this project already.") % found.name)
    if living.filter(name=found.name).exists():
        sentence = _("An endpoint named %s is here already. Rename one of the two in the provider's console.")
        raise NotAdopted(sentence % found.name)
    if environment.deployments.filter(status__in=lifecycle.ACTIVE).exists():
        raise NotAdopted(_("A deployment is active in %s; take the endpoint over when it has ended.") % environment)


def _beginning(environment: Environment) -> dict[str, Any]:
    if not environment.gpu_endpoints.filter(state=EndpointState.ACTIVE).exists():
        return {"state": EndpointState.ACTIVE, "activated_at": Now()}
    rules = GpuSettings.objects.filter(environment=environment).first()
    days = rules.retained_days if rules else RETAINED_DAYS
    return {"state": EndpointState.RETAINED, "retained_until": Now() + timedelta(days=days)}
