"""Asking an endpoint for a person, now: the questions of the deployment that made it, one after the other.

One worker at a time is at it; a worker that stops gives it back, and the watch finds it another one.
"""

from dataclasses import asdict, replace
from datetime import timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import override

from releases import audit
from releases.actions import gpu_words
from releases.actions.gpu_prove import exam_of
from releases.audit import Actor
from releases.database import AWAY
from releases.endpoints import accounts
from releases.endpoints.proving import Exam, Examiner, NotProved, Result
from releases.engine import clock, handover, wake
from releases.engine.gpu_claims import Claim
from releases.gpu.errors import GpuError, Stopped
from releases.models import GpuEndpoint, GpuProof
from releases.runbooks.plan import PlannedStep

TASK: Final = "prove_gpu_endpoint"
CALL_SECONDS: Final = 30.0
LONGEST: Final = 900.0  # seconds that the first answer is waited for, whatever the runbook grants
UNSENT: Final = timedelta(seconds=5)
CLAIM: Final = Claim(
    "proof_began_at",
    timedelta(minutes=30),  # longer than an exam takes
    ("account", "environment__project", "deployment__plan", "proof_asked_by"),
    Q(proof_asked_at__isnull=False),
)
log = structlog.get_logger(__name__)


def send_again() -> None:
    """A message for each endpoint that shall be asked, and that no worker asks."""
    now = clock.now()
    asked = GpuEndpoint.objects.living().filter(CLAIM.is_free(now), proof_asked_at__lt=now - UNSENT)
    for number in asked.values_list("pk", flat=True):
        wake.send(TASK, number)


def exam_for(row: GpuEndpoint) -> Exam | None:
    """The questions of the deployment that made it, without those asked at once; None where it asked none."""
    steps = row.deployment.plan.content["steps"] if row.deployment else []
    for step in steps:
        if step["action"] == "gpu_prove":
            exam = exam_of(row, PlannedStep.from_json(step).parameters)
            return replace(exam, cold_limit=min(exam.cold_limit, LONGEST), warm=min(exam.warm, 1), at_once=1)
    return None


def carry_out(number: int) -> None:
    """Ask it and keep what came of it, unless another worker does, or it is not wanted any more."""
    with CLAIM.held(number) as row:
        if row is None:
            return
        person = row.proof_asked_by
        with override(person.language if person else settings.LANGUAGE_CODE):
            try:
                result, problem = _asked(row)
            except Stopped:  # this worker stops
                return
            except AWAY:
                raise
            except Exception as error:
                log.exception("proof of a GPU endpoint broke", endpoint=row.pk)
                result, problem = Result(), f"{type(error).__name__}: {error}"
            _keep(row, result, problem)


def _asked(row: GpuEndpoint) -> tuple[Result, str]:
    """What came of it, and the problem, "" when it answered as it should. Raises Stopped."""
    exam = exam_for(row)
    if exam is None:
        return Result(), _("No step of its deployment asks it anything, so there is no question to ask.")
    try:
        with accounts.opened(row.account, CALL_SECONDS, handover.wanted) as provider:
            examiner = Examiner(provider, row.ref, exam, _quietly, gpu_words.readiness, handover.wanted)
            try:
                return examiner.run(), ""
            except NotProved as error:
                return examiner.result, str(error)
    except Stopped:
        raise
    except GpuError as error:
        return Result(), gpu_words.told(error)


def _quietly(said: str) -> None:
    log.debug("proof of a GPU endpoint", said=said)


def _keep(row: GpuEndpoint, result: Result, problem: str) -> None:
    with transaction.atomic():
        asked = GpuEndpoint.objects.filter(pk=row.pk, proof_asked_at=row.proof_asked_at)
        if not asked.update(proof_asked_at=None, proof_asked_by=None):
            return
        GpuProof.objects.create(
            endpoint=row,
            occasion=GpuProof.Occasion.PERSON,
            at=clock.now(),
            passed=not problem,
            problem=problem,
            **asdict(result),
        )
        audit.record(Actor(row.proof_asked_by), "gpu_endpoint.proved", row, passed=not problem, reason=problem)
