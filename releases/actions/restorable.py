"""Which backup a rollback puts back: the one that holds what ran before the deployment being undone."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from releases.actions.base import ActionError
from releases.models import Backup, Deployment, DeploymentKind, Host

_ROLLBACKS = (DeploymentKind.ROLLBACK, DeploymentKind.GPU_ROLLBACK)


def backup_for(deployment: Deployment, link: str, host: Host | None) -> Backup:
    """The backup of files called `link` on this host that `deployment`, a rollback, puts back.

    Raises ActionError when there is none.
    """
    rows = _rows(deployment, host, Backup.Kind.FILES).filter(name=link)
    found = _before(deployment, rows).first()
    if found is None:
        words = {"link": link, "host": host.name if host else "-"}
        sentence = _("There is no backup %(link)s of %(host)s from before the last deployment.")
        mend = _("Put the files back by hand, and let the next deployment back them up first.")
        raise ActionError(f"{sentence % words} {mend}")
    return found


def dump_for(deployment: Deployment, parameters: Mapping[str, Any], host: Host | None) -> Backup:
    """The dump, made on this host, of the database that the parameters name. Raises ActionError when there is none."""
    rows = _before(deployment, _rows(deployment, host, Backup.Kind.DATABASE))
    wanted = _server(parameters)
    for row in rows.select_related("attempt__step__deployment__plan"):
        if _server(_made_with(row)) == wanted:
            return row
    words = {"database": parameters["database"], "host": host.name if host else "-"}
    sentence = _("There is no dump of the database %(database)s on %(host)s from before the last deployment.")
    mend = _("Name database, host and port as the step that backs it up does, or restore by hand.")
    raise ActionError(f"{sentence % words} {mend}")


def _made_with(row: Backup) -> Mapping[str, Any]:
    """The parameters of the step that made a dump; {} where no step did."""
    if row.attempt is None:
        return {}
    step = row.attempt.step
    steps = step.deployment.plan.content["steps"]
    found: Mapping[str, Any] = next((entry["parameters"] for entry in steps if entry["key"] == step.key), {})
    return found


def _server(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(parameters.get(name, usual)) for name, usual in (("database", ""), ("host", ""), ("port", "5432")))


def undone(deployment: Deployment) -> Deployment | None:
    """The deployment that `deployment` undoes: the last other one that was started there and was no rollback."""
    others = deployment.environment.deployments.filter(started_at__isnull=False).exclude(pk=deployment.pk)
    return others.exclude(kind__in=_ROLLBACKS).order_by("-started_at", "-pk").first()


def _rows(deployment: Deployment, host: Host | None, kind: Backup.Kind) -> QuerySet[Backup]:
    """Backups of this place. Those of a rollback hold what is being undone, so they are left out."""
    rows = deployment.environment.backups.filter(kind=kind, host=host)
    return rows.exclude(deployment=deployment).exclude(deployment__kind__in=_ROLLBACKS)


def _before(deployment: Deployment, rows: QuerySet[Backup]) -> QuerySet[Backup]:
    """Newest first: the rows of the deployment being undone, or else those from before it started.

    A backup made later by another one holds what that deployment brought, not what ran before.
    """
    last = undone(deployment)
    if last is None:
        return rows
    own = rows.filter(deployment=last)
    return own if own.exists() else rows.filter(created_at__lt=last.started_at)
