"""What the attempts of one driver share."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from releases.engine.machines import Machines
from releases.models import Deployment


@dataclass(frozen=True)
class Run:
    """One driver's slice of one deployment, as the performances in its threads see it."""

    deployment: Deployment
    token: int
    machines: Machines
    secrets: Mapping[str, str]
    values: Mapping[str, str]
    let_go: Callable[[], bool]  # the lease is lost, or this worker hands over
    cancelled: Callable[[], bool]
    changed: Collection[str] = ()  # names of secrets that are not the approved ones any more
    trouble: str = ""  # why nothing can be done at all, such as secrets that can't be opened

    @property
    def fence(self) -> str:
        """Name of the lock on each machine that refuses older drivers."""
        return f"environment-{self.deployment.environment_id}"
