"""What a deployment has come to when none of its steps is being worked at."""

from typing import Any

from releases import audit, compatibility, lifecycle
from releases.audit import THE_SYSTEM
from releases.engine import announcing, clock, touch
from releases.engine.status import move_attempt, move_deployment, move_step
from releases.models import Deployment, Step
from releases.models.lease import held
from releases.probes import clock as downtime_clock


def conclude(deployment: Deployment, token: int) -> bool:
    """Bring the deployment to rest where it rests: ended, or waiting for a person.

    Returns False when there is still something to drive (a person decided meanwhile).
    """
    with held(deployment.pk, token):
        locked = (
            Deployment.objects.select_for_update(of=("self",), no_key=True)
            .select_related("environment", "plan")
            .get(pk=deployment.pk)
        )
        steps = list(locked.steps.select_for_update(no_key=True))
        wanted = outcome(locked.status, steps)
        if wanted is None:
            return False
        fields: dict[str, Any] = {}
        if wanted in lifecycle.FINISHED:
            _end_waiting(steps)
            fields = _ending(locked, steps, wanted)
        if wanted != locked.status:
            move_deployment(locked, wanted, **fields)
            touch.bump(locked.pk)
            if wanted == lifecycle.SUCCEEDED and locked.only_service_id is not None:
                compatibility.see(locked)
            if wanted in lifecycle.FINISHED:
                announcing.ended(locked, wanted, fields["finished_at"])
            audit.record(THE_SYSTEM, f"deployment.{wanted}", locked, **_said(locked))
    deployment.status = wanted
    return True


def outcome(status: str, steps: list[Step]) -> str | None:
    """The status a deployment rests in, from those of its steps; None when there is more to do."""
    found = {step.status for step in steps}
    if found & lifecycle.STEP_BUSY:
        return None
    if found <= lifecycle.STEP_PASSED:
        return lifecycle.SUCCEEDED
    if lifecycle.UNKNOWN in found:
        return lifecycle.UNKNOWN
    if status == lifecycle.CANCELLING:
        return lifecycle.CANCELLED
    if lifecycle.ERRORED in found:
        return lifecycle.ERRORED
    if found & lifecycle.STEP_STOPPED:
        return lifecycle.FAILED
    return lifecycle.WAITING if lifecycle.WAITING in found else None


def _end_waiting(steps: list[Step]) -> None:
    """A manual step nobody answered ends with its deployment."""
    for step in steps:
        if step.status == lifecycle.WAITING:
            now = clock.now()
            for attempt in step.attempts.filter(status=lifecycle.WAITING):
                move_attempt(attempt, lifecycle.CANCELLED, finished_at=now)
            move_step(step, lifecycle.CANCELLED, finished_at=now)


def _ending(deployment: Deployment, steps: list[Step], wanted: str) -> dict[str, Any]:
    now = clock.now()
    stopped = next((step for step in steps if step.status in lifecycle.STEP_STOPPED), None)
    found = downtime_clock.downtime(deployment, now)
    return {
        "finished_at": now,
        "error": f"{stopped.number}. {stopped.reason}" if stopped and wanted != lifecycle.SUCCEEDED else "",
        "downtime_measured": found.measured,
        "lost_requests": found.lost_requests,
    }


def _said(deployment: Deployment) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if deployment.error:
        said["error"] = deployment.error
    if deployment.downtime_measured is not None:
        said["downtime_measured"] = round(deployment.downtime_measured, 1)
    return said
