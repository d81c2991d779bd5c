"""Removing backups: past an environment's rule, or by a person; never one that somebody may still need.

The row says first that it is removed, in the transaction that looked whether it may be: from then on no rollback starts
with it. Its bytes go after that, as often as it takes.
"""

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext as _

from releases import audit, enrolment, lifecycle, stores
from releases.actions import restorable
from releases.actions.ask import ask
from releases.actions.texts import shell_text
from releases.audit import THE_SYSTEM, Actor
from releases.engine import clock, undoing, wake
from releases.engine.errors import Conflict
from releases.models import Backup, BackupProof, BackupReturn, Deployment, DeploymentKind, Environment, Removal
from releases.remote.errors import RemoteError
from releases.way_back import WayBack

SECONDS = 600.0  # for removing a copy
THING = ("kind", "host_id", "series")  # backups that are the same in these are copies of one thing
log = structlog.get_logger(__name__)


def prune() -> int:
    """Remove what is past its time in every environment that has a rule. Returns how many were given up."""
    removed = 0
    for environment in Environment.objects.filter(backup_days__isnull=False).select_related("project"):
        if environment.deployments.filter(status__in=lifecycle.ACTIVE).exists():
            continue
        for backup in past_their_time(environment, clock.now()):
            try:
                remove(backup, THE_SYSTEM, Removal.RETENTION)
                removed += 1
            except Conflict as error:
                log.info("backup kept", backup=backup.pk, why=str(error))
    send_again()
    return removed


def past_their_time(environment: Environment, now: datetime) -> list[Backup]:
    """What the environment's rule lets go: older than its days, with enough newer ones, and needed by nobody."""
    if environment.backup_days is None:
        return []
    place = Window(RowNumber(), partition_by=list(THING), order_by=["-created_at", "-pk"])
    rows = environment.backups.kept().defer("facts").annotate(place=place).filter(place__gt=environment.backups_kept)
    old = [backup for backup in rows if backup.created_at < now - timedelta(days=environment.backup_days)]
    needed = why_needed(environment)
    return sorted((backup for backup in old if backup.pk not in needed), key=lambda backup: backup.pk)


def why_needed(environment: Environment) -> dict[int, str]:
    """The backups that must stay, each with a sentence that says why."""
    kept = environment.backups.kept()
    good, proved = kept.filter(refuted_at__isnull=True), kept.filter(proved_at__isnull=False)
    found = dict.fromkeys(_newest(good), _("It is the newest copy that is not known to be damaged."))
    found |= dict.fromkeys(_newest(proved), _("It is the newest copy that was proved."))
    deployment = undoing.standing([environment.pk]).get(environment.pk)
    if deployment is not None:
        sentence = _("A rollback of #%s would put it back.") % deployment.pk
        found |= dict.fromkeys((backup.pk for backup in restorable.candidates(WayBack(deployment))), sentence)
    for draft in _unfinished(environment):
        sentence = _("The plan of #%s names it.") % draft.pk
        signed = draft.plan.content.get("rollback", {}).get("backups", [])
        found |= dict.fromkeys((entry["id"] for entry in signed), sentence)
    busy = {"backup__environment": environment, "ended_at__isnull": True}
    proving = BackupProof.objects.filter(**busy).values_list("backup", flat=True)
    returning = BackupReturn.objects.filter(**busy).values_list("backup", flat=True)
    found |= dict.fromkeys(proving, _("It is being proved at this moment."))
    return found | dict.fromkeys(returning, _("The copy is on its way at this moment."))


def _unfinished(environment: Environment) -> list[Deployment]:
    """Rollbacks that are prepared or run, and those that stopped since the last success and may be tried again."""
    rows = environment.deployments.filter(kind=DeploymentKind.ROLLBACK).select_related("plan")
    ran = environment.deployments.of_software().filter(status=lifecycle.SUCCEEDED, only_service=None)
    whole = ran.order_by("-started_at").first()
    stopped = Q(status__in=lifecycle.STOPPED, started_at__isnull=False)
    if whole is not None:
        stopped &= Q(started_at__gt=whole.started_at)
    return list(rows.filter(Q(status__in={lifecycle.DRAFT, *lifecycle.ACTIVE}) | stopped))


def remove(backup: Backup, actor: Actor, because: str) -> None:
    """Give the backup up: it can't be used from now on, and a worker erases it.

    Raises Conflict where it is needed, was removed already, or a deployment is active in its environment.
    """
    with transaction.atomic():
        # One order of locks for everyone who starts, proves or removes: the environment first.
        environment = Environment.objects.select_for_update(of=("self",), no_key=True).get(pk=backup.environment_id)
        locked = Backup.objects.select_for_update(of=("self",), no_key=True).defer("facts").get(pk=backup.pk)
        if locked.removed_at is not None:
            raise Conflict(_("This backup was removed."))
        if environment.deployments.filter(status__in=lifecycle.ACTIVE).exists():
            raise Conflict(_("A deployment is active in %s. Remove backups when it has ended.") % environment)
        why = why_needed(environment).get(locked.pk)
        if why is not None:
            raise Conflict(_("%s can't be removed.") % locked + f" {why}")
        locked.removed_at, locked.removed_by, locked.removed_because = clock.now(), actor.user, because
        locked.save(update_fields=["removed_at", "removed_by", "removed_because"])
        wake.errand("erase_backup", locked.pk)
        held = {"location": locked.location, "copy": locked.copy_location, "size": locked.size}
        audit.record(actor, "backup.remove", locked, because=because, sha256=locked.sha256, **held)


def erase(backup_id: int) -> None:
    """Remove the bytes of a removed backup, on its host and here. Safe to be told any number of times."""
    gone = Backup.objects.filter(removed_at__isnull=False, erased_at__isnull=True)
    backup = gone.select_related("host__environment").defer("facts").filter(pk=backup_id).first()
    if backup is None:
        return
    if not _erased_here(backup) or (backup.host is not None and not _erased(backup)):
        return
    with transaction.atomic():
        if gone.filter(pk=backup.pk).update(erased_at=clock.now()):
            audit.record(THE_SYSTEM, "backup.erase", backup, host=backup.host.name if backup.host else "")


def send_again() -> None:
    """A message for each removed backup whose bytes are still there."""
    for number in Backup.objects.filter(removed_at__isnull=False, erased_at__isnull=True).values_list("pk", flat=True):
        wake.send("erase_backup", number)


def _erased_here(backup: Backup) -> bool:
    """Remove the copy in the store; False where that could not be done now."""
    try:
        if backup.copy_location:
            stores.remove(backup.copy_location)
    except stores.StoreError as error:
        log.info("copy of a backup left for later", backup=backup.pk, error=str(error))
        return False
    return True


def _erased(backup: Backup) -> bool:
    """Remove the copy on its host; False where that could not be done now."""
    assert backup.host is not None  # noqa: S101 - asked by the caller
    data = {"path": backup.location, "link": backup.name if backup.kind == Backup.Kind.FILES else ""}
    try:
        transport = enrolment.connect(backup.host)
        try:
            answer = ask(transport, shell_text("machine.sh", "remove_backup.sh"), data, seconds=SECONDS)
        finally:
            transport.close()
    except RemoteError as error:
        log.info("backup left for later", backup=backup.pk, error=str(error))
        return False
    if answer.exit_code != 0:
        log.warning("backup not erased", backup=backup.pk, said=answer.stderr.decode(errors="replace")[-300:])
        return False
    return True


def _newest(rows: QuerySet[Backup]) -> list[int]:
    """Of each thing the newest of these."""
    return list(rows.order_by(*THING, "-created_at", "-pk").distinct(*THING).values_list("pk", flat=True))
