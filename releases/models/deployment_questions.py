"""Questions about many deployments."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models

from releases.models.choices import DeploymentKind
from releases.models.environment import Environment

if TYPE_CHECKING:
    from releases.models.deployment import Deployment  # noqa: F401 - named by the query set

GPU_KINDS = (DeploymentKind.GPU_DEPLOY, DeploymentKind.GPU_ROLLBACK)


class _AnyOf(models.Func):
    """Whether a value is in an array."""

    output_field = models.BooleanField()
    template = "%(expressions)s)"
    arg_joiner = " = ANY ("


class DeploymentQuerySet(models.QuerySet["Deployment"]):
    """Questions about many deployments."""

    def of_software(self) -> "DeploymentQuerySet":
        """Those that put a version on the environment's hosts; GPU endpoints go their own way beside them."""
        return self.exclude(kind__in=GPU_KINDS)

    def newest_of(self, environments: Collection[int]) -> "DeploymentQuerySet":
        """Of each environment the one that started last: read backwards up to it, however many there are."""
        there = self.filter(environment=models.OuterRef("pk"), started_at__isnull=False)
        newest = models.Subquery(there.order_by("-started_at").values("pk")[:1])
        numbers = ArraySubquery(Environment.objects.filter(pk__in=environments).values_list(newest))
        # ANY of an array: found first and then looked up by number, where IN joins all the deployments.
        return DeploymentQuerySet(self.model).filter(_AnyOf("pk", numbers))
