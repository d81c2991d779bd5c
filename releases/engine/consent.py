"""Ticks, proofs and approvals: each is bound to the digest of the plan it was given for."""

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from releases import audit, lifecycle
from releases.audit import Actor
from releases.engine import clock, touch
from releases.engine.errors import Conflict, EngineError, NotAllowed
from releases.models import Approval, ChecklistItem, Deployment, Environment, Membership, User


def tick(item: ChecklistItem, user: User, actor: Actor, digest: str, note: str = "") -> None:
    """Tick a manual box for the plan `digest` that the person saw. Raises Conflict when it is another by now."""
    if item.check_kind:
        raise NotAllowed(_("This box is proved by a check; run the check."))
    with transaction.atomic():
        deployment = _draft(item.deployment_id, digest)
        _write(item, plan_digest=digest, ticked_by=user, ticked_at=clock.now(), note=note, voided_digest="")
        touch.bump(deployment.pk)
        audit.record(actor, "checklist.tick", deployment, item=item.key, plan=digest, note=note)


def untick(item: ChecklistItem, actor: Actor) -> None:
    """Take a tick or proof back."""
    with transaction.atomic():
        deployment = _draft(item.deployment_id, None)
        _write(item, plan_digest="", ticked_by=None, ticked_at=None, proof=ChecklistItem.Proof.NONE, note="")
        touch.bump(deployment.pk)
        audit.record(actor, "checklist.untick", deployment, item=item.key)


def proof_begins(item: ChecklistItem) -> None:
    """Show that a check of this box is running. Raises NotAllowed for one that a person ticks."""
    if not item.check_kind:
        raise NotAllowed(_("You tick this box yourself; it has no check."))
    with transaction.atomic():
        deployment = _draft(item.deployment_id, None)
        _write(item, proof=ChecklistItem.Proof.RUNNING, proof_began_at=clock.now())
        touch.bump(deployment.pk)


def record_proof(
    item: ChecklistItem, actor: Actor, digest: str, passed: bool, evidence: list[dict[str, Any]], note: str
) -> None:
    """Keep what a check found for the plan `digest` it looked at. Raises Conflict when the plan changed meanwhile."""
    with transaction.atomic():
        deployment = _draft(item.deployment_id, digest)
        values: dict[str, Any] = {"evidence": evidence, "note": note[:500], "voided_digest": ""}
        if passed:
            values |= {"proof": "passed", "plan_digest": digest, "ticked_by": actor.user, "ticked_at": clock.now()}
        else:
            values |= {"proof": "failed", "plan_digest": "", "ticked_by": None, "ticked_at": None}
        _write(item, **values)
        touch.bump(deployment.pk)
        audit.record(actor, "checklist.prove", deployment, item=item.key, plan=digest, passed=passed, note=note[:500])


def approve(deployment: Deployment, user: User, actor: Actor, digest: str, note: str = "") -> Approval:
    """Consent to the plan `digest`. Raises NotAllowed for the requester (where so ruled) and for people
    who may not approve, Conflict when the plan is another by now or consent was given already."""
    with transaction.atomic():
        locked = _draft(deployment.pk, digest)
        environment = locked.environment
        if not Membership.objects.filter(user=user, project=environment.project_id, can_approve=True).exists():
            raise NotAllowed(_("You may not approve in this project."))
        if environment.approver_not_requester and user.pk == locked.requested_by_id:
            raise NotAllowed(_("The requester may not approve their own deployment."))
        try:
            with transaction.atomic():
                given = Approval.objects.create(deployment=locked, plan_digest=digest, user=user, note=note)
        except IntegrityError as error:
            raise Conflict(_("You approved this plan already.")) from error
        touch.bump(locked.pk)
        audit.record(actor, "deployment.approve", locked, plan=digest, note=note)
    return given


def withdraw(approval: Approval, actor: Actor) -> None:
    """Take one's consent back before the start."""
    with transaction.atomic():
        deployment = _draft(approval.deployment_id, None)
        if actor.user is None or approval.user_id != actor.user.pk:
            raise NotAllowed(_("Only the person who approved may withdraw it."))
        changed = Approval.objects.filter(pk=approval.pk, withdrawn_at__isnull=True).update(withdrawn_at=clock.now())
        if changed != 1:
            raise Conflict(_("It was withdrawn already."))
        touch.bump(deployment.pk)
        audit.record(actor, "deployment.withdraw", deployment, plan=approval.plan_digest)


def _draft(deployment_id: int, digest: str | None) -> Deployment:
    """The locked draft; raises Conflict when it was started or its plan is not `digest`."""
    deployment = (
        Deployment.objects.select_for_update(of=("self",), no_key=True)
        .select_related("plan", "environment")
        .get(pk=deployment_id)
    )
    if deployment.status != lifecycle.DRAFT:
        raise Conflict(_("It was started already."))
    if digest is not None and deployment.plan.digest != digest:
        raise Conflict(_("The plan changed after you opened the page; read it again."))
    return deployment


def _write(item: ChecklistItem, **values: Any) -> None:
    if ChecklistItem.objects.filter(pk=item.pk).update(**values) != 1:
        raise Conflict(_("The plan changed after you opened the page; read it again."))
    for name, value in values.items():
        setattr(item, name, value)


def require_name(typed: str, environment: Environment, sentence: str) -> None:
    """In production the person has typed the environment's name; else raises EngineError with the sentence (%s: it)."""
    if environment.is_production and typed.strip() != environment.name:
        raise EngineError(sentence % environment.name)
