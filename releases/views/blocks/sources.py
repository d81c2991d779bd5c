"""Where live blocks take their rows from: a project's environment, its current runbooks, how long steps really took."""

from functools import lru_cache
from typing import Final

from django.db.models import Aggregate, Count, ExpressionWrapper, F, FloatField
from django.db.models.functions import Extract

from releases import lifecycle
from releases.models import Deployment, DeploymentKind, Environment, Project, Runbook, RunbookVersion, Step
from releases.runbooks import loader
from releases.runbooks.messages import RunbookErrors
from releases.runbooks.model import Runbook as Procedure

RECENT: Final = 100  # deployments, the newest, whose steps are measured


class Median(Aggregate):
    """The value in the middle (p50), by PostgreSQL."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


def environment_of(project: Project) -> Environment | None:
    """The environment that a page about the project speaks of: production, else the first one."""
    rows = project.environments.select_related(
        "runbook", "rollback_runbook", "gpu__worker_runbook", "gpu__rollback_runbook"
    )
    return rows.order_by("-is_production", "position", "pk").first()


def current_version(project: Project, kind: str) -> RunbookVersion | None:
    """The newest text of the runbook that is in use for `kind`: the environment's own, else the project's first."""
    runbook = _chosen(environment_of(project), kind)
    if runbook is None:
        runbook = project.runbooks.filter(kind=kind, versions__isnull=False).order_by("pk").first()
    return runbook.versions.select_related("runbook").order_by("-number").first() if runbook else None


def _chosen(environment: Environment | None, kind: str) -> Runbook | None:
    if environment is None:
        return None
    gpu = getattr(environment, "gpu", None)
    return {
        DeploymentKind.DEPLOY.value: environment.runbook,
        DeploymentKind.ROLLBACK.value: environment.rollback_runbook,
        DeploymentKind.GPU_DEPLOY.value: gpu.worker_runbook if gpu else None,
        DeploymentKind.GPU_ROLLBACK.value: gpu.rollback_runbook if gpu else None,
    }.get(kind)


def procedure_of(version: RunbookVersion) -> Procedure | None:
    """What a version says; None where it has mistakes."""
    return read(version.text)


@lru_cache(maxsize=64)
def read(text: str) -> Procedure | None:
    """A runbook's text as values. Reading one takes a moment, and the same few are asked for again and again."""
    try:
        return loader.load(text)
    except RunbookErrors:
        return None


def medians(runbook: Runbook) -> dict[str, tuple[float, int]]:
    """By the key of a step: how long it took in the middle (seconds, p50), of how many that succeeded lately."""
    newest = Deployment.objects.filter(plan__runbook_version__runbook=runbook, started_at__isnull=False)
    numbers = list(newest.order_by("-pk").values_list("pk", flat=True)[:RECENT])
    took = ExpressionWrapper(Extract(F("finished_at") - F("started_at"), "epoch"), output_field=FloatField())
    rows = (
        Step.objects.filter(deployment__in=numbers, status=lifecycle.SUCCEEDED, finished_at__isnull=False)
        .values("key")
        .annotate(middle=Median(took), count=Count("pk"))
        .values_list("key", "middle", "count")
    )
    return {key: (middle, count) for key, middle, count in rows if middle is not None}
