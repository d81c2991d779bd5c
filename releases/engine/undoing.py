"""What can be undone, and back to what. Asked when a rollback is made, and again when it is to start."""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from releases import lifecycle
from releases.engine.errors import Conflict, EngineError
from releases.models import Deployment, DeploymentKind, Release
from releases.runbooks.plan import PlannedStep

UNDOABLE = frozenset({DeploymentKind.DEPLOY})
NO_COMMIT = "0000000"  # of a release that ran before Cloud Wiki knew any


def require_undoable(deployment: Deployment, *, once_ended: bool = False) -> None:
    """Raise EngineError unless the deployment has ended and is the last one whose changes are still in effect.

    `once_ended`: it may still run, since it is going to be ended first.
    """
    if deployment.kind not in UNDOABLE:
        raise EngineError(_("Only a deploy can be rolled back; #%s is of another kind.") % deployment.pk)
    if deployment.started_at is None:
        raise Conflict(_("#%s has not been started: there is nothing to roll back.") % deployment.pk)
    if not deployment.is_finished and not once_ended:
        raise Conflict(_("#%s has not ended. Cancel it first, or let it end.") % deployment.pk)
    undone = undone_by(deployment)
    if undone is not None:
        numbers = {"number": deployment.pk, "undone": undone.pk}
        raise Conflict(_("#%(number)s was rolled back already, by #%(undone)s.") % numbers)
    later = after(deployment)
    if later is not None:
        numbers = {"number": deployment.pk, "later": later.pk}
        raise Conflict(_("#%(later)s changed the environment after #%(number)s. Roll that one back first.") % numbers)


def is_undoable(deployment: Deployment, *, once_ended: bool = False) -> bool:
    """Whether it can be rolled back now."""
    try:
        require_undoable(deployment, once_ended=once_ended)
    except EngineError:
        return False
    return True


def past_return(deployment: Deployment) -> list[PlannedStep]:
    """The steps that have begun and can't be undone, as the plan marks them; the steps' rows in one query."""
    marked = [entry for entry in deployment.plan.content["steps"] if any(entry.get("irreversible", {}).values())]
    if not marked:
        return []
    begun = deployment.steps.exclude(status__in={lifecycle.PENDING, lifecycle.SKIPPED}).values_list("key", flat=True)
    keys = set(begun)
    return [PlannedStep.from_json(entry) for entry in marked if entry["key"] in keys]


def standing(environments: Iterable[int]) -> dict[int, Deployment]:
    """Of each environment the deployment that a rollback would undo; one query, however many they are."""
    rows = Deployment.objects.filter(environment__in=environments, started_at__isnull=False)
    rows = rows.exclude(kind=DeploymentKind.ROLLBACK).exclude(rollbacks__status=lifecycle.SUCCEEDED)
    newest = rows.order_by("environment_id", "-started_at").distinct("environment_id")
    return {row.environment_id: row for row in newest.select_related("environment") if row.kind in UNDOABLE}


def after(deployment: Deployment) -> Deployment | None:
    """The last deployment that changed the environment after it and was not undone."""
    later = deployment.environment.deployments.filter(started_at__gt=deployment.started_at)
    standing = later.exclude(kind=DeploymentKind.ROLLBACK).exclude(rollbacks__status=lifecycle.SUCCEEDED)
    return standing.order_by("-started_at").first()


def target(undoes: Deployment) -> Release:
    """The release that ran before. Where Cloud Wiki knew none, one is made that says so."""
    ran = running_before(undoes)
    if ran is not None:
        return ran
    release, _made = Release.objects.get_or_create(
        project=undoes.release.project,
        version=name_before(undoes),
        defaults={"commit": NO_COMMIT, "notes": _("What ran before Cloud Wiki's first deployment, #%s.") % undoes.pk},
    )
    return release


def running_before(undoes: Deployment) -> Release | None:
    """The release that the environment's last success before it brought; None where there was none."""
    ran = undoes.environment.deployments.filter(status=lifecycle.SUCCEEDED, started_at__lt=undoes.started_at)
    last = ran.select_related("release__project").order_by("-started_at").first()
    return last.release if last else None


def name_before(undoes: Deployment) -> str:
    """What a release is called that ran before Cloud Wiki knew any."""
    return f"before-{undoes.release.version}"[:60]


def undone_by(deployment: Deployment) -> Deployment | None:
    """The rollback that undid it; None while there is none that succeeded."""
    return deployment.rollbacks.filter(status=lifecycle.SUCCEEDED).order_by("-finished_at").first()


def last_taken(deployment: Deployment) -> Deployment | None:
    """The environment's last rollback that succeeded: how long the next one may take."""
    ran = deployment.environment.deployments.filter(kind=DeploymentKind.ROLLBACK, status=lifecycle.SUCCEEDED)
    return ran.order_by("-finished_at").first()
