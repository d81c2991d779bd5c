"""An environment: its rules and its lock."""

import math
from datetime import timedelta
from typing import Any

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from releases import audit, lifecycle, permissions
from releases.engine import clock, daily_backups, locks
from releases.engine.errors import EngineError
from releases.models import Environment, Recovery
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import done, verb
from releases.views.careful_forms import CarefulForm
from releases.views.secret_fields import free_text
from releases.views.settings_forms import ProbeForm, VariableForm, WindowForm


class EnvironmentForm(CarefulForm[Environment]):
    """The rules of an environment. A change voids the approvals of plans that are not started."""

    class Meta:
        model = Environment
        fields = (
            "name",
            "runbook",
            "rollback_runbook",
            "is_production",
            "zone",
            "approvals_required",
            "approver_not_requester",
            "downtime_budget",
            "duration_budget",
            "checklist_lifetime",
            "requests_per_minute",
            "automatic_rollback",
            "rollback_minutes",
            "rollback_on_health",
            "rollback_on_page",
            "rollback_on_log",
            "rollback_on_downtime",
            "rehearsed_in",
            "rehearsal_days",
            "backup_proof_hours",
            "backup_at",
            "backup_days",
            "backups_kept",
        )
        widgets = {"backup_at": forms.TimeInput(attrs={"type": "time"}, format="%H:%M")}
        labels = {
            "runbook": gettext_lazy("Runbook"),
            "rollback_runbook": gettext_lazy("Rollback runbook"),
            "rehearsed_in": gettext_lazy("Rollbacks are rehearsed in"),
        }
        help_texts = {
            "is_production": gettext_lazy("Starting there asks for the environment's name."),
            "automatic_rollback": gettext_lazy(
                "A broken rule below starts the rollback runbook without approvals. After it, the release and these"
                " rules are held until a person lets them go on."
            ),
            "rehearsed_in": gettext_lazy("An environment like this one, where the same rollback runbook harms nobody."),
            "rehearsal_days": gettext_lazy("Empty: a start asks for no rehearsal."),
            "backup_proof_hours": gettext_lazy("Empty: a start asks for no backup."),
            "backup_at": gettext_lazy(
                "In the time zone above: all that the runbook backs up, each proved. Empty: off."
            ),
            "backup_days": gettext_lazy(
                "Older ones are removed, but never the newest good one of a thing nor what a rollback may need."
                " Empty: for ever."
            ),
            "requests_per_minute": gettext_lazy("Used to say how many requests a downtime lost."),
        }


@require_GET
@member_required
def environment(request: HttpRequest, number: int) -> HttpResponse:
    """Everything that is set for one environment."""
    found = permissions.get(
        Environment, signed_in(request), Need.VIEW, "project", "runbook", "rollback_runbook", "rehearsed_in", pk=number
    )
    return environment_page(request, found)


def environment_page(request: HttpRequest, found: Environment, status: int = 200, **forms_given: Any) -> HttpResponse:
    """The page, with a form that was refused in place of its empty one."""
    user = signed_in(request)
    lock = getattr(found, "lock", None)
    context = {
        "environment": found,
        "rehearsal": found.last_rehearsal(),
        "variables": found.variables.select_related("updated_by"),
        "windows": found.windows.select_related("environment"),
        "probes": found.probes.select_related("service", "host"),
        "hosts": found.hosts.all(),
        "lock": lock if lock and lock.expires_at > clock.now() else None,
        "active": found.deployments.filter(status__in=lifecycle.ACTIVE).select_related("release").first(),
        "halted_by": Recovery.objects.uncleared().filter(deployment__environment=found).first(),
        "may_manage": permissions.may(user, Need.MANAGE, found.project_id),
        "may_operate": permissions.may(user, Need.OPERATE, found.project_id),
        "is_own_lock": lock is not None and lock.holder_id == user.pk,
        "variable_form": forms_given.get("variable_form") or VariableForm(),
        "window_form": forms_given.get("window_form") or WindowForm(),
        "probe_form": forms_given.get("probe_form") or ProbeForm(environment=found),
    }
    return render(request, "releases/environment.html", context, status=status)


@require_http_methods(["GET", "POST"])
@member_required
def edit_environment(request: HttpRequest, number: int) -> HttpResponse:
    """Change the rules."""
    found = permissions.get(Environment, signed_in(request), Need.MANAGE, "project", pk=number)
    form = EnvironmentForm(request.POST or None, instance=found)
    for name in ("runbook", "rollback_runbook"):
        form.fields[name].queryset = found.project.runbooks.all()  # type: ignore[attr-defined]
    others = found.project.environments.exclude(pk=found.pk)
    form.fields["rehearsed_in"].queryset = others  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            daily_backups.reschedule(found, form.changed_data)
            audit.record(actor(request), "environment.change", found, changed=form.changed_data)
        return redirect("releases:environment", found.pk)
    context = {"form": form, "title": _("Rules of %s") % found}
    return render(request, "releases/form.html", context, status=400 if form.errors else 200)


@verb
def lock(request: HttpRequest, number: int) -> HttpResponse:
    """Hold the environment for some hours, for a reason."""
    found = permissions.get(Environment, signed_in(request), Need.OPERATE, "project", pk=number)
    try:
        hours = float(request.POST.get("hours", ""))
        if math.isnan(hours):
            raise ValueError(hours)
    except ValueError as error:
        raise EngineError(_("Hours: give a number such as 2.")) from error
    lifetime = timedelta(hours=min(max(hours, 0), 10_000))
    locks.lock(found, signed_in(request), actor(request), free_text(request, found, "reason", 300), lifetime)
    return redirect("releases:environment", found.pk)


@verb
def unlock(request: HttpRequest, number: int) -> HttpResponse:
    """End the lock; another person's needs a reason."""
    found = permissions.get(Environment, signed_in(request), Need.OPERATE, "project", pk=number)
    locks.unlock(found, actor(request), free_text(request, found, "reason", 300))
    return redirect("releases:environment", found.pk)


@verb
def take_over(request: HttpRequest, number: int) -> HttpResponse:
    """Hold the environment in place of the person who does, for a reason; back to where the lock was shown."""
    found = permissions.get(Environment, signed_in(request), Need.OPERATE, "project", pk=number)
    seen, reason = request.POST.get("seen", ""), free_text(request, found, "reason", 300)
    if not (seen.isascii() and seen.isdigit() and len(seen) < 19):
        raise EngineError(_("Look at the lock on the page, then take it over from there."))
    locks.take_over(found, int(seen), signed_in(request), actor(request), reason)
    done(request, _("The lock of %s is yours now.") % found)
    return redirect("releases:environment", found.pk)
