"""Emergency rollbacks: asked for by a person or by a rule, refused, and cleared afterwards.

What workers do of them is in recovering.py. Everything is a row: the wait in which a person may say no, the draft, the
end. Locks are taken in this order: environment, deployment undone, rollback, recovery, head of the audit log.
"""

from datetime import timedelta
from typing import Final

import structlog
from django.db import transaction
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from releases import audit, gate
from releases.audit import THE_SYSTEM, Actor
from releases.database import AWAY
from releases.engine import clock, decide, roll_back, rollback_rules, touch, undoing, wake
from releases.engine.errors import Blocked, Conflict, EngineError
from releases.models import Deployment, Environment, Recovery, RecoveryEnding, Rule, User
from releases.way_back import WayBack

ASKED: Final = timedelta(seconds=60)  # in which a person may say no to a rule
log = structlog.get_logger(__name__)


def ask(deployment: Deployment, user: User, actor: Actor, reason: str) -> Recovery:
    """Roll back now, for a reason, without approvals; what still runs of the deployment is aborted first.

    Raises EngineError where it can't go back, Blocked where somebody's lock forbids it.
    """
    if not reason.strip():
        raise EngineError(_("Reason: say why it can't wait; it is kept in the audit log and shown to everyone."))
    with transaction.atomic():
        locked = lock(deployment)
        undoing.require_open(WayBack(locked), once_ended=True)
        if missing := _missing(locked):
            raise EngineError(missing)
        shut = [b for b in gate.environment_blockers(locked, clock.now()) if b.code == "locked"]
        if shut:
            raise Blocked(shut)
        replaced = _replaced(locked, user)
        made = Recovery.objects.create(
            deployment=locked, rule=Rule.PERSON, reason=reason.strip()[:500], asked_by=user, starts_at=clock.now()
        )
        _tell(made)
        audit.record(actor, "recovery.ask", locked, reason=made.reason)
    put_away_draft(replaced, actor)
    return made


def _replaced(deployment: Deployment, user: User) -> Recovery | None:
    """End what a rule asked for a moment ago, if it has not begun: the person's word is the stronger one."""
    found = deployment.recoveries.filter(ended_at__isnull=True).first()
    if found is None:
        return None
    found = open_one(found)
    if found.has_run:
        raise Conflict(_("It is being rolled back already, by #%s.") % found.rollback_id)
    end(found, RecoveryEnding.REFUSED, user, _("A person asked for it at once."))
    return found


def watch() -> None:
    """Ask for a rollback of each deployment that breaks a rule of its environment."""
    now = clock.now()
    for deployment in rollback_rules.watched(now):
        try:
            found = rollback_rules.broken(deployment, now)
            if found is not None:
                _ask_by_rule(deployment, found)
        except AWAY:
            raise
        except Exception:
            log.exception("rules of an environment could not be looked at", deployment=deployment.pk)


def _ask_by_rule(deployment: Deployment, found: rollback_rules.Broken) -> None:
    asks = deployment.environment.automatic_rollback == Environment.Automatic.ASK
    with transaction.atomic():
        locked = lock(deployment)
        if locked.status != deployment.status or rollback_rules.is_settled(
            locked, locked.recoveries.select_related("rollback")
        ):
            return
        if not undoing.is_undoable(locked, once_ended=True):
            return
        missing = _past_return(locked) or _missing(locked)
        starts_at = clock.now() + (ASKED if asks else timedelta())
        made = Recovery.objects.create(deployment=locked, rule=found.rule, facts=found.facts, starts_at=starts_at)
        if missing:  # said once; what still runs is better left to run
            end(made, RecoveryEnding.IMPOSSIBLE, None, missing)
        else:
            _tell(made)
        audit.record(THE_SYSTEM, "recovery.rule", locked, rule=found.rule, missing=missing, **found.facts)


def _past_return(deployment: Deployment) -> str:
    """Why no rule may undo it: what it did can't all be undone, so that a person must weigh it; "" where none is."""
    found = undoing.past_return(*WayBack(deployment).together())
    if not found:
        return ""
    title = found[0].title.in_language(get_language() or "ko")
    return _("It is past the point of no return: “%s” has begun. A person must decide.") % title


def _missing(deployment: Deployment) -> str:
    """Why it can't go back, in a sentence; empty: it can, as far as rows can tell."""
    try:
        return next(iter(roll_back.missing(WayBack(deployment))), "")
    except EngineError as error:
        return str(error)


def refuse(recovery: Recovery, user: User, actor: Actor) -> None:
    """Say no before it starts. Raises Conflict when it has started or ended."""
    with transaction.atomic():
        locked = open_one(recovery)
        if locked.has_run:
            raise Conflict(_("The rollback runs already; cancel it on its own page."))
        end(locked, RecoveryEnding.REFUSED, user)
        audit.record(actor, "recovery.refuse", locked.deployment, rule=locked.rule)
    put_away_draft(locked, actor)


def put_away_draft(recovery: Recovery | None, actor: Actor) -> None:
    """Once its end is committed: who starts a rollback locks the two rows the other way round."""
    if recovery is not None and recovery.rollback is not None:
        decide.put_away(recovery.rollback, actor)


def hurry(recovery: Recovery, actor: Actor) -> None:
    """Do not wait for anybody who might say no."""
    with transaction.atomic():
        locked = open_one(recovery)
        Recovery.objects.filter(pk=locked.pk).update(starts_at=clock.now())
        _tell(locked)
        audit.record(actor, "recovery.hurry", locked.deployment, rule=locked.rule)


def clear(recovery: Recovery, user: User, actor: Actor, reason: str) -> None:
    """Let the environment's rules and the release go on after a rollback by a rule, for a reason."""
    if not reason.strip():
        raise EngineError(_("Reason: say why; it is kept in the audit log."))
    with transaction.atomic():
        now = clock.now()
        changed = Recovery.objects.uncleared().filter(pk=recovery.pk).update(cleared_at=now, cleared_by=user)
        if not changed:
            raise Conflict(_("There is nothing to clear any more."))
        touch.bump(recovery.deployment_id)
        audit.record(actor, "recovery.clear", recovery.deployment, reason=reason.strip()[:500])


def lock(deployment: Deployment) -> Deployment:
    """The deployment, with everybody else who asks for, refuses or ends its recovery waiting."""
    rows = Deployment.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("environment__project", "release__project", "plan").get(pk=deployment.pk)


def open_one(recovery: Recovery) -> Recovery:
    """The row, locked, with its rollback as it is once nobody can start it. Raises Conflict when it has ended."""
    lock(recovery.deployment)
    Recovery.objects.select_for_update(no_key=True).get(pk=recovery.pk)
    found = Recovery.objects.select_related("deployment__environment", "rollback").get(pk=recovery.pk)
    if found.ended_at is not None:
        raise Conflict(_("It has ended meanwhile; look at the page again."))
    return found


def end(recovery: Recovery, ending: str, user: User | None, problem: str = "") -> None:
    Recovery.objects.filter(pk=recovery.pk).update(
        ended_at=clock.now(), ending=ending, ended_by=user, problem=problem[:500]
    )
    touch.bump(recovery.deployment_id)


def _tell(recovery: Recovery) -> None:
    touch.bump(recovery.deployment_id)
    transaction.on_commit(lambda: wake.send("recover", recovery.pk))
