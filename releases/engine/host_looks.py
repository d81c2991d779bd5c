"""What checks may look at on a host: set by people who manage it, switched on after reading the commands."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from releases import audit
from releases.audit import Actor
from releases.engine import clock
from releases.engine.errors import Conflict
from releases.models import Host, HostLooks, User
from releases.risks import consent


def set_looks(host: Host, actor: Actor, values: Mapping[str, Sequence[Any]]) -> None:
    """Set ports, folders, files and units. Other commands than those agreed to are off until they are switched on."""
    with transaction.atomic():
        Host.objects.select_for_update(of=("self",), no_key=True).get(pk=host.pk)
        HostLooks.objects.update_or_create(host=host, defaults={name: list(value) for name, value in values.items()})
        audit.record(actor, "host.looks", host, **{name: list(value) for name, value in values.items()})


def switch_on(host: Host, user: User, actor: Actor, digest: str) -> None:
    """Let the checks run there. `digest` is of the commands that the person read; raises Conflict for other ones."""
    with transaction.atomic():
        Host.objects.select_for_update(of=("self",), no_key=True).get(pk=host.pk)
        suggested = consent.suggested(host)
        names = ("ports", "folders", "files", "units")
        looks, _new = HostLooks.objects.get_or_create(
            host=host, defaults={name: getattr(suggested, name) for name in names}
        )
        current = Host.objects.select_related("environment__project", "looks").get(pk=host.pk)
        if consent.digest_of(current) != digest:
            raise Conflict(_("The commands are others by now. Read them again, then switch them on."))
        looks.digest, looks.switched_by, looks.switched_at = digest, user, clock.now()
        looks.save()
        audit.record(actor, "host.looks_on", host, digest=digest)


def switch_off(host: Host, user: User, actor: Actor) -> None:
    """Let the checks run there no more."""
    with transaction.atomic():
        HostLooks.objects.filter(host=host).update(digest="", switched_by=user, switched_at=clock.now())
        audit.record(actor, "host.looks_off", host)
