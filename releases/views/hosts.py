"""Hosts: adding, enrolling (the key is shown, then pinned), testing the connection."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from releases import audit, enrolment, lifecycle, permissions
from releases.actions.remote_words import told
from releases.engine.errors import EngineError
from releases.models import Attempt, Environment, Host
from releases.permissions import Need, actor, member_required, signed_in
from releases.remote.errors import RemoteError
from releases.views.answers import done, once, verb
from releases.views.careful_forms import CarefulForm


class HostForm(CarefulForm[Host]):
    """Where a host is and how to log in there."""

    class Meta:
        model = Host
        fields = ("environment", "name", "role", "address", "port", "user")
        labels = {"environment": gettext_lazy("Environment")}
        error_messages = {
            NON_FIELD_ERRORS: {
                "unique_together": gettext_lazy("This environment has a host with this name or role already.")
            }
        }

    def _get_validation_exclusions(self) -> set[str]:
        """A name and a role are unique within the environment, also where that is no field of the form."""
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"environment"} if self.instance.pk else excluded


@require_GET
@member_required
def hosts(request: HttpRequest) -> HttpResponse:
    """Every host of one's projects, with its pinned key and how the last test went."""
    rows = permissions.visible(Host, signed_in(request)).select_related("environment__project", "pinned_by")
    context = {
        "hosts": rows.order_by("environment__project", "-environment__is_production", "name"),
        "may_manage": _manageable(request).exists(),
    }
    return render(request, "releases/hosts.html", context)


@require_http_methods(["GET", "POST"])
@member_required
@once
def new_host(request: HttpRequest) -> HttpResponse:
    """Add a host; its key is pinned in the next step."""
    form = HostForm(request.POST or None)
    form.fields["environment"].queryset = _manageable(request)  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        permissions.require(signed_in(request), Need.MANAGE, form.cleaned_data["environment"].project_id)
        with transaction.atomic():
            host = form.save()
            audit.record(actor(request), "host.create", host, address=host.address, port=host.port, user=host.user)
        return redirect("releases:host", host.pk)
    context: dict[str, Any] = {"form": form, "title": _("New host"), "submit": _("Add, then see its key")}
    return render(request, "releases/form.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@member_required
@once
def edit_host(request: HttpRequest, number: int) -> HttpResponse:
    """Change a host. Another address or port is another machine: its pinned key is taken back."""
    host = permissions.get(Host, signed_in(request), Need.MANAGE, "environment__project", pk=number)
    form = HostForm(request.POST or None, instance=host)
    del form.fields["environment"]
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            if host.host_key and {"address", "port"} & set(form.changed_data):
                enrolment.unpin(host, actor(request))
            audit.record(actor(request), "host.change", host, changed=form.changed_data)
        return redirect("releases:host", host.pk)
    context = {"form": form, "title": _("Change %s") % host}
    return render(request, "releases/form.html", context, status=400 if form.errors else 200)


@require_GET
@member_required
def host(request: HttpRequest, number: int) -> HttpResponse:
    """One host, and what may be done with it."""
    return _host_page(request, number)


@verb
def scan(request: HttpRequest, number: int) -> HttpResponse:
    """Ask the host for its key and show the fingerprint, to be compared and pinned."""
    found = permissions.get(Host, signed_in(request), Need.MANAGE, "environment__project", pk=number)
    try:
        key = enrolment.scan(found)
    except RemoteError as error:
        raise EngineError(told(error)) from error
    return _host_page(request, number, scanned=key)


@verb
def pin(request: HttpRequest, number: int) -> HttpResponse:
    """Pin the key whose fingerprint the person saw."""
    found = permissions.get(Host, signed_in(request), Need.MANAGE, "environment__project", pk=number)
    try:
        enrolment.pin(found, request.POST.get("fingerprint", ""), signed_in(request), actor(request))
        enrolment.check(found, actor(request))
    except RemoteError as error:
        raise EngineError(told(error)) from error
    except enrolment.EnrolmentError as error:
        raise EngineError(str(error)) from error
    done(request, _("The key of %s is pinned.") % found)
    return redirect("releases:host", found.pk)


@verb
def unpin(request: HttpRequest, number: int) -> HttpResponse:
    """Take the pinned key back; nothing is sent to the host until another one is pinned."""
    found = permissions.get(Host, signed_in(request), Need.MANAGE, "environment__project", pk=number)
    enrolment.unpin(found, actor(request))
    return redirect("releases:host", found.pk)


@verb
def check(request: HttpRequest, number: int) -> HttpResponse:
    """Test the connection now."""
    found = permissions.get(Host, signed_in(request), Need.OPERATE, "environment__project", pk=number)
    try:
        enrolment.check(found, actor(request))
    except enrolment.EnrolmentError as error:
        raise EngineError(str(error)) from error
    return redirect("releases:host", found.pk)


def _manageable(request: HttpRequest) -> Any:
    user = signed_in(request)
    rows = permissions.visible(Environment, user).select_related("project")
    return (
        rows
        if user.is_superuser
        else rows.filter(project__memberships__user=user, project__memberships__can_manage=True)
    )


def _host_page(request: HttpRequest, number: int, **more: Any) -> HttpResponse:
    user = signed_in(request)
    found = permissions.get(Host, user, Need.VIEW, "environment__project", "pinned_by", "looks", pk=number)
    project = found.environment.project_id
    context = {
        "host": found,
        "may_manage": permissions.may(user, Need.MANAGE, project),
        "may_operate": permissions.may(user, Need.OPERATE, project),
        "public_key": _controller_key(),
        "in_doubt": Attempt.objects.filter(host=found, status__in=[lifecycle.UNKNOWN, lifecycle.LOST])
        .select_related("step__deployment__release")
        .order_by("pk"),
        **more,
    }
    return render(request, "releases/host.html", context)


def _controller_key() -> str:
    """The public key that hosts must know; "" where the installation has none yet."""
    path = Path(f"{settings.SSH_KEY_FILE}.pub")
    return path.read_text().strip() if path.is_file() else ""
