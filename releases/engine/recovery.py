"""Emergency rollbacks: asked for by a person or by a rule, and brought to their end by workers.

Every step of it is a row that any worker may take up again: the wait in which a person may say no, the abort of what
still runs, the draft, the start past the gate's consents, the announcement, the end.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from releases import audit, enrolment, lifecycle
from releases.audit import THE_SYSTEM, Actor
from releases.engine import (
    clock,
    decide,
    prepare,
    recovery_notice,
    roll_back,
    rollback_rules,
    start,
    touch,
    undoing,
    wake,
)
from releases.engine.errors import Blocked, Conflict, EngineError
from releases.models import Deployment, Environment, Recovery, RecoveryEnding, Rule, User

ASKED: Final = timedelta(seconds=60)  # in which a person may say no to a rule
PATIENCE: Final = timedelta(minutes=2)  # that what shuts the gate for a moment may take
BUSY: Final = timedelta(minutes=2)  # after which a worker that took a recovery up counts as dead
# What may be over in a moment, or is mended here.
PASSING: Final = frozenset({"active", "locked", "plan_changed", "host_unchecked", "host_unreachable"})
log = structlog.get_logger(__name__)


def ask(deployment: Deployment, user: User, actor: Actor, reason: str) -> Recovery:
    """Roll back now, for a reason, without approvals; what still runs of the deployment is aborted first."""
    if not reason.strip():
        raise EngineError(_("Reason: say why it can't wait; it is kept in the audit log and shown to everyone."))
    with transaction.atomic():
        locked = _lock(deployment)
        undoing.require_undoable(locked, once_ended=True)
        prepare.runbook_version(locked.environment, locked)
        found = locked.recoveries.filter(ended_at__isnull=True).first()
        if found is not None and found.has_run:
            raise Conflict(_("It is being rolled back already, by #%s.") % found.rollback_id)
        if found is not None:  # a rule asked a moment ago: the person's word is the stronger one
            _end(found, RecoveryEnding.REFUSED, user, _("A person asked for it at once."))
        made = Recovery.objects.create(
            deployment=locked, rule=Rule.PERSON, reason=reason.strip()[:500], asked_by=user, starts_at=clock.now()
        )
        _tell(made)
        audit.record(actor, "recovery.ask", locked, reason=made.reason)
    return made


def watch() -> None:
    """Ask for a rollback of each deployment that breaks a rule of its environment."""
    now = clock.now()
    for deployment in rollback_rules.watched(now):
        found = rollback_rules.broken(deployment, now)
        if found is not None:
            _ask_by_rule(deployment, found)


def _ask_by_rule(deployment: Deployment, found: rollback_rules.Broken) -> None:
    asks = deployment.environment.automatic_rollback == Environment.Automatic.ASK
    try:
        with transaction.atomic():
            locked = _lock(deployment)
            if locked.status != deployment.status or not undoing.is_undoable(locked, once_ended=True):
                return
            starts_at = clock.now() + (ASKED if asks else timedelta())
            made = Recovery.objects.create(deployment=locked, rule=found.rule, facts=found.facts, starts_at=starts_at)
            _tell(made)
            audit.record(THE_SYSTEM, "recovery.rule", locked, rule=found.rule, **found.facts)
    except IntegrityError:  # another worker was quicker
        return


def refuse(recovery: Recovery, user: User, actor: Actor) -> None:
    """Say no before it starts. Raises Conflict when it has started or ended."""
    with transaction.atomic():
        locked = _open(recovery)
        if locked.has_run:
            raise Conflict(_("The rollback runs already; cancel it on its own page."))
        _end(locked, RecoveryEnding.REFUSED, user)
        audit.record(actor, "recovery.refuse", locked.deployment, rule=locked.rule)
    if locked.rollback is not None:  # only now: who starts it locks the two the other way round
        with suppress(Conflict):
            decide.cancel(locked.rollback, actor)


def hurry(recovery: Recovery, actor: Actor) -> None:
    """Do not wait for anybody who might say no."""
    with transaction.atomic():
        locked = _open(recovery)
        Recovery.objects.filter(pk=locked.pk).update(starts_at=clock.now())
        _tell(locked)
        audit.record(actor, "recovery.hurry", locked.deployment, rule=locked.rule)


def clear(recovery: Recovery, user: User, actor: Actor, reason: str) -> None:
    """Let the environment's rules and the release go on after a rollback by a rule, for a reason."""
    if not reason.strip():
        raise EngineError(_("Reason: say why; it is kept in the audit log."))
    with transaction.atomic():
        now = clock.now()
        changed = rollback_rules.unclear().filter(pk=recovery.pk).update(cleared_at=now, cleared_by=user)
        if not changed:
            raise Conflict(_("There is nothing to clear any more."))
        touch.bump(recovery.deployment_id)
        audit.record(actor, "recovery.clear", recovery.deployment, reason=reason.strip()[:500])


def send_again() -> None:
    """A message for each recovery that has something to do and no worker at it."""
    now = clock.now()
    went_on = Q(ending=RecoveryEnding.FAILED, rollback__status=lifecycle.SUCCEEDED)
    free = Q(busy_until__isnull=True) | Q(busy_until__lt=now)
    for number in Recovery.objects.filter(Q(ended_at__isnull=True) | went_on, free).values_list("pk", flat=True):
        wake.send("recover", number)


def carry_out(recovery_id: int) -> None:
    """Do what is to be done next, unless another worker is at it. Safe to be told any number of times."""
    now = clock.now()
    free = Q(busy_until__isnull=True) | Q(busy_until__lt=now)
    if not Recovery.objects.filter(free, pk=recovery_id).update(busy_until=now + BUSY):
        return
    try:
        parts = ("deployment__environment__project", "rollback__environment", "asked_by")
        _go_on(Recovery.objects.select_related(*parts).get(pk=recovery_id))
    finally:
        Recovery.objects.filter(pk=recovery_id).update(busy_until=None)


def _go_on(recovery: Recovery) -> None:
    deployment = recovery.deployment
    if recovery.has_run:
        _follow(recovery)
    elif recovery.ended_at is not None or clock.now() < recovery.starts_at:
        return
    elif deployment.is_active and recovery.is_automatic and recovery.rule != Rule.DOWNTIME:
        with transaction.atomic():
            _end(_open(recovery), RecoveryEnding.REFUSED, None, _("A person let the deployment go on."))
    elif deployment.is_active:
        _abort(recovery)
    else:
        _start(recovery)


def _abort(recovery: Recovery) -> None:
    """Its rollback starts when it has really ended; an unknown step waits for a person's word as ever."""
    deployment = recovery.deployment
    if deployment.status in {lifecycle.RUNNING, lifecycle.WAITING}:
        with suppress(Conflict):  # it ended by itself at this moment
            decide.cancel(deployment, Actor(recovery.asked_by))


def _start(recovery: Recovery) -> None:
    try:
        _start_past_consents(recovery)
    except Blocked as error:
        passing = {blocker.code for blocker in error.blockers} <= PASSING
        if not passing or clock.now() > recovery.starts_at + PATIENCE:
            _give_up(recovery, "; ".join(filter(None, (str(b.message) for b in error.blockers))))
    except Conflict as error:
        log.info("recovery waits", recovery=recovery.pk, why=str(error))
        if clock.now() > recovery.starts_at + PATIENCE:
            _give_up(recovery, str(error))
    except EngineError as error:
        _give_up(recovery, str(error))


def _start_past_consents(recovery: Recovery) -> None:
    deployment = recovery.deployment
    user = recovery.asked_by or deployment.started_by or deployment.requested_by
    actor = Actor(recovery.asked_by)
    rollback, _new = roll_back.draft(deployment, user, actor, f"recovery-{recovery.pk}")
    Recovery.objects.filter(pk=recovery.pk).update(rollback=rollback)
    recovery.rollback = rollback
    prepare.rebuild(rollback, actor)
    enrolment.check_environment(deployment.environment)
    start.start_in_emergency(recovery)
    recovery_notice.begun(recovery)
    with transaction.atomic():
        touch.bump(deployment.pk)


def _follow(recovery: Recovery) -> None:
    """The rollback runs or has ended."""
    rollback = recovery.rollback
    recovery_notice.begun(recovery)  # who started it may have died before it could say so
    if rollback is None or not rollback.is_finished:
        return
    worked = rollback.status == lifecycle.SUCCEEDED
    with transaction.atomic():
        _lock(recovery.deployment)
        now = Recovery.objects.select_for_update(no_key=True).get(pk=recovery.pk)
        if now.ending == (RecoveryEnding.SUCCEEDED if worked else RecoveryEnding.FAILED):
            return
        _end(now, RecoveryEnding.SUCCEEDED if worked else RecoveryEnding.FAILED, None, rollback.error)
    if worked:
        recovery_notice.ended(recovery)


def _give_up(recovery: Recovery, problem: str) -> None:
    """A draft that was made stays: people may mend what stands in its way and start it as any other."""
    with transaction.atomic():
        try:
            locked = _open(recovery)
        except Conflict:
            return
        _end(locked, RecoveryEnding.IMPOSSIBLE, None, problem)
        audit.record(THE_SYSTEM, "recovery.impossible", locked.deployment, problem=problem[:500])


def _lock(deployment: Deployment) -> Deployment:
    """The deployment, with everybody else who asks for, refuses or starts its recovery waiting."""
    rows = Deployment.objects.select_for_update(of=("self",), no_key=True).select_related("environment", "release")
    return rows.get(pk=deployment.pk)


def _open(recovery: Recovery) -> Recovery:
    """The row, locked. Raises Conflict when it has ended."""
    _lock(recovery.deployment)
    locked = Recovery.objects.select_for_update(of=("self",), no_key=True).select_related("deployment", "rollback")
    found = locked.get(pk=recovery.pk)
    if found.ended_at is not None:
        raise Conflict(_("It has ended meanwhile; look at the page again."))
    return found


def _end(recovery: Recovery, ending: str, user: User | None, problem: str = "") -> None:
    Recovery.objects.filter(pk=recovery.pk).update(
        ended_at=clock.now(), ending=ending, ended_by=user, problem=problem[:500]
    )
    touch.bump(recovery.deployment_id)


def _tell(recovery: Recovery) -> None:
    touch.bump(recovery.deployment_id)
    transaction.on_commit(lambda: wake.send("recover", recovery.pk))
