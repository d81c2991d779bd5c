"""Which GPU deployment can be undone: the last one whose endpoint has the traffic, or may have it."""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from releases import lifecycle
from releases.engine.errors import Conflict, EngineError
from releases.models import Deployment, DeploymentKind, EndpointState, GpuEndpoint, Step

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
    if row.previous.state not in READY:
        words = {"name": row.previous.name, "state": row.previous.get_state_display()}
        sentence = _("%(name)s can't take the traffic back (%(state)s). Deploy a release anew.")
        raise Conflict(sentence % words)
    return row.previous


def is_open(undoes: Deployment, *, once_ended: bool = False) -> bool:
    """Whether it can be undone now."""
    try:
        require_open(undoes, once_ended=once_ended)
    except EngineError:
        return False
    return True


def standing(environments: Iterable[int]) -> dict[int, Deployment]:
    """Of each environment the GPU deploy that a rollback would undo; a fixed number of queries."""
    switched = Step.objects.filter(action="gpu_switch", started_at__isnull=False).values("deployment")
    rows = Deployment.objects.filter(
        environment__in=environments,
        kind=DeploymentKind.GPU_DEPLOY,
        started_at__isnull=False,
        pk__in=switched,
        gpu_endpoint__previous__state__in=READY,
    )
    newest = rows.order_by("environment_id", "-started_at").distinct("environment_id")
    undone = Deployment.objects.filter(status=lifecycle.SUCCEEDED, undoes__in=newest.values("pk")).values("undoes")
    return {row.environment_id: row for row in newest.exclude(pk__in=undone).select_related("environment")}


def _has_switched(undoes: Deployment) -> bool:
    """Its switch has begun: from there on the traffic may be with the new endpoint."""
    return undoes.steps.filter(action="gpu_switch", started_at__isnull=False).exists()


def _require_last(undoes: Deployment) -> None:
    back = undoes.rollbacks.filter(status=lifecycle.SUCCEEDED).first()
    if back is not None:
        numbers = {"number": undoes.pk, "undone": back.pk}
        raise Conflict(_("#%(number)s was rolled back already, by #%(undone)s.") % numbers)
    later = undoes.environment.deployments.filter(kind=DeploymentKind.GPU_DEPLOY, started_at__gt=undoes.started_at)
    later = later.filter(steps__action="gpu_switch", steps__started_at__isnull=False)
    later = later.exclude(rollbacks__status=lifecycle.SUCCEEDED)
    other = later.first()
    if other is not None:
        numbers = {"number": undoes.pk, "later": other.pk}
        raise Conflict(_("#%(later)s moved the traffic after #%(number)s. Roll that one back first.") % numbers)
