"""Before the start: boxes, approvals, a new plan, the start itself."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from releases import permissions
from releases.engine import consent, prepare, start, wake
from releases.models import Approval, ChecklistItem, Deployment
from releases.permissions import Need, actor, signed_in
from releases.views.answers import back_to, done, verb
from releases.views.secret_fields import free_text

DRAFT_PARTS = ("environment__project", "plan", "release__project", "requested_by")


def _item(request: HttpRequest, number: int) -> ChecklistItem:
    return permissions.get(ChecklistItem, signed_in(request), Need.OPERATE, "deployment__environment", pk=number)


@verb
def tick(request: HttpRequest, number: int) -> HttpResponse:
    """Tick a manual box for the plan that the person read."""
    item = _item(request, number)
    note = free_text(request, item, "note", 500)
    consent.tick(item, signed_in(request), actor(request), request.POST.get("digest", ""), note)
    return back_to(item.deployment)


@verb
def untick(request: HttpRequest, number: int) -> HttpResponse:
    """Take a tick or proof back."""
    item = _item(request, number)
    consent.untick(item, actor(request))
    return back_to(item.deployment)


@verb
def prove(request: HttpRequest, number: int) -> HttpResponse:
    """Run the check of a box; its outcome shows by itself."""
    item = _item(request, number)
    consent.proof_begins(item)
    wake.prover(item.pk, signed_in(request).pk, actor(request).address)
    return back_to(item.deployment)


@verb
def prove_all(request: HttpRequest, number: int) -> HttpResponse:
    """Run every check of a deployment that is not proved."""
    user = signed_in(request)
    deployment = permissions.get(Deployment, user, Need.OPERATE, *DRAFT_PARTS, pk=number)
    for item in deployment.checklist.exclude(check_kind="").exclude(proof=ChecklistItem.Proof.RUNNING):
        if item.ticked_at is None:
            consent.proof_begins(item)
            wake.prover(item.pk, user.pk, actor(request).address)
    wake.send("check_hosts", deployment.environment_id)
    return back_to(deployment)


@verb
def check_hosts(request: HttpRequest, number: int) -> HttpResponse:
    """Try the hosts the plan runs on."""
    deployment = permissions.get(Deployment, signed_in(request), Need.OPERATE, *DRAFT_PARTS, pk=number)
    wake.send("check_hosts", deployment.environment_id)
    return back_to(deployment)


@verb
def approve(request: HttpRequest, number: int) -> HttpResponse:
    """Consent to the plan that the person read."""
    deployment = permissions.get(Deployment, signed_in(request), Need.APPROVE, *DRAFT_PARTS, pk=number)
    digest, note = request.POST.get("digest", ""), free_text(request, deployment, "note", 500)
    consent.approve(deployment, signed_in(request), actor(request), digest, note)
    return back_to(deployment)


@verb
def withdraw(request: HttpRequest, number: int) -> HttpResponse:
    """Take one's own approval back."""
    approval = permissions.get(Approval, signed_in(request), Need.APPROVE, "deployment", "user", pk=number)
    consent.withdraw(approval, actor(request))
    return back_to(approval.deployment)


@verb
def rebuild(request: HttpRequest, number: int) -> HttpResponse:
    """Make a new plan from the rows as they are now."""
    deployment = permissions.get(Deployment, signed_in(request), Need.OPERATE, *DRAFT_PARTS, pk=number)
    if prepare.rebuild(deployment, actor(request)):
        done(request, _("A new plan was made. Ticks and approvals of the old one no longer count."))
    return back_to(deployment)


@verb
def start_deployment(request: HttpRequest, number: int) -> HttpResponse:
    """Start it: production asks for the environment's name, and the gate is asked again."""
    deployment = permissions.get(Deployment, signed_in(request), Need.OPERATE, *DRAFT_PARTS, pk=number)
    consent.require_name(
        request.POST.get("confirm_name", ""),
        deployment.environment,
        _("Environment name: type %s exactly to start there."),
    )
    start.start(deployment, signed_in(request), actor(request), request.POST.get("digest", ""))
    return back_to(deployment)
