"""What a person may press about a GPU endpoint. Each goes back to the page that it was pressed on."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from releases import permissions
from releases.engine import gpu_orders
from releases.engine.errors import EngineError
from releases.models import GpuEndpoint
from releases.permissions import Need, actor, signed_in
from releases.views.answers import back_where_it_was_pressed, verb

PARTS = ("environment__project", "account")


@verb
def stop(request: HttpRequest, number: int) -> HttpResponse:
    """End what it costs: no workers, an empty queue. Also of the one that has the traffic."""
    found = permissions.get(GpuEndpoint, signed_in(request), Need.OPERATE, *PARTS, pk=number)
    gpu_orders.stop(found, actor(request), request.POST.get("reason", "")[:500])
    return back_where_it_was_pressed(request)


@verb
def allow(request: HttpRequest, number: int) -> HttpResponse:
    """Give it its workers back."""
    found = permissions.get(GpuEndpoint, signed_in(request), Need.OPERATE, *PARTS, pk=number)
    gpu_orders.allow(found, actor(request))
    return back_where_it_was_pressed(request)


@verb
def prove(request: HttpRequest, number: int) -> HttpResponse:
    """Have it asked now."""
    user = signed_in(request)
    found = permissions.get(GpuEndpoint, user, Need.OPERATE, *PARTS, pk=number)
    gpu_orders.prove(found, user, actor(request))
    return back_where_it_was_pressed(request)


@verb
def retire(request: HttpRequest, number: int) -> HttpResponse:
    """Have it deleted at its provider, once the person has typed its name."""
    user = signed_in(request)
    found = permissions.get(GpuEndpoint, user, Need.MANAGE, *PARTS, pk=number)
    if request.POST.get("confirm_name", "").strip() != found.name:
        raise EngineError(_("Endpoint name: type %s exactly to retire it.") % found.name)
    gpu_orders.retire(found, user, actor(request))
    return back_where_it_was_pressed(request)


@verb
def keep(request: HttpRequest, number: int) -> HttpResponse:
    """Not retire it after all."""
    found = permissions.get(GpuEndpoint, signed_in(request), Need.MANAGE, *PARTS, pk=number)
    gpu_orders.keep(found, actor(request))
    return back_where_it_was_pressed(request)
