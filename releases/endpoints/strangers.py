"""Endpoints of an account that are not ours: listed, so that nobody is surprised by the bill, and never touched."""

from django.db import transaction

from releases import audit
from releases.audit import THE_SYSTEM
from releases.gpu.nouns import Endpoint
from releases.gpu.provider import Provider
from releases.gpu.runpod_create import same_name
from releases.models import GpuAccount, GpuEndpoint


def note(account: GpuAccount, provider: Provider) -> list[dict[str, object]]:
    """Look at all endpoints of the account and write down those that are not ours, and the workers of all together.

    Returns them as plain values: id, name, workers (at most), image. One audit event names those that are new.
    Raises what the provider says.
    """
    if not provider.capabilities.create:
        return []
    everything = provider.list_all()
    found = of(account, everything)
    allotted = sum(endpoint.spec.max_workers for endpoint in everything)
    with transaction.atomic():
        row = GpuAccount.objects.select_for_update(no_key=True, of=("self",)).get(pk=account.pk)
        known = {entry["id"] for entry in row.strangers}
        new = [str(entry["name"]) for entry in found if entry["id"] not in known]
        GpuAccount.objects.filter(pk=row.pk).update(strangers=found, allotted=allotted)
        if new:
            audit.record(THE_SYSTEM, "gpu_account.strangers", row, names=new, reason=", ".join(new))
    account.strangers, account.allotted = found, allotted
    return found


def of(account: GpuAccount, everything: list[Endpoint]) -> list[dict[str, object]]:
    """Which of these are not ours, without their variables.

    Ours are those of living rows of the project. One that is just being created is known by its name alone.
    """
    same = {"account__project": account.project_id, "account__provider": account.provider}
    rows = list(GpuEndpoint.objects.living().filter(**same).values_list("ref", "name"))
    refs = {ref for ref, _name in rows if ref}
    names = [name for ref, name in rows if not ref]
    return [
        {
            "id": endpoint.id,
            "name": endpoint.name,
            "workers": endpoint.spec.max_workers,
            "image": endpoint.spec.image,
        }
        for endpoint in sorted(everything, key=lambda endpoint: (endpoint.name, endpoint.id))
        if endpoint.id not in refs and not any(same_name(endpoint.name, name) for name in names)
    ]
