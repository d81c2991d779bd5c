"""The one writer of an endpoint's state: a guarded change, checked against lifecycle.py, with its audit event.

What an endpoint is, is a fact of the outside world; whoever changed that says so here, a step of a deployment as well
as a person. Saying the same again changes nothing.
"""

from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from releases import audit, lifecycle
from releases.audit import Actor
from releases.models import EndpointState, Environment, GpuEndpoint


def become(endpoint: GpuEndpoint, state: EndpointState, actor: Actor, problem: str = "", **columns: Any) -> None:
    """Change the state, and other columns with it. `problem`: why, where that is no success.

    Raises ForbiddenTransition when the table of lifecycle.py does not allow it.
    """
    with transaction.atomic():
        if not _write(endpoint, state, problem=problem, **columns):
            return
        audit.record(actor, f"gpu_endpoint.{state}", endpoint, **({"problem": problem} if problem else {}))
    endpoint.refresh_from_db()


def hand_over(new: GpuEndpoint, actor: Actor, *, remember: bool) -> GpuEndpoint | None:
    """The traffic goes to `new` from now on. Returns who had it, which stands by now; None where nobody had.

    `remember`: where no earlier endpoint is known of `new`, that one is it: a rollback goes back there.
    """
    with transaction.atomic():
        # The environment is everybody's first lock: two that hand over at once come one after the other.
        Environment.objects.select_for_update(of=("self",), no_key=True).get(pk=new.environment_id)
        rows = GpuEndpoint.objects.filter(environment=new.environment_id, state=EndpointState.ACTIVE)
        old = rows.exclude(pk=new.pk).first()
        if old is not None:
            _write(old, EndpointState.STANDBY)
        more = {"previous": old} if remember and old is not None and new.previous_id is None else {}
        changed = _write(new, EndpointState.ACTIVE, problem="", activated_at=Now(), retained_until=None, **more)
        if changed or old is not None:
            audit.record(actor, "gpu_endpoint.active", new, before=old.name if old else "")
    new.refresh_from_db()
    return old


def _write(endpoint: GpuEndpoint, state: EndpointState, **columns: Any) -> bool:
    """Whether anything changed. Raises ForbiddenTransition."""
    row = GpuEndpoint.objects.select_for_update(no_key=True, of=("self",)).get(pk=endpoint.pk)
    if row.state == state:
        GpuEndpoint.objects.filter(pk=row.pk).update(**columns) if columns else None
        return False
    lifecycle.require("endpoint", row.state, state)
    GpuEndpoint.objects.filter(pk=row.pk).update(state=state, state_since=Now(), **columns)
    return True
