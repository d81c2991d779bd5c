"""Starting a deployment: the gate asked again in the transaction that starts it."""

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from releases import audit, gate, lifecycle
from releases.audit import Actor
from releases.engine import clock, plan, touch, undoing, wake
from releases.engine.errors import Blocked, EngineError
from releases.engine.status import move_deployment
from releases.models import Deployment, Environment, User


def current_digest(deployment: Deployment) -> str | None:
    """The digest of a plan built from the rows as they are now; None when none can be built."""
    from releases.engine.prepare import runbook_version

    try:
        undoes, date = deployment.undoes, deployment.plan.content["date"]
        version = runbook_version(deployment.environment, undoes)
        return plan.digest_of(plan.content_of(deployment.release, deployment.environment, version, date, undoes))
    except EngineError:
        return None


def blockers(deployment: Deployment) -> list[gate.Blocker]:
    """What the gate says of a draft right now."""
    found = gate.blockers(deployment, clock.now(), current_digest(deployment))
    if deployment.undoes and deployment.status == lifecycle.DRAFT:
        try:
            undoing.require_undoable(deployment.undoes)
        except EngineError as error:
            message = _("There is nothing to roll back any more")
            found.append(gate.Blocker("not_undoable", message, str(error), "deployment", deployment.undoes_id))
    return found


def start(deployment: Deployment, user: User, actor: Actor, digest: str) -> None:
    """Start the plan `digest` that the person saw.

    Raises Blocked with every reason when the gate is shut, also when another deployment of the environment
    was started at the same moment.
    """
    try:
        with transaction.atomic():
            # One order of locks for everyone: the environment first, so that two starts queue up here.
            Environment.objects.select_for_update(of=("self",), no_key=True).get(pk=deployment.environment_id)
            locked = Deployment.objects.select_for_update(of=("self",), no_key=True).get(pk=deployment.pk)
            found = blockers(locked)
            if locked.plan.digest != digest and locked.status == lifecycle.DRAFT:
                message = _("The plan changed after you opened the page; read it again.")
                found.insert(0, gate.Blocker("stale_page", message, mend="deployment", target=locked.pk))
            if found:
                raise Blocked(found)
            move_deployment(locked, lifecycle.RUNNING, started_by=user, started_at=clock.now())
            touch.bump(locked.pk)
            wake.driver(locked.pk)
            audit.record(actor, "deployment.start", locked, plan=digest)
    except IntegrityError as error:
        message = _("Another deployment is active")
        raise Blocked([gate.Blocker("active", message, mend="deployment")]) from error
    deployment.refresh_from_db()
