"""The rows of an attempt, from write-ahead to its end. Every write holds the driver's lease.

Rows are locked in one order by everybody: lease, deployment (touch.bump), steps, attempts, and the head of the audit
log last, so that a driver and a person who act on one deployment at once wait for each other and never deadlock.
"""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from releases import audit, lifecycle
from releases.audit import THE_SYSTEM
from releases.engine import announcing, touch
from releases.engine.status import move_attempt, move_step
from releases.models import Attempt, Deployment, Host, Step
from releases.models.lease import held
from releases.remote.faults import fault_point

RETRIED = frozenset({lifecycle.FAILED, lifecycle.TIMED_OUT, lifecycle.ERRORED})
PAGE_SECONDS = 0.5  # between two writes of the progress that the page shows


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended. `again`: an idempotent step whose effect is proved absent runs once more."""

    status: str
    reason: str = ""
    exit_code: int | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    again: bool = False


@dataclass(frozen=True)
class Retries:
    """The step's retry rule: `attempts` in all, `delay` seconds between them."""

    attempts: int = 1
    delay: int = 0


def begin(step: Step, token: int, host: Host | None, status: str = lifecycle.DISPATCHING) -> Attempt:
    """Commit that an attempt is about to be made, before anything is sent anywhere (write-ahead)."""
    deployment = step.deployment
    with held(deployment.pk, token) as now:
        touch.bump(deployment.pk)
        move_step(step, status, started_at=now, finished_at=None, retry_at=None, reason="")
        attempt = Attempt.objects.create(
            step=step,
            number=step.attempts.count() + 1,
            remote_id=uuid.uuid4().hex,
            status=status,
            host=host,
            host_name=host.name if host else "",
            token=token,
            started_at=now,
        )
        if step.opens_downtime:
            Deployment.objects.filter(pk=deployment.pk, downtime_opened_at__isnull=True).update(downtime_opened_at=now)
            announcing.opened(deployment.pk, now)
        audit.record(THE_SYSTEM, "step.start", step, attempt=attempt.number, host=attempt.host_name)
        fault_point("audit_locked")
    return attempt


def is_shown(attempt: Attempt, trouble: str) -> bool:
    """The rows say already that it runs, with this trouble, or that it has ended."""
    if attempt.status == lifecycle.RUNNING:
        return attempt.reason == trouble
    return attempt.status not in {lifecycle.DISPATCHING, lifecycle.LOST}


def show_running(attempt: Attempt, token: int, trouble: str = "") -> None:
    """Note that an open attempt is known to run. `trouble`: why its end may be lost all the same (supervisor-lost)."""
    step = attempt.step
    with held(step.deployment_id, token) as now:
        touch.bump(step.deployment_id)
        if attempt.status == lifecycle.RUNNING:
            Attempt.objects.filter(pk=attempt.pk, status=lifecycle.RUNNING).update(reason=trouble)
            Step.objects.filter(pk=step.pk, status=lifecycle.RUNNING).update(reason=trouble)
            attempt.reason = trouble
        else:
            move_attempt(attempt, lifecycle.RUNNING, last_seen_at=now, reason=trouble)
            move_step(step, lifecycle.RUNNING, reason=trouble)


def show_lost(attempt: Attempt, token: int, reason: str, silent: timedelta | None = None) -> None:
    """Note that the machine of an open attempt can't be reached, and why; the attempt itself may go on there.

    `silent`: how long it has said nothing; None: this driver never heard it, so what is noted of that stands.
    """
    step = attempt.step
    with held(step.deployment_id, token) as now:
        touch.bump(step.deployment_id)
        seen = {} if silent is None else {"last_seen_at": now - silent}
        move_attempt(attempt, lifecycle.LOST, reason=reason[:500], **seen)
        move_step(step, lifecycle.LOST, reason=reason[:500])
        audit.record(THE_SYSTEM, "step.lost", step, attempt=attempt.number, reason=reason[:500])


def finish(attempt: Attempt, token: int, outcome: Outcome, retries: Retries, log_sha256: str = "") -> None:
    """Keep how the attempt ended, and put the step back to pending where a retry is due.

    `log_sha256`: of the raw log, in hex, where it is known.
    """
    step = attempt.step
    with held(step.deployment_id, token) as now:
        touch.bump(step.deployment_id)
        ended = outcome.status in lifecycle.ATTEMPT_FINISHED
        move_attempt(
            attempt,
            outcome.status,
            finished_at=now if ended else None,
            exit_code=outcome.exit_code,
            reason=outcome.reason[:500],
            evidence=outcome.evidence,
            progress=None,
            log_sha256=log_sha256,
        )
        move_step(step, outcome.status, finished_at=now if ended else None, reason=outcome.reason[:500])
        if step.closes_downtime and outcome.status == lifecycle.SUCCEEDED:
            Deployment.objects.filter(pk=step.deployment_id, downtime_opened_at__isnull=False).update(
                downtime_closed_at=now
            )
        if outcome.again:
            move_step(step, lifecycle.PENDING, started_at=None, finished_at=None)
        elif outcome.status in RETRIED and attempt.number < retries.attempts:
            move_step(step, lifecycle.PENDING, finished_at=None, retry_at=now + timedelta(seconds=retries.delay))
        if step.closes_downtime and outcome.status == lifecycle.SUCCEEDED:
            announcing.closed(step.deployment_id, now)
        _record(attempt, outcome)


def show_progress(attempt_id: int, deployment_id: int, token: int, done: int, total: int) -> None:
    """Show how far a transfer is, in bytes."""
    with held(deployment_id, token):
        Attempt.objects.filter(pk=attempt_id).update(progress={"done": done, "total": total})
        touch.bump(deployment_id)


def _record(attempt: Attempt, outcome: Outcome) -> None:
    detail: dict[str, Any] = {"attempt": attempt.number}
    if outcome.exit_code is not None:
        detail["exit_code"] = outcome.exit_code
    if outcome.reason:
        detail["reason"] = outcome.reason[:500]
    audit.record(THE_SYSTEM, f"step.{outcome.status}", attempt.step, **detail)
