"""Questions about many deployments."""

from typing import TYPE_CHECKING

from django.db import models

from releases.models.choices import DeploymentKind

if TYPE_CHECKING:
    from releases.models.deployment import Deployment  # noqa: F401 - named by the query set

GPU_KINDS = (DeploymentKind.GPU_DEPLOY, DeploymentKind.GPU_ROLLBACK)


class DeploymentQuerySet(models.QuerySet["Deployment"]):
    """Questions about many deployments."""

    def of_software(self) -> "DeploymentQuerySet":
        """Those that put a version on the environment's hosts; GPU endpoints go their own way beside them."""
        return self.exclude(kind__in=GPU_KINDS)
