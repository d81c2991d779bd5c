"""What can be undone, and back to what. Asked when a rollback is made, and again when it is to start."""

from collections.abc import Collection

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from releases import lifecycle, way_back
from releases.engine import gpu_undoing
from releases.engine.errors import Conflict, EngineError
from releases.models import Deployment, DeploymentKind, Environment, Release, Step
from releases.runbooks.plan import PlannedStep
from releases.way_back import WayBack

UNDOABLE = frozenset({DeploymentKind.DEPLOY})
OFFERED = 10  # versions to go back to, at once
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


def require_open(way: WayBack, *, once_ended: bool = False) -> None:
    """Raise EngineError unless the whole way can be gone now. `once_ended` as in `require_undoable`."""
    if way.is_gpu:
        if way.first or way.service:
            raise EngineError(
                _("A GPU endpoint goes back to the one before it, as a whole. Leave out first and service.")
            )
        gpu_undoing.require_open(way.undoes, once_ended=once_ended)
        return
    require_undoable(way.undoes, once_ended=once_ended)
    if way.first is not None and not standing_in(way.undoes.environment).filter(pk=way.first.pk).exists():
        raise Conflict(_("#%s is not one of those that can be undone here. Choose another version.") % way.first.pk)
    if way.first is not None and way.first.started_at >= way.undoes.started_at:  # type: ignore[operator]
        raise Conflict(_("#%s did not begin before the one that is rolled back.") % way.first.pk)
    other = next((row for row in way.together() if row.kind not in UNDOABLE), None)
    if other is not None:
        raise Conflict(_("#%s lies on the way and is no deploy; it can't be undone.") % other.pk)
    if way.service is not None:
        _require_new(way)


def _require_new(way: WayBack) -> None:
    """A service that was put back is not put back again: what was written since would be lost."""
    undoes, first, service = way.key
    same = way.undoes.rollbacks.filter(only_service=service, undoes_first=first, status=lifecycle.SUCCEEDED)
    done = same.order_by("-finished_at").first()
    if done is not None:
        words = {"service": way.service, "number": undoes, "undone": done.pk}
        raise Conflict(_("%(service)s of #%(number)s was rolled back already, by #%(undone)s.") % words)


def is_undoable(deployment: Deployment, *, once_ended: bool = False) -> bool:
    """Whether it can be rolled back now."""
    try:
        require_open(WayBack(deployment), once_ended=once_ended)
    except EngineError:
        return False
    return True


def past_return(*deployments: Deployment) -> list[PlannedStep]:
    """The steps that have begun and can't be undone, as the plans mark them; the steps' rows in one query."""
    marked = {
        (deployment.pk, entry["key"]): entry
        for deployment in deployments
        for entry in deployment.plan.content["steps"]
        if any(entry.get("irreversible", {}).values())
    }
    if not marked:
        return []
    rows = Step.objects.filter(deployment__in=deployments).exclude(status__in={lifecycle.PENDING, lifecycle.SKIPPED})
    begun = set(rows.values_list("deployment", "key"))
    return [PlannedStep.from_json(entry) for key, entry in marked.items() if key in begun]


def standing_in(environment: Environment) -> QuerySet[Deployment]:
    """What changed the environment and was not undone, newest first."""
    rows = environment.deployments.of_software().filter(started_at__isnull=False)
    rows = rows.exclude(kind=DeploymentKind.ROLLBACK)
    return way_back.standing(rows).order_by("-started_at")


def standing(environments: Collection[int]) -> dict[int, Deployment]:
    """Of each environment the deployment that a rollback would undo; one query, however many they are."""
    rows_left = way_back.standing(Deployment.objects.of_software().exclude(kind=DeploymentKind.ROLLBACK))
    newest = rows_left.newest_of(environments)
    return {row.environment_id: row for row in newest.select_related("environment") if row.kind in UNDOABLE}


def after(deployment: Deployment) -> Deployment | None:
    """The last deployment that changed the environment after it and was not undone."""
    return standing_in(deployment.environment).filter(started_at__gt=deployment.started_at).first()


def choices(deployment: Deployment) -> list[Deployment]:
    """The earlier deployments down to which it can be gone back, newest first, as far as they are offered.

    Each stands for what ran before it; one that stopped in the middle is undone with the next one.
    """
    earlier = standing_in(deployment.environment).filter(
        started_at__lt=deployment.started_at, kind__in=UNDOABLE, status=lifecycle.SUCCEEDED
    )
    return list(earlier.select_related("release", "environment")[:OFFERED])


def way_of(deployment: Deployment, first: int | None, service: str) -> WayBack:
    """The way with the number of an earlier deployment, or none, and the short name of a service, or "".

    Raises EngineError for a service that the project does not have, or an earlier one that can't be undone.
    """
    environment = deployment.environment
    # Whether it still stands is asked where a rollback is made: a repeated request gets the one that was.
    earlier = environment.deployments.filter(pk=first, started_at__isnull=False).first() if first is not None else None
    if first is not None and earlier is None:
        raise Conflict(_("#%s is not one of those that can be undone here. Choose another version.") % first)
    alone = environment.project.services.filter(key=service).first() if service else None
    if service and alone is None:
        raise EngineError(_("%(project)s has no service %(key)s.") % {"project": environment.project, "key": service})
    return WayBack(deployment, None if earlier == deployment else earlier, alone)


def named_before(deployments: list[Deployment]) -> list[tuple[Deployment, str]]:
    """Each of them with the version that ran before it; one query."""
    whole = Deployment.objects.of_software().filter(
        environment=OuterRef("environment"), status=lifecycle.SUCCEEDED, only_service=None
    )
    ran = whole.filter(started_at__lt=OuterRef("started_at")).order_by("-started_at")
    rows = Deployment.objects.filter(pk__in=[deployment.pk for deployment in deployments])
    found = dict(rows.annotate(before=Subquery(ran.values("release__version")[:1])).values_list("pk", "before"))
    return [(deployment, found[deployment.pk] or name_before(deployment)) for deployment in deployments]


def target(way: WayBack) -> Release:
    """The release that ran before. Where Cloud Wiki knew none, one is made that says so."""
    ran = way.target()
    if ran is not None:
        return ran
    release, _made = Release.objects.get_or_create(
        project=way.undoes.release.project,
        version=name_before(way.earliest),
        defaults={
            "commit": NO_COMMIT,
            "notes": _("What ran before Cloud Wiki's first deployment, #%s.") % way.earliest.pk,
        },
    )
    return release


def name_before(undoes: Deployment) -> str:
    """What a release is called that ran before Cloud Wiki knew any."""
    return f"before-{undoes.release.version}"[:60]


def undone_by(deployment: Deployment) -> Deployment | None:
    """The rollback that undid it as a whole; None while there is none that succeeded."""
    if deployment.started_at is None:
        return None
    if deployment.is_gpu:
        return deployment.rollbacks.filter(status=lifecycle.SUCCEEDED).first()
    own = Q(undoes=deployment)
    several = Q(undoes_first__started_at__lte=deployment.started_at, undoes__started_at__gte=deployment.started_at)
    ran = deployment.environment.deployments.of_software()
    whole = ran.filter(status=lifecycle.SUCCEEDED, only_service=None)
    return whole.filter(own | several).order_by("-finished_at").first()


def last_taken(way: WayBack) -> Deployment | None:
    """The environment's last rollback of the same kind that succeeded: how long the next one may take."""
    environment, service = way.undoes.environment, way.service
    kind = DeploymentKind.GPU_ROLLBACK if way.is_gpu else DeploymentKind.ROLLBACK
    ran = environment.deployments.filter(kind=kind, status=lifecycle.SUCCEEDED)
    return ran.filter(only_service=service).order_by("-finished_at").first()
