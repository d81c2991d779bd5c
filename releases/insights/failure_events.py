"""Failures and rollbacks as events: a bad night is one, however many rows it left.

An event is a deployment that failed, with every rollback that undid it or tried to; or the first rollback of one that
had not failed, with those that tried again. It happened when the row that stands for it started.
"""

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from releases import lifecycle
from releases.insights.scope import FAILED
from releases.models import Deployment, DeploymentKind

_FAILED = Q(kind=DeploymentKind.DEPLOY, status__in=sorted(FAILED))
_FIRST = Coalesce("undoes_first__started_at", "undoes__started_at")  # where what a rollback undoes begins


def one_each(rows: QuerySet[Deployment]) -> QuerySet[Deployment]:
    """Of these rows the one that stands for each event: the failed deployment, else the first rollback."""
    rows = rows.filter(started_at__isnull=False).annotate(way_began=_FIRST)
    first = Q(kind=DeploymentKind.ROLLBACK) & ~Q(Exists(_tried_before()))
    of_none_that_failed = ~Q(Exists(_undone_itself())) & ~Q(Exists(_undone_with_others()))
    return rows.filter(_FAILED | (first & of_none_that_failed))


def _tried_before() -> QuerySet[Deployment]:
    """Earlier rollbacks of the same deployment."""
    rows = Deployment.objects.filter(kind=DeploymentKind.ROLLBACK, undoes=OuterRef("undoes"))
    return rows.filter(started_at__lt=OuterRef("started_at"))


def _undone_itself() -> QuerySet[Deployment]:
    """The deployment that a rollback undoes, if it failed."""
    return Deployment.objects.filter(_FAILED, pk=OuterRef("undoes"))


def _undone_with_others() -> QuerySet[Deployment]:
    """Failed ones on the way of a rollback that undoes several, as far as they still stood."""
    earlier = Deployment.objects.annotate(first=_FIRST).filter(
        kind=DeploymentKind.ROLLBACK,
        status=lifecycle.SUCCEEDED,
        only_service__isnull=True,
        environment=OuterRef("environment"),
        started_at__lt=OuterRef(OuterRef("started_at")),
        first__lte=OuterRef("started_at"),
        undoes__started_at__gte=OuterRef("started_at"),
    )
    on_the_way = Deployment.objects.filter(
        _FAILED,
        environment=OuterRef("environment"),
        started_at__gte=OuterRef("way_began"),
        started_at__lte=OuterRef("undoes__started_at"),
    )
    return on_the_way.filter(~Exists(earlier))
