"""Which deployments are looked at: those of one environment that started in a period."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from releases import lifecycle
from releases.models import DeploymentKind, Environment

# The command said no, or it was our fault. One that a person cancelled did not fail.
FAILED: Final = frozenset({lifecycle.FAILED, lifecycle.ERRORED})


@dataclass(frozen=True)
class Scope:
    """Deployments of `environment` that started from `since` on and before `until`; a rehearsal is none.

    `is_gpu`: those of GPU endpoints instead of those of software; they go their own way.
    """

    environment: Environment
    since: datetime
    until: datetime
    is_gpu: bool = False

    @property
    def deploy(self) -> DeploymentKind:
        """The kind that puts something new there."""
        return DeploymentKind.GPU_DEPLOY if self.is_gpu else DeploymentKind.DEPLOY

    @property
    def rollback(self) -> DeploymentKind:
        """The kind that puts the old back."""
        return DeploymentKind.GPU_ROLLBACK if self.is_gpu else DeploymentKind.ROLLBACK

    @property
    def zone(self) -> ZoneInfo:
        """Where days and weeks begin."""
        return ZoneInfo(self.environment.zone)

    @property
    def weeks(self) -> float:
        """The length of the period in weeks."""
        return (self.until - self.since).total_seconds() / (7 * 86400)

    def before(self) -> "Scope":
        """The period of the same length that ends where this one begins."""
        return replace(self, since=self.since - (self.until - self.since), until=self.since)
