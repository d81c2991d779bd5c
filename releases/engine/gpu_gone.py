"""An endpoint that is not at its provider any more: it costs nothing, and whoever counted on it has to know."""

from typing import Final

from django.utils.translation import gettext as _

from releases.audit import THE_SYSTEM
from releases.endpoints import alarms, states
from releases.engine import clock, gpu_rules
from releases.gpu.provider import Provider
from releases.models import EndpointState, GpuEndpoint

KEPT: Final = frozenset({EndpointState.STANDBY, EndpointState.RETAINED})
SEEN: Final = {"phase": "gone"}
MAKING: Final = frozenset({EndpointState.CREATING, EndpointState.TESTING})


def note(row: GpuEndpoint, provider: Provider) -> bool:
    """Write it down, unless the provider's list shows it all the same: then False. Raises what the provider says."""
    if any(endpoint.id == row.ref for endpoint in provider.list_all()):
        return False
    now = clock.now()
    GpuEndpoint.objects.filter(pk=row.pk).update(watched_at=now, seen=SEEN, unhealthy_looks=0)
    row.refresh_from_db(fields=["state"])
    if row.state in KEPT or (row.state in MAKING and gpu_rules.is_left_over(row, now)):
        states.become(row, EndpointState.FAILED, THE_SYSTEM)
    said = _("It is not at the provider any more: it was deleted there by hand, or the key is of another account.")
    if row.state == EndpointState.ACTIVE:
        said += " " + _("It has the traffic, so nobody is answered: deploy anew, or roll back.")
    alarms.settle(row, {"gone": said}, gpu_rules.KINDS)
    return True
