"""Endpoints whose creation nobody saw the end of: looked for by their name, so that nothing costs unknown to us."""

from datetime import timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from releases import audit
from releases.audit import THE_SYSTEM
from releases.endpoints import alarms, states, stopping
from releases.endpoints.addresses import openai_url
from releases.engine import clock, gpu_rules
from releases.gpu.nouns import Endpoint
from releases.gpu.provider import Provider
from releases.gpu.runpod_create import same_name
from releases.models import EndpointOrder, EndpointState, GpuEndpoint

OLD_ENOUGH: Final = timedelta(minutes=15)  # before that a creation may still be at work
LOOK_AGAIN: Final = timedelta(hours=1)
GIVEN_UP: Final = timedelta(days=2)  # after which it is believed that there is none
SKEW: Final = timedelta(minutes=5)  # between the provider's clock and ours
STOP_SECONDS: Final = 30.0


def look_for(row: GpuEndpoint, provider: Provider) -> None:
    """Look for the endpoint of a row without an id, once its deployment has ended: what is found is stopped.

    Raises what the provider says.
    """
    now = clock.now()
    looked = row.watched_at is not None and row.watched_at > now - LOOK_AGAIN
    given_up = row.watched_at is not None and row.state_since < now - GIVEN_UP
    is_young = row.created_at > now - OLD_ENOUGH
    if looked or given_up or is_young or not gpu_rules.is_left_over(row, now, timedelta()):
        return
    found = named_like(row, provider)
    if not found and may_come(row):
        return
    GpuEndpoint.objects.filter(pk=row.pk).update(watched_at=now)
    if not found:
        _missing(row)
        return
    if _record(row, found[0]):
        stopping.order(row, EndpointOrder.STOP, _("Its deployment ended before its id was known here."), THE_SYSTEM)
    _stop_twins(row, found[1:], provider)


def may_come(row: GpuEndpoint) -> bool:
    """A creation without a reply may still make it."""
    ended = row.deployment.finished_at if row.deployment else None
    return max(row.created_at, ended or row.created_at) > clock.now() - OLD_ENOUGH


def named_like(row: GpuEndpoint, provider: Provider) -> list[Endpoint]:
    """Endpoints of exactly this name, the oldest first. What was there before the row was is somebody else's."""
    since = row.created_at - SKEW
    found = [
        endpoint
        for endpoint in provider.list_owned(row.name)
        if same_name(endpoint.name, row.name) and (endpoint.created is None or endpoint.created >= since)
    ]
    return sorted(found, key=lambda endpoint: (endpoint.created or row.created_at, endpoint.id))


def _missing(row: GpuEndpoint) -> None:
    if row.state == EndpointState.CREATING:
        said = _("It was never created: no endpoint there has its name. Run the deployment again, or retire it.")
        states.become(row, EndpointState.FAILED, THE_SYSTEM, said)


def _record(row: GpuEndpoint, found: Endpoint) -> bool:
    """Keep its id; False where another endpoint here has it."""
    said = _("Its deployment ended before its id was known here. It was found by its name, and is stopped.")
    try:
        with transaction.atomic():
            states.become(row, EndpointState.FAILED, THE_SYSTEM, said, ref=found.id, base_url=openai_url(found))
            audit.record(THE_SYSTEM, "gpu_endpoint.found", row, ref=found.id)
    except IntegrityError:
        row.refresh_from_db()
        return False
    row.refresh_from_db()
    return True


def _stop_twins(row: GpuEndpoint, twins: list[Endpoint], provider: Provider) -> None:
    """Others of the same name, from creations that were repeated: only one has a row, and none may cost."""
    for endpoint in twins:
        provider.within(STOP_SECONDS).stop_spending(endpoint.id)
    if twins:
        said = _("More endpoints have this name, and were stopped: %s. Delete them in the provider's console.")
        alarms.settle(row, {"twins": said % ", ".join(endpoint.id for endpoint in twins)}, {"twins"})
