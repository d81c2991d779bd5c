"""Which GPU deployment can be undone: the last one whose endpoint has the traffic, or may have it."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from releases import lifecycle
from releases.engine.errors import Conflict, EngineError
from releases.models import Deployment, DeploymentKind, EndpointState, GpuEndpoint, Step
from releases.models.deployment_questions import GPU_KINDS

READY = (EndpointState.RETAINED, EndpointState.STANDBY, EndpointState.ACTIVE)


def require_open(undoes: Deployment, *, once_ended: bool = False) -> GpuEndpoint:
    """The endpoint that gets the traffic back. Raises EngineError with why it can't be."""
    if undoes.kind != DeploymentKind.GPU_DEPLOY:
        raise EngineError(_("Only a deploy can be rolled back; #%s is of another kind.") % undoes.pk)
    if undoes.started_at is None:
        raise Conflict(_("#%s has not been started: there is nothing to roll back.") % undoes.pk)
    if not undoes.is_finished and not once_ended:
        raise Conflict(_("#%s has not ended. Cancel it first, or let it end.") % undoes.pk)
    row = GpuEndpoint.objects.select_related("previous__account").filter(deployment=undoes).first()
    if row is None or not _has_switched(undoes):
        sentence = _("#%s never moved the traffic, so nothing has to go back. Retire its endpoint on the GPU page.")
        raise Conflict(sentence % undoes.pk)
    _require_last(undoes)
    if row.previous is None:
        raise Conflict(_("There is no earlier endpoint to go back to."))
    if not _may_take_over(row.previous):
        words = {"name": row.previous.name, "state": row.previous.get_state_display()}
        sentence = _("%(name)s can't take the traffic back (%(state)s). Deploy a release anew.")
        raise Conflict(sentence % words)
    return row.previous


def standing(environments: Iterable[int]) -> dict[int, Deployment]:
    """Of each environment the GPU deploy that a rollback would undo; a fixed number of queries."""
    rows = Deployment.objects.filter(
        environment__in=environments,
        kind=DeploymentKind.GPU_DEPLOY,
        started_at__isnull=False,
        pk__in=_switched(),
        gpu_endpoint__isnull=False,
    )
    undone = Deployment.objects.filter(status=lifecycle.SUCCEEDED, undoes__isnull=False).values("undoes")
    newest = rows.exclude(pk__in=undone).order_by("environment_id", "-started_at").distinct("environment_id")
    newest = newest.select_related("environment", "gpu_endpoint__previous")
    return {row.environment_id: row for row in newest if _may_take_over(row.gpu_endpoint.previous)}


def in_doubt(environment: int) -> set[int]:
    """Endpoints to which traffic may go, whatever their state: the last deployment stopped after its switch began."""
    rows = Deployment.objects.filter(environment=environment, kind__in=GPU_KINDS, pk__in=_switched())
    last = rows.order_by("-started_at").first()
    if last is None or last.status not in lifecycle.STOPPED:
        return set()
    pair = GpuEndpoint.objects.filter(deployment=last.undoes_id or last.pk).values_list("pk", "previous").first()
    return {number for number in pair or () if number is not None}


def _switched() -> QuerySet[Any, Any]:
    """Numbers of deployments whose switch was ever tried; a step that waits for its retry has attempts, too."""
    return Step.objects.filter(action="gpu_switch", attempts__isnull=False).values("deployment")


def _may_take_over(row: GpuEndpoint | None) -> bool:
    """It had the traffic once and may have it again; whether it is there and answers is proved before the switch."""
    if row is None or not row.ref:
        return False
    return row.state in READY or (row.state == EndpointState.FAILED and row.activated_at is not None)


def _has_switched(undoes: Deployment) -> bool:
    """Its switch has begun: from there on the traffic may be with the new endpoint."""
    return undoes.steps.filter(action="gpu_switch", attempts__isnull=False).exists()


def _require_last(undoes: Deployment) -> None:
    back = undoes.rollbacks.filter(status=lifecycle.SUCCEEDED).first()
    if back is not None:
        numbers = {"number": undoes.pk, "undone": back.pk}
        raise Conflict(_("#%(number)s was rolled back already, by #%(undone)s.") % numbers)
    later = undoes.environment.deployments.filter(kind=DeploymentKind.GPU_DEPLOY, started_at__gt=undoes.started_at)
    later = later.filter(pk__in=_switched()).exclude(rollbacks__status=lifecycle.SUCCEEDED)
    other = later.first()
    if other is not None:
        numbers = {"number": undoes.pk, "later": other.pk}
        raise Conflict(_("#%(later)s moved the traffic after #%(number)s. Roll that one back first.") % numbers)
