"""What a person may decide while a deployment runs or has stopped: cancel, retry, skip, confirm, resolve."""

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from releases import audit, gate, lifecycle
from releases.actions import gpu_switch
from releases.audit import Actor
from releases.engine import announcing, clock, touch, wake
from releases.engine.errors import Blocked, Conflict, EngineError
from releases.engine.status import move_attempt, move_deployment, move_step
from releases.models import Attempt, AttemptFile, Deployment, Step
from releases.models.deployment_questions import GPU_KINDS

ANSWERS = {"worked": lifecycle.SUCCEEDED, "failed": lifecycle.FAILED, "again": lifecycle.FAILED}


def cancel(deployment: Deployment, actor: Actor) -> None:
    """Ask for the end of a running deployment; its driver ends the remote processes. A draft is put away at once."""
    with transaction.atomic():
        locked = _locked(deployment)
        if locked.status == lifecycle.DRAFT:
            _put_away(locked, actor)
        elif lifecycle.allows("deployment", locked.status, lifecycle.CANCELLING) and locked.status != lifecycle.UNKNOWN:
            fields: dict[str, Any] = {"cancel_requested_at": clock.now(), "cancelled_by": actor.user}
            move_deployment(locked, lifecycle.CANCELLING, **fields)
            wake.driver(locked.pk)
        elif locked.status == lifecycle.UNKNOWN:
            raise Conflict(_("Say first how the unknown step ended."))
        else:
            raise Conflict(_("It is not running."))
        touch.bump(locked.pk)
        audit.record(actor, "deployment.cancel", locked)
    deployment.refresh_from_db()


def put_away(deployment: Deployment, actor: Actor) -> None:
    """Put a draft away; what was started meanwhile goes on."""
    with transaction.atomic():
        locked = _locked(deployment)
        if locked.status == lifecycle.DRAFT:
            _put_away(locked, actor)
            touch.bump(locked.pk)
            audit.record(actor, "deployment.cancel", locked)


def cancel_once_known(deployment: Deployment, actor: Actor) -> None:
    """Have a deployment whose step is unknown end as soon as a person has said how that ended."""
    with transaction.atomic():
        locked = _locked(deployment)
        if locked.status == lifecycle.UNKNOWN and locked.cancel_requested_at is None:
            rows = Deployment.objects.filter(pk=locked.pk)
            rows.update(cancel_requested_at=clock.now(), cancelled_by=actor.user)
            touch.bump(locked.pk)
            audit.record(actor, "deployment.cancel", locked)


def retry(step: Step, actor: Actor, reason: str = "") -> None:
    """Try a stopped step again as a new attempt; the deployment goes on from there."""
    with transaction.atomic():
        deployment, step = _stopped(step)
        move_step(step, lifecycle.PENDING, started_at=None, finished_at=None, reason="", retry_at=None)
        _resume(deployment)
        audit.record(actor, "step.retry", step, reason=reason)


def skip(step: Step, actor: Actor, reason: str) -> None:
    """Leave a stopped step out, for a reason; the deployment goes on with the next one."""
    _require_reason(reason)
    with transaction.atomic():
        deployment, step = _stopped(step)
        move_step(step, lifecycle.SKIPPED, reason=reason[:500], finished_at=clock.now())
        _resume(deployment)
        _close_downtime(deployment, step)
        audit.record(actor, "step.skip", step, reason=reason)


def confirm(step: Step, actor: Actor, worked: bool, note: str, files: list[AttemptFile]) -> None:
    """Answer a manual step: done, or not. Files are unsaved rows whose attempt is filled in here."""
    with transaction.atomic():
        deployment = _locked(step.deployment)
        step = deployment.steps.select_for_update(no_key=True).get(pk=step.pk)
        attempt = step.attempts.filter(status=lifecycle.WAITING).first()
        if attempt is None or deployment.status not in {lifecycle.WAITING, lifecycle.RUNNING}:
            raise Conflict(_("This step does not wait for an answer."))
        for file in files:
            file.attempt = attempt
            file.save(force_insert=True)
        wanted = lifecycle.SUCCEEDED if worked else lifecycle.FAILED
        _end(attempt, step, wanted, actor, note)
        if deployment.status == lifecycle.WAITING:
            move_deployment(deployment, lifecycle.RUNNING)
        wake.driver(deployment.pk)
        touch.bump(deployment.pk)
        audit.record(actor, "step.confirm", step, worked=worked, note=note, files=[file.name for file in files])


def resolve(step: Step, actor: Actor, answer: str, reason: str) -> None:
    """Say how an unknown step ended: "worked", "failed", or "again" (run it once more). A reason is required."""
    _require_reason(reason)
    if answer not in ANSWERS:
        raise EngineError(_("Answer: choose one of worked, failed, again."))
    with transaction.atomic():
        deployment = _locked(step.deployment)
        step = deployment.steps.select_for_update(no_key=True).get(pk=step.pk)
        attempt = step.attempts.filter(status=lifecycle.UNKNOWN).first()
        if attempt is None:
            raise Conflict(_("The outcome of this step is known."))
        if deployment.status not in {lifecycle.UNKNOWN, lifecycle.RUNNING}:
            raise Conflict(_("The deployment is not waiting for this answer."))
        _end(attempt, step, ANSWERS[answer], actor, reason)
        if answer == "again":
            move_step(step, lifecycle.PENDING, started_at=None, finished_at=None, reason="")
        if deployment.status == lifecycle.UNKNOWN:
            cancelling = deployment.cancel_requested_at is not None
            move_deployment(deployment, lifecycle.CANCELLING if cancelling else lifecycle.RUNNING)
        wake.driver(deployment.pk)
        touch.bump(deployment.pk)
        audit.record(actor, "step.resolve", step, answer=answer, reason=reason)
    if answer == "worked" and step.action == gpu_switch.GpuSwitch.kind:
        gpu_switch.settle(deployment, actor)


def _end(attempt: Attempt, step: Step, wanted: str, actor: Actor, note: str) -> None:
    now = clock.now()
    move_attempt(attempt, wanted, finished_at=now, decided_by=actor.user, note=note)
    move_step(step, wanted, finished_at=now, reason=note[:500] if wanted == lifecycle.FAILED else "")
    if wanted == lifecycle.SUCCEEDED:
        _close_downtime(step.deployment, step)


def _put_away(draft: Deployment, actor: Actor) -> None:
    now = clock.now()
    move_deployment(draft, lifecycle.CANCELLED, finished_at=now, cancelled_by=actor.user)
    announcing.ended(draft, lifecycle.CANCELLED, now)


def _close_downtime(deployment: Deployment, step: Step) -> None:
    if step.closes_downtime and deployment.downtime_opened_at is not None:
        now = clock.now()
        Deployment.objects.filter(pk=deployment.pk, downtime_closed_at__isnull=True).update(downtime_closed_at=now)
        announcing.closed(deployment.pk, now)


def _stopped(step: Step) -> tuple[Deployment, Step]:
    deployment = _locked(step.deployment)
    step = deployment.steps.select_for_update(no_key=True).get(pk=step.pk)
    if deployment.status not in lifecycle.STOPPED or step.status not in lifecycle.STEP_STOPPED:
        raise Conflict(_("Only a stopped step of a stopped deployment can be retried or skipped."))
    return deployment, step


def _resume(deployment: Deployment) -> None:
    """Let a stopped deployment run on, if its environment is still free and it is the newest one there.

    It goes on only when no other step of it is stopped; until then the decision just stands.
    """
    found = gate.environment_blockers(deployment, clock.now())
    rows = deployment.environment.deployments.all()
    alike = rows.filter(kind__in=GPU_KINDS) if deployment.is_gpu else rows.of_software()
    newer = alike.filter(started_at__gt=deployment.started_at).first()
    if newer is not None:
        message = _("#%s ran on this environment since; start a new deployment.") % newer.pk
        found.append(gate.Blocker("superseded", message, mend="deployment", target=newer.pk))
    if found:
        raise Blocked(found)
    touch.bump(deployment.pk)
    if deployment.steps.filter(status__in=lifecycle.STEP_STOPPED).exists():
        return
    fields: dict[str, Any] = {"finished_at": None, "error": "", "cancel_requested_at": None, "cancelled_by": None}
    fields |= {"downtime_measured": None, "lost_requests": None}
    try:
        with transaction.atomic():
            move_deployment(deployment, lifecycle.RUNNING, **fields)
    except IntegrityError as error:
        raise Blocked([gate.Blocker("active", _("Another deployment is active"), mend="deployment")]) from error
    announcing.resumed(deployment)
    wake.driver(deployment.pk)


def _locked(deployment: Deployment) -> Deployment:
    return (
        Deployment.objects.select_for_update(of=("self",), no_key=True)
        .select_related("environment")
        .get(pk=deployment.pk)
    )


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise EngineError(_("Reason: say why; it is kept in the audit log."))
