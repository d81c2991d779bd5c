"""Switching the reading of a host on and off, and the plan of its components. Each change is in the audit log."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from releases import audit, permissions
from releases.models import Component, Host, HostWatch
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import done, once, verb
from releases.views.capacity_forms import WATCH_GROUPS, ComponentForm, WatchForm
from releases.views.grouped_forms import Group, form_page

PARTS = ("environment__project", "watch")
_WATCHED = ("is_on", "instance", "database", "max_connections", "paths")


@require_http_methods(["GET", "POST"])
@member_required
@once
def edit_watch(request: HttpRequest, number: int) -> HttpResponse:
    """Whether and how a host is read."""
    host = permissions.get(Host, signed_in(request), Need.MANAGE, *PARTS, pk=number)
    before = HostWatch.objects.filter(host=host).first()
    form = WatchForm(request.POST or None, instance=HostWatch.objects.filter(host=host).first() or HostWatch(host=host))
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            changes = audit.differences(before, form.save(), _WATCHED)
            if changes:
                audit.record(actor(request), "host.watch", host, changed=changes)
        return redirect("releases:capacity_host", host.pk)
    back = reverse("releases:capacity_host", args=[host.pk])
    return form_page(request, form, WATCH_GROUPS, _("Reading of %s") % host, back, section="costs")


@require_http_methods(["GET", "POST"])
@member_required
@once
def new_component(request: HttpRequest, number: int) -> HttpResponse:
    """Plan one more component of a host."""
    host = permissions.get(Host, signed_in(request), Need.MANAGE, "environment__project", pk=number)
    return _edit(request, Component(host=host, position=host.components.count()))


@require_http_methods(["GET", "POST"])
@member_required
@once
def edit_component(request: HttpRequest, number: int) -> HttpResponse:
    """Change the plan or the mark of a component."""
    row = permissions.get(Component, signed_in(request), Need.MANAGE, "host__environment__project", pk=number)
    return _edit(request, row)


@verb
def remove_component(request: HttpRequest, number: int) -> HttpResponse:
    """Take a component out of the plan; its processes belong to the rest then."""
    row = permissions.get(Component, signed_in(request), Need.MANAGE, "host__environment__project", pk=number)
    with transaction.atomic():
        Component.objects.filter(pk=row.pk).delete()
        audit.record(actor(request), "host.component_remove", row.host, component=row.name)
    done(request, _("Removed: %s.") % row)
    return redirect("releases:capacity_host", row.host_id)


def _edit(request: HttpRequest, row: Component) -> HttpResponse:
    """The form of a component, new or not. The caller has checked who asks."""
    before = Component.objects.filter(pk=row.pk).first() if row.pk else None
    form = ComponentForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            saved = form.save()
            changes = audit.differences(before, saved, ComponentForm.Meta.fields)
            if changes:
                action = "host.component_change" if before else "host.component_add"
                audit.record(actor(request), action, row.host, component=saved.name, changed=changes)
        return redirect("releases:capacity_host", row.host_id)
    title, back = _("Planned component"), reverse("releases:capacity_host", args=[row.host_id])
    more = {"section": "costs"}
    if before:
        more |= {"remove_url": reverse("releases:remove_component", args=[row.pk]), "remove_text": _("Remove")}
    return form_page(request, form, [Group(title, tuple(form.fields))], title, back, **more)
