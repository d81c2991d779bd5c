"""From rows to the shapes of `schemas`."""

from typing import Any

from releases import lifecycle
from releases.engine import clock, start
from releases.engine.looking import last_looks
from releases.gate import Blocker
from releases.models import Attempt, Deployment, Look, Step
from releases.probes.clock import downtime


def deployment_out(deployment: Deployment) -> dict[str, Any]:
    """The row alone."""
    return {
        "id": deployment.pk,
        "release": deployment.release.version,
        "environment": deployment.environment.key,
        "kind": deployment.kind,
        "status": deployment.status,
        "version": deployment.version,
        "digest": deployment.plan.digest,
        "estimate": deployment.plan.estimate,
        "requested_by": deployment.requested_name,
        "started_by": deployment.started_name if deployment.started_at else None,
        "undoes": deployment.undoes_id,
        "undoes_first": deployment.undoes_first_id,
        "only_service": deployment.only_service.key if deployment.only_service else None,
        "created_at": deployment.created_at,
        "started_at": deployment.started_at,
        "finished_at": deployment.finished_at,
        "error": deployment.error,
    }


def detail_out(deployment: Deployment) -> dict[str, Any]:
    """The row with steps, checklist, blockers (of a draft) and downtime."""
    found = start.blockers(deployment) if deployment.status == lifecycle.DRAFT else []
    measured = downtime(deployment, clock.now())
    return {
        **deployment_out(deployment),
        "blockers": [blocker_out(blocker) for blocker in found],
        "checklist": [_item_out(item, deployment) for item in deployment.checklist.all()],
        "steps": _steps_out(deployment),
        "downtime": {
            "planned": measured.planned,
            "marked": measured.marked,
            "measured": measured.measured,
            "lost_requests": measured.lost_requests,
        },
        "backups": deployment.backups.count(),
        "audit_events": deployment.events.count(),
    }


def blocker_out(blocker: Blocker) -> dict[str, Any]:
    """A reason of the gate."""
    return {
        "code": blocker.code,
        "message": str(blocker.message),
        "detail": blocker.detail,
        "mend": blocker.mend,
        "target": blocker.target,
        "state": blocker.state,
    }


def _item_out(item: Any, deployment: Deployment) -> dict[str, Any]:
    return {
        "id": item.pk,
        "key": item.key,
        "title": item.title(),
        "check_kind": item.check_kind,
        "proof": item.proof,
        "ticked": item.ticked_at is not None and item.plan_digest == deployment.plan.digest,
        "note": item.note,
    }


def _steps_out(deployment: Deployment) -> list[dict[str, Any]]:
    looks = {look.step_id: look_out(look) for look in last_looks(deployment)}
    probes = {entry["key"]: entry.get("asides", {}).get("probe", []) for entry in deployment.plan.content["steps"]}
    return [
        _step_out(step) | {"probe": probes.get(step.key, []), "look": looks.get(step.pk)}
        for step in deployment.steps.prefetch_related("attempts")
    ]


def look_out(look: Look) -> dict[str, Any]:
    """What a look showed; `ending` is "" while it goes on."""
    names = (
        "id",
        "host_name",
        "asked_at",
        "began_at",
        "ended_at",
        "ending",
        "exit_code",
        "output",
        "is_cut",
        "problem",
    )
    return {**{name: getattr(look, name) for name in names}, "asked_by": str(look.asked_by)}


def _step_out(step: Step) -> dict[str, Any]:
    names = ("key", "number", "action", "status", "reason", "estimate", "started_at", "finished_at")
    return {
        "id": step.pk,
        "title": step.title(),
        **{name: getattr(step, name) for name in names},
        "attempts": [_attempt_out(attempt) for attempt in step.attempts.all()],
    }


def _attempt_out(attempt: Attempt) -> dict[str, Any]:
    names = ("number", "status", "host_name", "exit_code", "reason", "evidence", "started_at", "finished_at")
    return {
        "id": attempt.pk,
        **{name: getattr(attempt, name) for name in names},
        "log_size": attempt.log_size,
        "log_lines": attempt.log_lines,
    }
