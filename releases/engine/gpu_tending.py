"""What workers do to endpoints because a person or the cost guard wants it: stop, give workers back, retire.

One worker at a time is at an endpoint. What could not be done stays wanted, and the watch has it tried again each
minute. Safe to be told any number of times.
"""

from datetime import timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import override

from releases.actions import gpu_words
from releases.audit import THE_SYSTEM, Actor
from releases.endpoints import alarms, stopping
from releases.engine import clock, gpu_retiring, gpu_rules, handover, wake
from releases.engine.gpu_claims import Claim
from releases.gpu.errors import AnswerUnreadable, GpuError, ProviderUnavailable, RateLimited, Stopped
from releases.models import EndpointOrder, EndpointState, GpuEndpoint

TASK: Final = "tend_gpu_endpoint"
STOP_SECONDS: Final = 60.0
ALLOW_SECONDS: Final = 60.0
UNSENT: Final = timedelta(seconds=5)
ROUNDS: Final = 3  # orders that came while one was carried out
CLAIM: Final = Claim(
    "tended_at",
    timedelta(minutes=6),  # longer than any of it takes
    ("account", "environment__project", "order_by", "retired_by"),
)
log = structlog.get_logger(__name__)


def send_again() -> None:
    """A message for each endpoint with something to do that no worker is at."""
    now = clock.now()
    wanted = Q(state=EndpointState.RETIRING) | (~Q(order="") & Q(order_at__lt=now - UNSENT))
    for number in GpuEndpoint.objects.living().filter(wanted, CLAIM.is_free(now)).values_list("pk", flat=True):
        wake.send(TASK, number)


def carry_out(number: int) -> None:
    """Do all that is wanted of the endpoint, unless another worker is at it."""
    with CLAIM.held(number) as row:
        for _round in range(ROUNDS):
            if row is None or not _next(row):
                return
            row.refresh_from_db()


def stop(row: GpuEndpoint, seconds: float) -> None:
    """Carry out an order to stop, unless another worker is at the endpoint."""
    with CLAIM.held(row.pk) as claimed:
        if claimed is not None and claimed.order == EndpointOrder.STOP:
            _stop(claimed, seconds)


def _next(row: GpuEndpoint) -> bool:
    """Do what is wanted; whether to look for something else afterwards."""
    if handover.wanted():
        return False
    with override(_language(row)):
        if row.order == EndpointOrder.STOP:
            return _stop(row, STOP_SECONDS)
        if row.order == EndpointOrder.ALLOW:
            return _allow(row)
        if row.state == EndpointState.RETIRING:
            gpu_retiring.retire(row)
    return False


def _stop(row: GpuEndpoint, seconds: float) -> bool:
    """Whether it is done. What did not work is told to people once it lasts."""
    ordered_at = row.order_at
    found = stopping.carry_out(row, _who(row), seconds)
    if found.done:
        alarms.settle(row, {}, {"not_stopped", "not_allowed"})
        return True
    log.warning("GPU endpoint not stopped yet", endpoint=row.pk, problems=found.problems, left=found.workers_left)
    if ordered_at is not None and ordered_at < clock.now() - gpu_rules.NOT_STOPPED:
        said = _(
            "It shall cost nothing more, and that is not done yet: %s It is tried again each minute. Set its maximum "
            "of workers to 0 in the provider's console."
        )
        left = _("%s workers are left.") % ("?" if found.workers_left is None else found.workers_left)
        alarms.settle(row, {"not_stopped": said % " ".join([left, *found.problems])}, {"not_stopped"})
    return False


def _allow(row: GpuEndpoint) -> bool:
    """Whether it is over. What the provider refuses is told and not tried again; what did not work now is."""
    try:
        stopping.allow(row, _who(row), ALLOW_SECONDS)
    except Stopped:
        return False
    except (ProviderUnavailable, RateLimited, AnswerUnreadable) as error:
        log.info("GPU endpoint not allowed yet", endpoint=row.pk, error=error.message)
        return False
    except GpuError as error:
        GpuEndpoint.objects.filter(pk=row.pk, order=row.order, order_at=row.order_at).update(**stopping.NO_ORDER)
        said = _("Its workers could not be given back: %s") % gpu_words.told(error)
        alarms.settle(row, {"not_allowed": said}, {"not_allowed"})
        return True
    alarms.settle(row, {}, {"not_allowed"})
    return True


def _who(row: GpuEndpoint) -> Actor:
    return Actor(row.order_by) if row.order_by else THE_SYSTEM


def _language(row: GpuEndpoint) -> str:
    """What is kept is written for the person who asked."""
    person = row.order_by if row.order else row.retired_by
    return person.language if person else settings.LANGUAGE_CODE
