"""Which deployments can be rolled back: pages offer the way to it beside each."""

from collections.abc import Collection, Iterable, Mapping

from releases import permissions
from releases.engine import gpu_undoing, undoing
from releases.models import Deployment, User
from releases.permissions import Need


def undoable_there(user: User, environments: Collection[int]) -> dict[int, int]:
    """By environment the deployment that the person could roll back now; two queries, however many there are."""
    return _operable(permissions.projects(user, Need.OPERATE), undoing.standing(environments))


def _operable(operable: set[int], rows: Mapping[int, Deployment]) -> dict[int, int]:
    return {
        number: row.pk for number, row in rows.items() if row.is_finished and row.environment.project_id in operable
    }


def undoable(user: User, deployments: Iterable[Deployment]) -> set[int]:
    """Those of a list that the person could roll back now."""
    environments = {deployment.environment_id for deployment in deployments}
    operable = permissions.projects(user, Need.OPERATE)
    found = [_operable(operable, rows) for rows in (undoing.standing(environments), gpu_undoing.standing(environments))]
    return {number for rows in found for number in rows.values()}
