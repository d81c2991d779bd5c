"""What workers do of an emergency rollback: abort what runs, draft, start past the consents, follow to the end.

Every step of it may be taken up by any worker again, and one worker at a time is at it.
"""

from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from releases import audit, enrolment, lifecycle
from releases.audit import THE_SYSTEM, Actor
from releases.database import AWAY
from releases.engine import clock, decide, prepare, roll_back, rollback_rules, start, touch, wake
from releases.engine.errors import Blocked, Conflict, EngineError
from releases.engine.recovery import end, lock, open_one, put_away_draft
from releases.models import Recovery, RecoveryEnding
from releases.way_back import WayBack

PATIENCE: Final = timedelta(minutes=2)  # that what shuts the gate for a moment may take
BUSY: Final = timedelta(minutes=1)  # after which a worker that took a recovery up counts as dead
# What may be over in a moment, or is mended here.
PASSING: Final = frozenset({"active", "locked", "plan_changed", "host_unchecked", "host_unreachable"})
log = structlog.get_logger(__name__)


def send_again() -> None:
    """A message for each recovery that has something to do and no worker at it."""
    went_on = Q(ending=RecoveryEnding.FAILED, rollback__status=lifecycle.SUCCEEDED)
    for number in Recovery.objects.filter(Q(ended_at__isnull=True) | went_on, _free()).values_list("pk", flat=True):
        wake.send("recover", number)


def carry_out(recovery_id: int) -> None:
    """Do what is to be done next, unless another worker is at it. Safe to be told any number of times."""
    mine = clock.now() + BUSY
    if not Recovery.objects.filter(_free(), pk=recovery_id).update(busy_until=mine):
        return
    try:
        parts = ("deployment__environment__project", "rollback__environment", "asked_by")
        _go_on(Recovery.objects.select_related(*parts).get(pk=recovery_id))
    finally:
        Recovery.objects.filter(pk=recovery_id, busy_until=mine).update(busy_until=None)


def _free() -> Q:
    return Q(busy_until__isnull=True) | Q(busy_until__lt=clock.now())


def _go_on(recovery: Recovery) -> None:
    if recovery.has_run:
        _follow(recovery)
    elif recovery.ended_at is not None:
        return
    elif recovery.is_automatic and not rollback_rules.still_holds(recovery, clock.now()):
        _take_back(recovery)
    elif clock.now() < recovery.starts_at:
        return
    elif recovery.deployment.is_active:
        _abort(recovery)
    else:
        _start(recovery)


def _take_back(recovery: Recovery) -> None:
    """A person went on with the deployment, all is well again, or the rule was switched off."""
    if _end_unless_begun(recovery, RecoveryEnding.REFUSED, _("The rule does not hold any more.")):
        put_away_draft(recovery, THE_SYSTEM)


def _abort(recovery: Recovery) -> None:
    """Its rollback starts when it has really ended; an unknown step waits for a person's word as ever."""
    deployment, actor = recovery.deployment, Actor(recovery.asked_by)
    if deployment.status == lifecycle.UNKNOWN:
        decide.cancel_once_known(deployment, actor)
    elif deployment.status in {lifecycle.RUNNING, lifecycle.WAITING}:
        try:
            decide.cancel(deployment, actor)
        except Conflict as error:  # it ended by itself at this moment
            log.info("nothing to abort", deployment=deployment.pk, why=str(error))


def _start(recovery: Recovery) -> None:
    late = clock.now() > _ready_at(recovery) + PATIENCE
    try:
        _start_past_consents(recovery)
    except Blocked as error:
        if late or not {blocker.code for blocker in error.blockers} <= PASSING:
            _give_up(recovery, "; ".join(f"{blocker.message}. {blocker.detail}".strip() for blocker in error.blockers))
    except Conflict as error:
        log.info("recovery waits", recovery=recovery.pk, why=str(error))
        if late:
            _give_up(recovery, str(error))
    except EngineError as error:
        _give_up(recovery, str(error))
    except AWAY:
        raise
    except Exception as error:
        # Our own fault must end with a sentence, never as a rollback that is about to start for ever.
        log.exception("recovery broke", recovery=recovery.pk)
        if late:
            _give_up(recovery, f"{type(error).__name__}: {error}")


def _ready_at(recovery: Recovery) -> datetime:
    """When it could begin: nobody can say no any more, and the deployment has ended."""
    return max(recovery.starts_at, recovery.deployment.finished_at or recovery.starts_at)


def _start_past_consents(recovery: Recovery) -> None:
    deployment, actor = recovery.deployment, Actor(recovery.asked_by)
    rollback, _new = roll_back.draft(WayBack(deployment), recovery.asked_by, actor, f"recovery-{recovery.key.hex}")
    Recovery.objects.filter(pk=recovery.pk).update(rollback=rollback)
    recovery.rollback = rollback
    prepare.rebuild(rollback, actor)
    enrolment.check_environment(deployment.environment)
    start.start_in_emergency(recovery)
    with transaction.atomic():
        touch.bump(deployment.pk)


def _follow(recovery: Recovery) -> None:
    """The rollback runs or has ended."""
    rollback = recovery.rollback
    if rollback is None or not rollback.is_finished:
        return
    worked = rollback.status == lifecycle.SUCCEEDED
    ending = RecoveryEnding.SUCCEEDED if worked else RecoveryEnding.FAILED
    with transaction.atomic():
        lock(recovery.deployment)
        if Recovery.objects.select_for_update(no_key=True).get(pk=recovery.pk).ending != ending:
            end(recovery, ending, None, rollback.error)


def _give_up(recovery: Recovery, problem: str) -> None:
    """A draft that was made stays: people may mend what stands in its way and start it as any other."""
    _end_unless_begun(recovery, RecoveryEnding.IMPOSSIBLE, problem)


def _end_unless_begun(recovery: Recovery, ending: RecoveryEnding, problem: str) -> bool:
    """End it before its rollback began; false where another worker started it, or ended it, while this one was away."""
    with transaction.atomic():
        try:
            locked = open_one(recovery)
        except Conflict:
            return False
        if locked.has_run:
            return False
        end(locked, ending, None, problem)
        audit.record(THE_SYSTEM, f"recovery.{ending}", locked.deployment, rule=locked.rule, problem=problem[:500])
    return True
