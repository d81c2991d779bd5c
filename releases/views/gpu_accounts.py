"""GPU accounts of a project: who runs the cards, with which key, and what is there."""

from typing import Any, Final

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from releases import audit, permissions, secrets
from releases.engine import gpu_accounts
from releases.engine.errors import EngineError
from releases.models import EndpointState, GpuAccount, Project, User
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import done, once, verb
from releases.views.gpu_account_forms import GROUPS, AccountForm, AdoptForm, KeyForm
from releases.views.grouped_forms import form_page

# Which shape a state of an endpoint has; its word is its own.
SHAPES: Final = {
    EndpointState.CREATING: "running",
    EndpointState.TESTING: "running",
    EndpointState.STANDBY: "pending",
    EndpointState.ACTIVE: "succeeded",
    EndpointState.RETAINED: "off",
    EndpointState.RETIRING: "cancelling",
    EndpointState.RETIRED: "skipped",
    EndpointState.FAILED: "failed",
}
COLUMNS: Final = ("name", "model", "data_url", "control_url", "plain_http", "worker_quota")


@require_GET
@member_required
def accounts(request: HttpRequest) -> HttpResponse:
    """Every account of one's projects, with how it was found when it was last checked."""
    user = signed_in(request)
    living = Count("endpoints", filter=~Q(endpoints__state=EndpointState.RETIRED))
    rows = permissions.visible(GpuAccount, user).select_related("project").annotate(living=living)
    context = {
        "accounts": rows.order_by("project__name", "name"),
        "may_manage": permissions.may_somewhere(user, Need.MANAGE),
    }
    return render(request, "releases/gpu_accounts.html", context)


@require_http_methods(["GET", "POST"])
@member_required
@once
def new_account(request: HttpRequest) -> HttpResponse:
    """Add an account with its key; it is checked at once."""
    form = AccountForm(request.POST or None)
    projects = _managed(signed_in(request))
    form.fields["project"].queryset = projects  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        permissions.require(signed_in(request), Need.MANAGE, form.cleaned_data["project"].pk)
        account = _add(request, form)
        return redirect("releases:gpu_account", account.pk)
    if len(projects) == 1:
        form.fields["project"].initial = projects[0]
    title, back = _("New GPU account"), reverse("releases:gpu_accounts")
    return form_page(request, form, GROUPS, title, back, css="gpu-form is-account")


@require_http_methods(["GET", "POST"])
@member_required
@once
def edit_account(request: HttpRequest, number: int) -> HttpResponse:
    """Change an account. Another address asks for the key again."""
    account = permissions.get(GpuAccount, signed_in(request), Need.MANAGE, "project", pk=number)
    form = AccountForm(request.POST or None, instance=account)
    if request.method == "POST" and form.is_valid():
        _change(request, form, GpuAccount.objects.get(pk=account.pk))
        return redirect("releases:gpu_account", account.pk)
    title, back = _("Change %s") % account, reverse("releases:gpu_account", args=[account.pk])
    css = "gpu-form is-own" if account.provider == GpuAccount.Provider.SELF_HOSTED else "gpu-form is-account"
    return form_page(request, form, GROUPS, title, back, css=css)


@require_GET
@member_required
def account(request: HttpRequest, number: int) -> HttpResponse:
    """One account: what it is, how it was found, which endpoints are ours and which are not."""
    found = permissions.get(GpuAccount, signed_in(request), Need.VIEW, "project", "updated_by", pk=number)
    return _page(request, found, KeyForm(found))


@require_POST
@member_required
def set_key(request: HttpRequest, number: int) -> HttpResponse:
    """Replace the key. The audit log keeps its number, never the key."""
    found = permissions.get(GpuAccount, signed_in(request), Need.MANAGE, "project", "updated_by", pk=number)
    form = KeyForm(found, request.POST)
    if not form.is_valid():
        return _page(request, found, form, 400)
    with transaction.atomic():
        _seal(found, form.cleaned_data["key"], signed_in(request))
        gpu_accounts.changed(found)
        audit.record(actor(request), "gpu_account.key", found, version=found.key_version)
    done(request, _("The new key of %s is stored; it is being tried.") % found)
    return redirect("releases:gpu_account", found.pk)


@verb
def check(request: HttpRequest, number: int) -> HttpResponse:
    """Have a worker ask the provider what is there."""
    found = permissions.get(GpuAccount, signed_in(request), Need.OPERATE, "project", pk=number)
    gpu_accounts.ask(found)
    return redirect("releases:gpu_account", found.pk)


@verb
def adopt(request: HttpRequest, number: int) -> HttpResponse:
    """Take over an endpoint that was made elsewhere, for an environment of the project."""
    found = permissions.get(GpuAccount, signed_in(request), Need.MANAGE, "project", pk=number)
    form = AdoptForm(found.project, request.POST)
    if not form.is_valid():
        raise EngineError(_("Choose an endpoint that the page lists, and an environment of this project."))
    given = form.cleaned_data
    made = gpu_accounts.adopt(found, given["environment"], given["ref"], actor(request))
    words = {"name": made.name, "environment": made.environment, "state": made.get_state_display()}
    done(request, _("%(name)s belongs to %(environment)s now: %(state)s.") % words)
    return redirect("releases:gpu_account", found.pk)


def _managed(user: User) -> QuerySet[Project]:
    rows = permissions.visible_projects(user)
    return rows if user.is_superuser else rows.filter(memberships__user=user, memberships__can_manage=True)


def _add(request: HttpRequest, form: AccountForm) -> GpuAccount:
    with transaction.atomic():
        account = form.save(commit=False)
        account.updated_by = signed_in(request)
        account.save()
        if key := form.cleaned_data["key"]:
            _seal(account, key, signed_in(request))
        gpu_accounts.changed(account)
        facts = {name: getattr(account, name) for name in ("provider", "control_url", "data_url", "plain_http")}
        audit.record(actor(request), "gpu_account.create", account, **facts, key_version=account.key_version)
    return account


def _change(request: HttpRequest, form: AccountForm, before: GpuAccount) -> None:
    """Only the form's own columns: a check may be writing the others."""
    with transaction.atomic():
        account = form.save(commit=False)
        account.updated_by = signed_in(request)
        account.save(update_fields=[*COLUMNS, "updated_by", "updated_at"])
        if key := form.cleaned_data["key"]:
            _seal(account, key, signed_in(request))
        gpu_accounts.changed(account)
        changes = audit.differences(before, account, COLUMNS)
        audit.record(actor(request), "gpu_account.change", account, changed=changes, key_version=account.key_version)


def _seal(account: GpuAccount, key: str, user: User) -> None:
    """Store the key; what was found with the one before counts no more."""
    GpuAccount.objects.filter(pk=account.pk).update(
        ciphertext=secrets.seal(key),
        key_version=F("key_version") + 1,
        key_set_at=Now(),
        checked_at=None,
        problem="",
        updated_by=user,
        updated_at=Now(),
    )
    account.refresh_from_db(fields=["ciphertext", "key_version", "key_set_at"])


def _page(request: HttpRequest, found: GpuAccount, form: KeyForm, status: int = 200) -> HttpResponse:
    user = signed_in(request)
    ours = list(found.endpoints.living().select_related("environment"))
    refs = {endpoint.ref for endpoint in ours}
    context: dict[str, Any] = {
        "account": found,
        "is_own": found.provider == GpuAccount.Provider.SELF_HOSTED,
        "is_checked": gpu_accounts.is_being_checked(found),
        "ours": [{"endpoint": endpoint, "shape": SHAPES[EndpointState(endpoint.state)]} for endpoint in ours],
        "strangers": [stranger for stranger in found.strangers if stranger["id"] not in refs],
        "environments": list(found.project.environments.all()),
        "used_in": found.settings.select_related("environment"),
        "may_manage": permissions.may(user, Need.MANAGE, found.project_id),
        "may_operate": permissions.may(user, Need.OPERATE, found.project_id),
        "form": form,
    }
    part = "#seen" if "HX-Request" in request.headers else ""
    return render(request, f"releases/gpu_account.html{part}", context, status=status)
