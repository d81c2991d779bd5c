"""Retiring an endpoint: what it still has to answer is answered, then it is deleted, and seen to be gone.

Its queue is never thrown away here. What does not drain in time stays as it is, with the reason, and is tried again.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog
from django.conf import settings
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from releases.actions import gpu_words
from releases.audit import THE_SYSTEM, Actor
from releases.endpoints import accounts, alarms, states, stopping
from releases.engine import gpu_orphans, handover
from releases.gpu.errors import EndpointGone, GpuError, NotDrained, Stopped
from releases.gpu.nouns import Health
from releases.gpu.provider import Provider
from releases.models import EndpointState, GpuEndpoint

CALL_SECONDS: Final = 20.0
DRAIN_SECONDS: Final = 45.0  # for one try to see it drained, and another to see it gone
KIND: Final = "not_retired"
log = structlog.get_logger(__name__)


class NotYet(Exception):
    """It can't be deleted now; the sentence says why."""


def retire(row: GpuEndpoint) -> None:
    """One try. An endpoint that is not there is retired at once."""
    try:
        with accounts.opened(row.account, CALL_SECONDS, handover.wanted) as provider:
            if provider.capabilities.create:
                _remove(row, provider)
    except Stopped:
        return
    except NotYet as why:
        _note(row, str(why))
        return
    except GpuError as error:
        _note(row, gpu_words.told(error))
        return
    if GpuEndpoint.objects.filter(pk=row.pk, state=EndpointState.RETIRING).exists():
        states.become(row, EndpointState.RETIRED, _who(row), retired_at=Now(), alarms={}, **stopping.NO_ORDER)


def _remove(row: GpuEndpoint, provider: Provider) -> None:
    """Raises NotYet, and what the provider says."""
    refs = [row.ref] if row.ref else [endpoint.id for endpoint in gpu_orphans.named_like(row, provider)]
    if not refs and gpu_orphans.may_come(row):
        raise NotYet(_("Its creation may still be at work, so it is looked for by its name for some minutes."))
    for ref in refs:
        try:
            _drain(row, ref, provider)
        except EndpointGone:
            continue
        _delete(row, ref, provider)
    if refs and not _until(lambda: not any(endpoint.id in refs for endpoint in provider.list_all())):
        raise NotYet(_("It was deleted, and the provider still lists it. That is looked at again each minute."))


def _drain(row: GpuEndpoint, ref: str, provider: Provider) -> None:
    """Its requests are done, and no worker can come. Workers are forbidden last: they are who empties the queue."""
    there = provider.get(ref).spec
    waits = provider.health(ref).in_queue
    if waits and there.max_workers == 0 and (row.stopped_at is not None or row.max_workers == 0):
        sentence = _(
            "%s requests wait in its queue, and it has no workers. Keep and allow it, or stop it to drop them."
        )
        raise NotYet(sentence % waits)
    if waits and there.max_workers == 0:
        provider.set_capacity(ref, 0, row.max_workers)
    _wait_for_queue(ref, provider, lambda health: health.in_queue == 0)
    if there.max_workers or there.min_workers or waits:
        provider.set_capacity(ref, 0, 0)
    _wait_for_queue(ref, provider, lambda health: health.open == 0)


def _wait_for_queue(ref: str, provider: Provider, is_right: Callable[[Health], bool]) -> None:
    seen = Health()

    def look() -> bool:
        nonlocal seen
        seen = provider.health(ref)
        return is_right(seen)

    if not _until(look):
        numbers = {"waiting": seen.in_queue, "working": seen.in_progress}
        sentence = _(
            "It still has requests: %(waiting)s wait, %(working)s are being answered. It is deleted once they are done."
        )
        raise NotYet(sentence % numbers)


def _until(look: Callable[[], bool]) -> bool:
    """Whether it came true within the patience."""
    end = time.monotonic() + DRAIN_SECONDS
    while not look():
        if time.monotonic() >= end or handover.wanted():
            return False
        handover.pause(settings.GPU_LOOK_SECONDS)
    return True


def _delete(row: GpuEndpoint, ref: str, provider: Provider) -> None:
    """From now on it can't be kept any more. Raises NotYet where somebody just said that it shall be."""
    rows = GpuEndpoint.objects.filter(pk=row.pk, state=EndpointState.RETIRING)
    if rows.update(delete_began_at=Now()) != 1:
        raise NotYet(_("It is kept."))
    try:
        provider.delete(ref)
    except NotDrained:  # it looks once more: a request came at this moment, and nothing was deleted
        rows.update(delete_began_at=None)
        raise


def _note(row: GpuEndpoint, why: str) -> None:
    log.info("GPU endpoint not retired yet", endpoint=row.pk, why=why)
    if GpuEndpoint.objects.filter(pk=row.pk, state=EndpointState.RETIRING).exists():
        alarms.settle(row, {KIND: why}, {KIND})


def _who(row: GpuEndpoint) -> Actor:
    return Actor(row.retired_by) if row.retired_by else THE_SYSTEM
