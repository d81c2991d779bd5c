"""The rows that belong to an environment: variables, deploy windows, health checks."""

from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from releases import audit, lifecycle, permissions, secrets
from releases.engine.errors import EngineError
from releases.engine.insisting import put_on_record
from releases.models import DeployWindow, Environment, Probe, User, Variable
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import once, verb
from releases.views.environments import environment_page
from releases.views.settings_forms import ProbeForm, VariableForm, WindowForm


def _managed(request: HttpRequest, number: int) -> Environment:
    return permissions.get(Environment, signed_in(request), Need.MANAGE, "project", "runbook", pk=number)


@require_POST
@member_required
def set_variable(request: HttpRequest, number: int) -> HttpResponse:
    """Add a variable or give it a new value. The audit log keeps the name, never the value."""
    environment = _managed(request, number)
    form = VariableForm(request.POST)
    if form.is_valid() and _is_busy(environment) and _about_a_secret(environment, form):
        form.add_error("value", _busy_words())
    if not form.is_valid():
        return environment_page(request, environment, 400, variable_form=form)
    with transaction.atomic():
        variable = _write_variable(environment, form, signed_in(request))
        put_on_record(actor(request), variable, form.insisted or [])
        audit.record(actor(request), "variable.set", variable, secret=variable.is_secret)
    return redirect("releases:environment", environment.pk)


def _write_variable(environment: Environment, form: VariableForm, user: User) -> Variable:
    given = form.cleaned_data
    # A browser sends lines ended by CR LF; a key file with those would be useless.
    text = given["value"].replace("\r\n", "\n")
    values = {
        "type": given["type"],
        "is_secret": given["is_secret"],
        "value": "" if given["is_secret"] else text,
        "ciphertext": secrets.seal(text) if given["is_secret"] else b"",
        "updated_by": user,
    }
    variable, is_new = Variable.objects.update_or_create(environment=environment, name=given["name"], defaults=values)
    if not is_new:
        Variable.objects.filter(pk=variable.pk).update(version=F("version") + 1)
    return variable


@verb
def delete_variable(request: HttpRequest, number: int) -> HttpResponse:
    """Remove a variable."""
    variable = permissions.get(Variable, signed_in(request), Need.MANAGE, "environment__project", pk=number)
    if variable.is_secret and _is_busy(variable.environment):
        raise EngineError(_busy_words())
    with transaction.atomic():
        get_object_or_404(Variable.objects.select_for_update(), pk=variable.pk)
        audit.record(actor(request), "variable.delete", variable)
        variable.delete()
    return redirect("releases:environment", variable.environment_id)


@require_POST
@member_required
def add_window(request: HttpRequest, number: int) -> HttpResponse:
    """Add a weekly deploy window."""
    environment = _managed(request, number)
    form = WindowForm(request.POST, instance=DeployWindow(environment=environment))
    if not form.is_valid():
        return environment_page(request, environment, 400, window_form=form)
    with transaction.atomic():
        form.save()
        audit.record(actor(request), "window.add", form.instance)
    return redirect("releases:environment", environment.pk)


@verb
def remove_window(request: HttpRequest, number: int) -> HttpResponse:
    """Remove a deploy window."""
    window = permissions.get(DeployWindow, signed_in(request), Need.MANAGE, "environment__project", pk=number)
    with transaction.atomic():
        get_object_or_404(DeployWindow.objects.select_for_update(), pk=window.pk)
        audit.record(actor(request), "window.remove", window)
        window.delete()
    return redirect("releases:environment", window.environment_id)


@require_POST
@member_required
@once
def set_probe(request: HttpRequest, number: int) -> HttpResponse:
    """Set the health check of a service; a service has one per environment."""
    environment = _managed(request, number)
    existing = Probe.objects.filter(environment=environment, service=_number(request.POST.get("service"))).first()
    probe = existing or Probe(environment=environment)
    form = ProbeForm(request.POST, instance=probe, environment=environment)
    if not form.is_valid():
        return environment_page(request, environment, 400, probe_form=form)
    with transaction.atomic():
        form.save()
        audit.record(actor(request), "probe.set", form.instance, url=form.instance.url)
    return redirect("releases:environment", environment.pk)


def _about_a_secret(environment: Environment, form: VariableForm) -> bool:
    """The value is a secret, or takes the place of one."""
    held = environment.variables.filter(name=form.cleaned_data["name"], is_secret=True)
    return bool(form.cleaned_data["is_secret"]) or held.exists()


def _is_busy(environment: Environment) -> bool:
    """A deployment is active: its logs are masked by the secrets as they were when it started."""
    return environment.deployments.filter(status__in=lifecycle.ACTIVE).exists()


def _busy_words() -> str:
    return _("A deployment is active there; change secrets when it has ended.")


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0
