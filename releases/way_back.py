"""The way back of a rollback: which deployments it undoes, and whether it puts back one service alone. Rows only."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet

from releases import lifecycle
from releases.models import Deployment, DeploymentKind, Environment, GpuEndpoint, Release, Service
from releases.models.deployment_questions import DeploymentQuerySet


@dataclass(frozen=True)
class WayBack:
    """What a rollback undoes: `undoes`, and with `first`, which began earlier, everything from there to it.

    `service`: the only one that is put back; None: all of them, so that nothing of what is undone stands afterwards.
    """

    undoes: Deployment
    first: Deployment | None = None
    service: Service | None = None

    @classmethod
    def of(cls, rollback: Deployment) -> "WayBack | None":
        """That of a rollback; None for anything else."""
        if rollback.undoes is None:
            return None
        return cls(rollback.undoes, rollback.undoes_first, rollback.only_service)

    @property
    def is_gpu(self) -> bool:
        """It gives the traffic back to an earlier GPU endpoint; nothing on the hosts goes back."""
        return self.undoes.is_gpu

    @property
    def earliest(self) -> Deployment:
        """The one that what ran before it is wanted back."""
        return self.first or self.undoes

    @cached_property
    def begins(self) -> Deployment | None:
        """The first that is undone, where it is not `undoes` itself; also one that had stopped before the earliest."""
        first = self.together()[0]
        return None if first == self.undoes else first

    @property
    def key(self) -> tuple[int, int | None, int | None]:
        """The numbers that the row of its rollback holds of it."""
        return self.undoes.pk, self.begins.pk if self.begins else None, self.service.pk if self.service else None

    def columns(self) -> dict[str, Deployment | Service | None]:
        """What that row holds, so that all that is undone lies between its two ends."""
        return {"undoes": self.undoes, "undoes_first": self.begins, "only_service": self.service}

    def together(self) -> list[Deployment]:
        """All that is undone: oldest first, with those before it that stopped in the middle since the last success.

        What these left half done is in the backups of the later ones, so that all of them are undone together.
        """
        if self.is_gpu:
            return [self.undoes]
        rows = self.undoes.environment.deployments.of_software().exclude(kind=DeploymentKind.ROLLBACK)
        rows = rows.select_related("plan")
        # A partial success left what stopped before it half done.
        success = _whole(self.undoes.environment).filter(started_at__lt=self.earliest.started_at).first()
        stopped = rows.filter(started_at__lt=self.earliest.started_at)
        if success:
            stopped = stopped.filter(started_at__gt=success.started_at)
        between = rows.filter(started_at__gt=self.earliest.started_at, started_at__lt=self.undoes.started_at)
        several = [self.first, *standing(between).order_by("started_at")] if self.first else []
        return [*stopped.order_by("started_at"), *several, self.undoes]

    def target(self) -> Release | None:
        """The release that ran before, of the service if it is one alone; None where Cloud Wiki knew none."""
        if self.is_gpu:
            row = GpuEndpoint.objects.select_related("previous__release__project").get(deployment=self.undoes)
            return row.previous.release if row.previous else None
        return running(self.undoes.environment, self.service, before=self.earliest)


class UndoneTogether(Func):
    """Whether a rollback of several undid what began then there, as a whole. Arguments: an environment, a time."""

    output_field = BooleanField()
    # MATERIALIZED: the few ways of several are looked up once, not again for each deployment. A join is made anew each
    # time, which takes seconds where much was undone.
    template = """EXISTS (
      WITH ways AS MATERIALIZED (
        SELECT b.environment_id, f.started_at AS first, l.started_at AS last FROM releases_deployment b
        JOIN releases_deployment f ON f.id = b.undoes_first_id JOIN releases_deployment l ON l.id = b.undoes_id
        WHERE b.kind = 'rollback' AND b.status = 'succeeded' AND b.only_service_id IS NULL
          AND b.undoes_first_id IS NOT NULL
      )
      SELECT 1 FROM ways JOIN (VALUES (%(expressions)s)) AS one (environment_id, began)
      ON one.environment_id = ways.environment_id AND one.began BETWEEN ways.first AND ways.last)"""


def standing(rows: DeploymentQuerySet) -> DeploymentQuerySet:
    """Those of the rows that no rollback undid as a whole."""
    alone = Deployment.objects.filter(
        environment=OuterRef("environment"),
        kind=DeploymentKind.ROLLBACK,
        status=lifecycle.SUCCEEDED,
        only_service__isnull=True,
        undoes=OuterRef("pk"),
    )
    return rows.exclude(Exists(alone)).exclude(UndoneTogether("environment", "started_at"))


def running(
    environment: Environment, service: Service | None = None, *, before: Deployment | None = None
) -> Release | None:
    """The release that runs in the environment, or that ran when `before` began; None where no success is known.

    Of a `service` its own, which a partial rollback may have put back; else that of the environment as a whole.
    """
    ran = environment.deployments.of_software().filter(status=lifecycle.SUCCEEDED)
    if before is not None and before.started_at is not None:
        ran = ran.filter(started_at__lt=before.started_at)
    ran = (
        ran.filter(Q(only_service__isnull=True) | Q(only_service=service)) if service else ran.filter(only_service=None)
    )
    last = ran.select_related("release__project", "plan").order_by("-started_at").first()
    if last is None:
        return None
    brought_back = parts_of(last).get(service.key) if service and last.only_service_id is None else None
    return Release.objects.select_related("project").get(pk=brought_back) if brought_back else last.release


def parts_of(deployment: Deployment) -> dict[str, int]:
    """Of a whole rollback: the services (short names) that it puts back to another release than its own, by number."""
    found: dict[str, int] = deployment.plan.content.get("rollback", {}).get("parts", {})
    return found


def parts_before(way: WayBack) -> dict[str, int]:
    """The services that ran another release than the environment as a whole before what is undone."""
    whole = way.target()
    if whole is None or way.service is not None:
        return {}
    services = way.undoes.environment.project.services.all()
    ran = {service.key: running(way.undoes.environment, service, before=way.earliest) for service in services}
    return {key: release.pk for key, release in ran.items() if release and release != whole}


def put_back_alone(way: WayBack) -> set[str]:
    """The services (short names) that a rollback of one alone put back from as far as this way goes."""
    rows = way.undoes.rollbacks.filter(status=lifecycle.SUCCEEDED, only_service__isnull=False)
    far = Q(undoes_first__started_at__lte=way.together()[0].started_at)
    rows = rows.filter(far | Q(undoes_first__isnull=True) if way.begins is None else far)
    return set(rows.values_list("only_service__key", flat=True))


def put_back(environments: Collection[int]) -> dict[int, dict[Service, Release]]:
    """By environment the services that do not run what the environment as a whole runs; a fixed number of queries."""
    rows = Deployment.objects.of_software().filter(environment__in=environments, status=lifecycle.SUCCEEDED)
    newest = rows.filter(only_service=None).newest_of(environments)
    # Of the plan only this, which may be large.
    newest = newest.annotate(parts=F("plan__content__rollback__parts")).select_related("environment")
    whole = {row.environment_id: row for row in newest}
    found = _brought_back(whole.values())
    later = Deployment.objects.of_software().filter(
        environment=OuterRef("environment"),
        status=lifecycle.SUCCEEDED,
        only_service=None,
        started_at__gt=OuterRef("started_at"),
    )
    parts = rows.exclude(only_service=None).exclude(Exists(later))
    for part in parts.select_related("only_service", "release").order_by("started_at"):
        last = whole.get(part.environment_id)
        assert part.only_service is not None  # noqa: S101 - asked for
        there = found.setdefault(part.environment_id, {})
        there[part.only_service] = part.release
        if last is not None and part.release_id == last.release_id:
            del there[part.only_service]
    return {number: there for number, there in found.items() if there}


def _brought_back(whole: Collection[Deployment]) -> dict[int, dict[Service, Release]]:
    """By environment the services that its last whole rollback put back to another release."""
    named = [(row, key, number) for row in whole for key, number in (row.parts or {}).items()]  # type: ignore[attr-defined]
    releases = Release.objects.in_bulk({number for _row, _key, number in named})
    projects = {row.environment.project_id for row in whole}
    services = {(each.project_id, each.key): each for each in Service.objects.filter(project__in=projects)}
    found: dict[int, dict[Service, Release]] = {}
    for row, key, number in named:
        service = services.get((row.environment.project_id, key))
        if service and number in releases:
            found.setdefault(row.environment_id, {})[service] = releases[number]
    return found


def stopped_rollbacks(way: WayBack) -> list[Deployment]:
    """Rollbacks that stopped half way since the last whole success: what they touched may be a mixture."""
    environment = way.undoes.environment
    success = _whole(environment).exclude(pk=way.undoes.pk).filter(started_at__lt=way.undoes.started_at).first()
    rows = environment.deployments.filter(
        kind=DeploymentKind.ROLLBACK, status__in=lifecycle.STOPPED, started_at__isnull=False
    )
    rows = rows.filter(started_at__gt=success.started_at) if success else rows
    return list(rows.select_related("only_service").order_by("started_at"))


def _whole(environment: Environment) -> QuerySet[Deployment]:
    """Its successes that were not of one service alone, newest first."""
    ran = environment.deployments.of_software().filter(status=lifecycle.SUCCEEDED, only_service=None)
    return ran.order_by("-started_at")
