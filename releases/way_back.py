"""The way back of a rollback: which deployments it undoes, and whether it puts back one service alone. Rows only."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from releases import lifecycle
from releases.models import Deployment, DeploymentKind, Environment, Release, Service


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
    def earliest(self) -> Deployment:
        """The one that what ran before it is wanted back."""
        return self.first or self.undoes

    @property
    def key(self) -> tuple[int, int | None, int | None]:
        """The same for the same way."""
        return self.undoes.pk, self.first.pk if self.first else None, self.service.pk if self.service else None

    def columns(self) -> dict[str, Deployment | Service | None]:
        """What the row of its rollback holds of it."""
        return {"undoes": self.undoes, "undoes_first": self.first, "only_service": self.service}

    def together(self) -> list[Deployment]:
        """All that is undone: oldest first, with those before it that stopped in the middle since the last success.

        What these left half done is in the backups of the later ones, so that all of them are undone together.
        """
        rows = self.undoes.environment.deployments.exclude(kind=DeploymentKind.ROLLBACK).select_related("plan")
        earlier = self.undoes.environment.deployments.filter(started_at__lt=self.earliest.started_at)
        success = earlier.filter(status=lifecycle.SUCCEEDED).order_by("-started_at").first()
        stopped = rows.filter(started_at__lt=self.earliest.started_at)
        if success:
            stopped = stopped.filter(started_at__gt=success.started_at)
        between = rows.filter(started_at__gt=self.earliest.started_at, started_at__lt=self.undoes.started_at)
        several = [self.first, *standing(between).order_by("started_at")] if self.first else []
        return [*stopped.order_by("started_at"), *several, self.undoes]

    def target(self) -> Release | None:
        """The release that ran before, of the service if it is one alone; None where Cloud Wiki knew none."""
        return running(self.undoes.environment, self.service, before=self.earliest)


def standing(rows: QuerySet[Deployment]) -> QuerySet[Deployment]:
    """Those of the rows that no rollback undid as a whole."""
    back = Deployment.objects.filter(
        environment=OuterRef("environment"),
        kind=DeploymentKind.ROLLBACK,
        status=lifecycle.SUCCEEDED,
        only_service__isnull=True,
    )
    several = Q(undoes_first__started_at__lte=OuterRef("started_at"), undoes__started_at__gte=OuterRef("started_at"))
    return rows.exclude(Exists(back.filter(Q(undoes=OuterRef("pk")) | several)))


def running(
    environment: Environment, service: Service | None = None, *, before: Deployment | None = None
) -> Release | None:
    """The release that runs in the environment, or that ran when `before` began; None where no success is known.

    Of a `service` its own, which a partial rollback may have put back; else that of the environment as a whole.
    """
    ran = environment.deployments.filter(status=lifecycle.SUCCEEDED)
    if before is not None and before.started_at is not None:
        ran = ran.filter(started_at__lt=before.started_at)
    ran = (
        ran.filter(Q(only_service__isnull=True) | Q(only_service=service)) if service else ran.filter(only_service=None)
    )
    last = ran.select_related("release__project").order_by("-started_at").first()
    return last.release if last else None


def put_back(environments: Iterable[int]) -> dict[int, dict[Service, Release]]:
    """By environment the services that do not run what the environment as a whole runs; two queries."""
    rows = Deployment.objects.filter(environment__in=environments, status=lifecycle.SUCCEEDED)
    whole = rows.filter(only_service=None).order_by("environment_id", "-started_at").distinct("environment_id")
    since = {row.environment_id: row for row in whole.only("environment_id", "started_at", "release_id")}
    found: dict[int, dict[Service, Release]] = {}
    parts = rows.exclude(only_service=None).select_related("only_service", "release").order_by("started_at")
    for part in parts:
        last = since.get(part.environment_id)
        if part.only_service and (last is None or part.started_at > last.started_at):  # type: ignore[operator]
            found.setdefault(part.environment_id, {})[part.only_service] = part.release
    return found
