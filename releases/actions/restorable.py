"""Which backup a rollback puts back: the one that holds what ran before the deployment being undone."""

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
