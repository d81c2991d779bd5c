"""Ending what an endpoint costs, and giving it its workers back.

That it shall be stopped is written down before it is tried. What could not be done or verified at once stays written
down, and the watch (engine/gpu_watch.py) tries it again each minute. An order that came meanwhile is never undone.
"""

from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from releases import audit
from releases.audit import THE_SYSTEM, Actor
from releases.endpoints import accounts, alarms
from releases.gpu.errors import GpuError
from releases.gpu.nouns import Stopping
from releases.models import EndpointOrder, GpuAccount, GpuEndpoint

OF_STOPPED = frozenset({"stopped", "not_stopped", "capacity"})  # alarms that are over when it is allowed
NO_ORDER: dict[str, Any] = {"order": "", "order_because": "", "order_by": None, "order_at": None}
ALLOWED: dict[str, Any] = {**NO_ORDER, "stopped_at": None, "stopped_because": "", "unhealthy_looks": 0}


def scales(account: GpuAccount) -> bool:
    """Whether its provider starts and stops workers; what runs on an own server is stopped there, by hand."""
    return account.provider != GpuAccount.Provider.SELF_HOSTED


def order(endpoint: GpuEndpoint, what: EndpointOrder, because: str, actor: Actor) -> bool:
    """Write down what shall be done; False where the same is written down already. No audit event: that is the
    caller's, in the same transaction.
    """
    values = {"order": what, "order_because": because[:500], "order_by": actor.user, "order_at": Now()}
    rows = GpuEndpoint.objects.living().filter(pk=endpoint.pk).exclude(ref="").exclude(order=what)
    return rows.update(**values) == 1


def stop_now(endpoint: GpuEndpoint, because: str, actor: Actor, seconds: float) -> Stopping | None:
    """No workers any more, which is verified: what is left after `seconds` at most. None: nothing here can do that.

    Raises nothing of the provider's; what did not work is in the answer, and is tried again by the watch.
    """
    if not scales(endpoint.account):
        return None
    if not endpoint.ref:
        return Stopping(False, None, None, (_("Its id at the provider is not known, so it can't be stopped."),))
    order(endpoint, EndpointOrder.STOP, because, actor)
    return carry_out(endpoint, actor, seconds)


def carry_out(endpoint: GpuEndpoint, actor: Actor, seconds: float) -> Stopping:
    """Do what an order to stop says; it is over once no worker is left, which was seen, and none can come."""
    endpoint.refresh_from_db()
    try:
        with accounts.opened(endpoint.account, seconds) as provider:
            found = provider.stop_spending(endpoint.ref)
    except GpuError as error:  # the account can't be used at all
        found = Stopping(False, None, None, (error.message,))
    if found.done:
        _stopped(endpoint, actor)
    endpoint.refresh_from_db()
    return found


def _stopped(endpoint: GpuEndpoint, actor: Actor) -> None:
    because = endpoint.order_because
    with transaction.atomic():
        if not _unchanged(endpoint).update(**NO_ORDER, stopped_at=Now(), stopped_because=because):
            return  # it was told something else meanwhile, which comes next
        audit.record(actor, "gpu_endpoint.stop", endpoint, reason=because)


def allow(endpoint: GpuEndpoint, actor: Actor, seconds: float) -> None:
    """Give it the workers back that are written down here; what the caller's row says was ordered does not count any
    more. What was ordered since the caller read it does.

    Raises what the provider says to that: QuotaFull, CapacityNotKept, EndpointGone and others.
    """
    if not scales(endpoint.account):
        return
    with accounts.opened(endpoint.account, seconds) as provider:
        provider.set_capacity(endpoint.ref, endpoint.min_workers, endpoint.max_workers)
    with transaction.atomic():
        if _unchanged(endpoint).update(**ALLOWED):
            audit.record(actor, "gpu_endpoint.allow", endpoint, workers=endpoint.max_workers)
        else:  # it was told to stop meanwhile, and maybe was: whoever came last, that is what holds
            order(endpoint, EndpointOrder.STOP, _("It was told to stop while it got its workers back."), THE_SYSTEM)
    alarms.settle(endpoint, {}, OF_STOPPED)
    endpoint.refresh_from_db()


def _unchanged(endpoint: GpuEndpoint) -> QuerySet[GpuEndpoint]:
    """The row, as long as nobody ordered anything else since it was read."""
    same = Q(order_at=endpoint.order_at) if endpoint.order_at else Q(order_at__isnull=True)
    same &= Q(stopped_at=endpoint.stopped_at) if endpoint.stopped_at else Q(stopped_at__isnull=True)
    return GpuEndpoint.objects.filter(same, pk=endpoint.pk, order=endpoint.order)
