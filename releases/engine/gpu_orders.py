"""What people have done to GPU endpoints: stopped, given their workers back, retired, kept, asked.

Each is written down, audited, and carried out by a worker (gpu_tending.py); a lost message loses nothing.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from releases import audit, lifecycle
from releases.audit import Actor
from releases.endpoints import states, stopping
from releases.engine import clock, gpu_asking, gpu_rules, gpu_undoing, wake
from releases.engine.errors import Conflict, EngineError
from releases.engine.gpu_tending import TASK
from releases.models import EndpointOrder, EndpointState, Environment, GpuEndpoint, GpuSettings, User
from releases.models.deployment_questions import GPU_KINDS


def stop(endpoint: GpuEndpoint, actor: Actor, because: str) -> None:
    """No workers any more and an empty queue, whatever state it is in. Raises EngineError."""
    _require_scaling(endpoint)
    if not because.strip():
        raise EngineError(_("Say why: it goes on record."))
    with transaction.atomic():
        row = _locked(endpoint)
        if row.order == EndpointOrder.STOP:
            raise Conflict(_("It is being stopped already."))
        stopping.order(row, EndpointOrder.STOP, because.strip(), actor)
        wake.errand(TASK, row.pk)
        audit.record(actor, "gpu_endpoint.stop_asked", row, reason=because.strip()[:500])


def allow(endpoint: GpuEndpoint, actor: Actor) -> None:
    """Give it the workers back that are written down here. Raises EngineError where the guard would stop it again."""
    _require_scaling(endpoint)
    with transaction.atomic():
        row = _locked(endpoint)
        if row.order == EndpointOrder.ALLOW:
            raise Conflict(_("It is being given its workers back already."))
        if row.state == EndpointState.RETIRING:
            raise Conflict(_("It is being retired. Keep it first."))
        now = clock.now()
        if gpu_rules.is_left_over(row, now):
            raise Conflict(_("Its deployment ended and left it behind, so nothing needs it. Run the deployment again."))
        if said := gpu_rules.over_budget(row, now):
            raise Conflict(said)
        stopping.order(row, EndpointOrder.ALLOW, "", actor)
        wake.errand(TASK, row.pk)
        audit.record(actor, "gpu_endpoint.allow_asked", row)


def retire(endpoint: GpuEndpoint, user: User, actor: Actor) -> None:
    """Have it deleted once its requests are done. Raises Conflict for one that is needed."""
    with transaction.atomic():
        # One order of locks for everyone who starts, proves or removes: the environment first.
        Environment.objects.select_for_update(of=("self",), no_key=True).get(pk=endpoint.environment_id)
        row = _locked(endpoint)
        if why := hindrance(row):
            raise Conflict(why)
        wake.errand(TASK, row.pk)
        states.become(row, EndpointState.RETIRING, actor, retired_by=user, delete_began_at=None)


def hindrance(row: GpuEndpoint) -> str:
    """Why it can't be retired now, or ""."""
    if row.state == EndpointState.ACTIVE:
        return _("It has the traffic. Switch to another endpoint first.")
    if not lifecycle.allows("endpoint", row.state, EndpointState.RETIRING):
        return _("It is being retired already.")
    if row.pk in gpu_undoing.in_doubt(row.environment_id):
        return _(
            "The last deployment stopped around its switch, so the traffic may be here. Run it on, or roll it back."
        )
    rows = row.environment.deployments.filter(kind__in=GPU_KINDS)
    for deployment in rows.filter(status__in={lifecycle.DRAFT, *lifecycle.ACTIVE}).order_by("pk"):
        owner = Q(deployment=deployment.undoes_id or deployment.pk)
        if GpuEndpoint.objects.filter(owner & (Q(pk=row.pk) | Q(previous=row.pk))).exists():
            return _("#%s needs it. Run or cancel that first.") % deployment.pk
    return ""


def keep(endpoint: GpuEndpoint, actor: Actor) -> None:
    """Not retire it after all. Raises Conflict once it is being deleted."""
    with transaction.atomic():
        row = _locked(endpoint)
        if row.state != EndpointState.RETIRING:
            raise Conflict(_("It is not being retired."))
        if row.delete_began_at is not None:
            raise Conflict(_("It is being deleted at this moment, which can't be taken back."))
        values: dict[str, Any] = {"retired_by": None, "alarms": {}}
        if row.ref and (row.activated_at is not None or row.proofs.filter(passed=True).exists()):
            until = clock.now() + timedelta(days=_retained_days(row))
            states.become(row, EndpointState.RETAINED, actor, retained_until=until, **values)
        else:
            states.become(row, EndpointState.FAILED, actor, _("It was never proved."), **values)


def prove(endpoint: GpuEndpoint, user: User, actor: Actor) -> None:
    """Have it asked now what its deployment asked it. Raises EngineError where it could not answer."""
    with transaction.atomic():
        row = _locked(endpoint)
        if row.proof_asked_at is not None:
            raise Conflict(_("It is being asked at this moment."))
        if why := _why_mute(row):
            raise Conflict(why)
        asked = {"proof_asked_at": clock.now(), "proof_asked_by": user}
        GpuEndpoint.objects.filter(pk=row.pk).update(**asked)
        wake.errand(gpu_asking.TASK, row.pk)
        audit.record(actor, "gpu_endpoint.prove", row)


def _why_mute(row: GpuEndpoint) -> str:
    """Why it makes no sense to ask it now, or ""."""
    deployment = row.deployment
    if not row.ref or row.state in (EndpointState.CREATING, EndpointState.RETIRING):
        return _("It can't be asked while it is created or retired.")
    if row.state == EndpointState.TESTING and deployment is not None and deployment.is_active:
        return _("Its deployment is testing it at this moment.")
    if row.stopped_at is not None or row.order or row.seen.get("maximum") == 0:
        return _("It has no workers. Allow it first.")
    if gpu_asking.exam_for(row) is None:
        return _("No step of its deployment asks it anything, so there is no question to ask.")
    return ""


def _retained_days(row: GpuEndpoint) -> int:
    rules = GpuSettings.objects.filter(environment=row.environment_id).first() or GpuSettings()
    return int(rules.retained_days)


def _locked(endpoint: GpuEndpoint) -> GpuEndpoint:
    """The row, which nobody else changes meanwhile. Raises Conflict for one that is gone."""
    rows = GpuEndpoint.objects.select_for_update(of=("self",), no_key=True)
    row = rows.select_related("environment__project", "account", "deployment__plan").get(pk=endpoint.pk)
    if not row.is_living:
        raise Conflict(_("It is retired: there is nothing left of it."))
    return row


def _require_scaling(endpoint: GpuEndpoint) -> None:
    if not stopping.scales(endpoint.account):
        raise EngineError(_("%s is a server of our own: start and stop it on its machine.") % endpoint)
    if not endpoint.ref:
        raise EngineError(_("Its id at the provider is not known yet. The watch looks for it by its name."))
