"""The GPU settings of an environment: its account and runbooks, what endpoints may be there, and what they may cost."""

from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from releases import audit, permissions
from releases.models import DeploymentKind, Environment, GpuSettings
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import once
from releases.views.careful_forms import CarefulForm
from releases.views.gpu_fields import POOL, ListField
from releases.views.grouped_forms import Group, form_page

RUNBOOKS: Final = {
    "worker_runbook": DeploymentKind.GPU_DEPLOY,
    "handler_runbook": DeploymentKind.GPU_DEPLOY,
    "rollback_runbook": DeploymentKind.GPU_ROLLBACK,
}
BUDGETS: Final = ("budget_deployment", "budget_day", "budget_month")
GROUPS: Final = (
    Group(
        gettext_lazy("How endpoints are deployed"),
        ("account", *RUNBOOKS, "name_prefix"),
        gettext_lazy("A release's GPU part says which method it uses; the runbook of that method is taken."),
    ),
    Group(
        gettext_lazy("What an endpoint may be"),
        ("max_workers", "idle_timeout", "execution_timeout", "pools", "allow_always_on"),
        gettext_lazy(
            "A release that asks for more is refused when its deployment is prepared, before it costs anything."
        ),
    ),
    Group(
        gettext_lazy("What endpoints may cost"),
        BUDGETS,
        gettext_lazy(
            "In USD, reckoned each minute from the workers seen and their list price. At a budget the spending is"
            " stopped: no more workers, and an empty queue. Empty: no limit."
        ),
    ),
    Group(gettext_lazy("The endpoint before"), ("retained_days",)),
)
COLUMNS: Final = tuple(name for group in GROUPS for name in group.fields)
JOINED: Final = ("account", *RUNBOOKS)


class GpuSettingsForm(CarefulForm[GpuSettings]):
    """All of it; what a person does not choose stays as careful as it is."""

    pools = ListField(
        label=gettext_lazy("Pools of cards allowed"),
        allowed=POOL,
        help_text=gettext_lazy("One a line, such as AMPERE_24 or ADA_24. Empty: any."),
    )

    class Meta:
        model = GpuSettings
        fields = COLUMNS
        labels = {
            "account": gettext_lazy("GPU account"),
            "worker_runbook": gettext_lazy("Runbook for a vLLM worker"),
            "handler_runbook": gettext_lazy("Runbook for a custom handler"),
            "rollback_runbook": gettext_lazy("Runbook to go back"),
        }
        help_texts = {
            "account": gettext_lazy("Of this project. Without one nothing can be deployed to cards."),
            "worker_runbook": gettext_lazy("For an own server, too. Only runbooks of the kind GPU deploy are offered."),
            "rollback_runbook": gettext_lazy("Only runbooks of the kind GPU rollback are offered."),
            "name_prefix": gettext_lazy("Their names go on with the release. Empty: the project and the environment."),
            "max_workers": gettext_lazy(
                "During a deployment the old and the new endpoint are both there: both count against the quota."
            ),
            "idle_timeout": gettext_lazy("A worker without a request is paid for until then; 1 to 3600."),
            "allow_always_on": gettext_lazy("A minimum above 0: paid for whether anybody asks or not."),
            "budget_deployment": gettext_lazy("Of its new endpoint, as long as the deployment runs."),
            "retained_days": gettext_lazy(
                "So long a rollback is a matter of seconds. Then people are told to retire it; nothing deletes it by"
                " itself."
            ),
        }

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        project = self.instance.environment.project
        fields: dict[str, Any] = self.fields
        fields["account"].queryset = project.gpu_accounts.all()
        for name, kind in RUNBOOKS.items():
            fields[name].queryset = project.runbooks.filter(kind=kind)

    def clean(self) -> dict[str, Any]:
        """A day can't be allowed more than its month."""
        values = super().clean() or {}
        day, month = values.get("budget_day"), values.get("budget_month")
        if day is not None and month is not None and day > month:
            sentence = _("This is more than the budget of a month. Give the day less, or the month more.")
            self.add_error("budget_day", sentence)
        return values


@require_GET
@member_required
def settings(request: HttpRequest, number: int) -> HttpResponse:
    """What is set, and what is missing before something can be deployed."""
    user = signed_in(request)
    found = permissions.get(Environment, user, Need.VIEW, "project", pk=number)
    rules = _held(found, *JOINED)
    context = {
        "environment": found,
        "rules": rules,
        "is_set": rules.pk is not None,
        "has_accounts": found.project.gpu_accounts.exists(),
        "may_manage": permissions.may(user, Need.MANAGE, found.project_id),
    }
    return render(request, "releases/gpu_settings.html", context)


@require_http_methods(["GET", "POST"])
@member_required
@once
def edit_settings(request: HttpRequest, number: int) -> HttpResponse:
    """Change them; the audit log keeps what each was before."""
    found = permissions.get(Environment, signed_in(request), Need.MANAGE, "project", pk=number)
    before = _held(found, *JOINED)
    form = GpuSettingsForm(request.POST or None, instance=_held(found))
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            changes = audit.differences(before if before.pk else None, form.save(), COLUMNS)
            if changes:
                audit.record(actor(request), "environment.gpu", found, changed=changes)
        return redirect("releases:environment_gpu", found.pk)
    title, back = _("GPU settings of %s") % found, reverse("releases:environment_gpu", args=[found.pk])
    return form_page(request, form, GROUPS, title, back)


def _held(environment: Environment, *related: str) -> GpuSettings:
    """What is set there, or the defaults in a row that is not saved."""
    rows = GpuSettings.objects.filter(environment=environment)
    rules = (rows.select_related(*related) if related else rows).first() or GpuSettings()
    rules.environment = environment
    return rules
