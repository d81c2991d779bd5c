"""Starting a deployment: the gate asked again in the transaction that starts it."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from releases import audit, gate, lifecycle
from releases.audit import Actor
from releases.engine import announcing, clock, plan, touch, undoing, wake
from releases.engine.errors import Blocked, Conflict, EngineError
from releases.engine.status import move_deployment
from releases.models import Deployment, Environment, Recovery, User
from releases.way_back import WayBack


def current_digest(deployment: Deployment) -> str | None:
    """The digest of a plan built from the rows as they are now; None when none can be built."""
    from releases.engine.prepare import runbook_version

    try:
        way, date = WayBack.of(deployment), deployment.plan.content["date"]
        version = runbook_version(deployment.environment, way, deployment.release)
        return plan.digest_of(plan.content_of(deployment.release, deployment.environment, version, date, way))
    except EngineError:
        return None


def blockers(deployment: Deployment, *, emergency: bool = False) -> list[gate.Blocker]:
    """What the gate says of a draft right now."""
    found = gate.blockers(deployment, clock.now(), current_digest(deployment), emergency=emergency)
    way = WayBack.of(deployment)
    if way and deployment.status == lifecycle.DRAFT:
        try:
            undoing.require_open(way)
        except EngineError as error:
            message = _("There is nothing to roll back any more")
            found.append(gate.Blocker("not_undoable", message, str(error), "deployment", deployment.undoes_id))
    return found


def start(deployment: Deployment, user: User, actor: Actor, digest: str) -> None:
    """Start the plan `digest` that the person saw.

    Raises Blocked with every reason when the gate is shut, also when another deployment of the environment
    was started at the same moment.
    """
    with _one_active():
        locked = _locked(deployment)
        found = blockers(locked)
        if locked.plan.digest != digest and locked.status == lifecycle.DRAFT:
            message = _("The plan changed after you opened the page; read it again.")
            found.insert(0, gate.Blocker("stale_page", message, mend="deployment", target=locked.pk))
        _start(locked, user, found, emergency=False)
        audit.record(actor, "deployment.start", locked, plan=digest)
    deployment.refresh_from_db()


def start_in_emergency(recovery: Recovery) -> None:
    """Start the rollback of a recovery without approvals, unless somebody refused it at this moment.

    Raises Blocked with what still shuts the gate, Conflict when the recovery has ended.
    """
    rollback = recovery.rollback
    if rollback is None or rollback.undoes_id != recovery.deployment_id:
        raise EngineError(_("Only a rollback can start in an emergency."))
    with _one_active():
        locked = _locked(rollback)
        if Recovery.objects.select_for_update(no_key=True).get(pk=recovery.pk).ended_at is not None:
            raise Conflict(_("It was refused a moment ago."))
        _start(locked, recovery.asked_by, blockers(locked, emergency=True), emergency=True)
        detail = {"plan": locked.plan.digest, "emergency": recovery.rule, "undoes": recovery.deployment_id}
        audit.record(Actor(recovery.asked_by), "deployment.start_emergency", locked, **detail, reason=recovery.reason)
    rollback.refresh_from_db()


def _locked(deployment: Deployment) -> Deployment:
    """The row, once nobody else may start anything there: one order of locks for everyone, the environment first."""
    Environment.objects.select_for_update(of=("self",), no_key=True).get(pk=deployment.environment_id)
    return Deployment.objects.select_for_update(of=("self",), no_key=True).get(pk=deployment.pk)


def _start(locked: Deployment, user: User | None, found: list[gate.Blocker], *, emergency: bool) -> None:
    if found:
        raise Blocked(found)
    move_deployment(locked, lifecycle.RUNNING, started_by=user, started_at=clock.now())
    touch.bump(locked.pk)
    announcing.begun(locked, emergency=emergency)
    wake.driver(locked.pk)


@contextmanager
def _one_active() -> Iterator[None]:
    """A transaction; that another deployment became active at this moment is told as Blocked."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        message = _("Another deployment is active")
        raise Blocked([gate.Blocker("active", message, mend="deployment")]) from error
