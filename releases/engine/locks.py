"""A person's hold on an environment."""

from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from releases import audit
from releases.audit import Actor
from releases.engine import clock
from releases.engine.errors import Conflict, EngineError
from releases.models import Environment, EnvironmentLock, User

LONGEST = timedelta(days=14)


def lock(environment: Environment, holder: User, actor: Actor, reason: str, lifetime: timedelta) -> EnvironmentLock:
    """Lock the environment for `lifetime`. Raises Conflict when another person's lock still holds."""
    if not reason.strip():
        raise EngineError(_("Reason: say why the environment is locked."))
    if not timedelta() < lifetime <= LONGEST:
        raise EngineError(_("Until: choose a time within the next 14 days."))
    with transaction.atomic():
        Environment.objects.select_for_update(of=("self",)).get(pk=environment.pk)
        now = clock.now()
        held = EnvironmentLock.objects.filter(environment=environment, expires_at__gt=now).first()
        if held is not None and held.holder_id != holder.pk:
            raise Conflict(_("%(who)s holds the lock: %(why)s") % {"who": held.holder, "why": held.reason})
        EnvironmentLock.objects.filter(environment=environment).delete()
        made = EnvironmentLock.objects.create(
            environment=environment, holder=holder, reason=reason, expires_at=now + lifetime
        )
        audit.record(actor, "environment.lock", environment, reason=reason, until=made.expires_at.isoformat())
    return made


def unlock(environment: Environment, actor: Actor, reason: str) -> None:
    """End the lock, whoever holds it; taking over another person's lock needs a reason."""
    with transaction.atomic():
        Environment.objects.select_for_update(of=("self",)).get(pk=environment.pk)
        held = EnvironmentLock.objects.filter(environment=environment).first()
        if held is None:
            raise Conflict(_("The environment is not locked."))
        if (actor.user is None or held.holder_id != actor.user.pk) and not reason.strip():
            raise EngineError(_("Reason: say why you end another person's lock."))
        audit.record(actor, "environment.unlock", environment, reason=reason, held_by=str(held.holder), was=held.reason)
        held.delete()
