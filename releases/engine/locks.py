"""A person's hold on an environment: with a reason and an end, and another person may take it over."""

from datetime import datetime, timedelta

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
        Environment.objects.select_for_update(of=("self",), no_key=True).get(pk=environment.pk)
        now = clock.now()
        held = _holding(environment, now)
        if held is not None and held.holder_id != holder.pk:
            raise _held_by(held)
        EnvironmentLock.objects.filter(environment=environment).delete()
        made = EnvironmentLock.objects.create(
            environment=environment, holder=holder, reason=reason, expires_at=now + lifetime
        )
        audit.record(actor, "environment.lock", environment, reason=reason, until=made.expires_at.isoformat())
    return made


def unlock(environment: Environment, actor: Actor, reason: str) -> None:
    """End the lock, whoever holds it; taking over another person's lock needs a reason."""
    with transaction.atomic():
        Environment.objects.select_for_update(of=("self",), no_key=True).get(pk=environment.pk)
        held = EnvironmentLock.objects.filter(environment=environment).first()
        if held is None:
            raise Conflict(_("The environment is not locked."))
        if (actor.user is None or held.holder_id != actor.user.pk) and not reason.strip():
            raise EngineError(_("Reason: say why you end another person's lock."))
        held.delete()
        audit.record(actor, "environment.unlock", environment, reason=reason, held_by=str(held.holder), was=held.reason)


def take_over(environment: Environment, seen: int, holder: User, actor: Actor, reason: str) -> EnvironmentLock:
    """End another person's lock and hold the environment instead, until the same moment, in one transaction.

    `seen` is the number of the lock that the person saw and gave the reason for. Raises Conflict when that one
    is over or somebody else took it meanwhile, EngineError without a reason or for one's own lock.
    """
    if not reason.strip():
        raise EngineError(_("Reason: say why you take over another person's lock."))
    with transaction.atomic():
        Environment.objects.select_for_update(of=("self",), no_key=True).get(pk=environment.pk)
        held = _holding(environment, clock.now())
        if held is None:
            raise Conflict(_("The environment is not locked any more; lock it if you need it."))
        if held.holder_id == holder.pk:
            raise EngineError(_("You hold the lock already."))
        if held.pk != seen:
            raise _held_by(held)
        held.delete()
        made = EnvironmentLock.objects.create(
            environment=environment, holder=holder, reason=reason, expires_at=held.expires_at
        )
        audit.record(
            actor,
            "environment.take_over",
            environment,
            reason=reason,
            until=made.expires_at.isoformat(),
            held_by=str(held.holder),
            taken_by=str(holder),
            was=held.reason,
        )
    return made


def _holding(environment: Environment, now: datetime) -> EnvironmentLock | None:
    """The lock that holds at `now`; one that has ended is none."""
    rows = EnvironmentLock.objects.select_related("holder")
    return rows.filter(environment=environment, expires_at__gt=now).first()


def _held_by(held: EnvironmentLock) -> Conflict:
    return Conflict(_("%(who)s holds the lock: %(why)s") % {"who": held.holder, "why": held.reason})
