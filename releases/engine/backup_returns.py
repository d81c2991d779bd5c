"""Sending the store's copy of a backup back to its host, where it was lost or damaged: restores read it there."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from releases import audit, stores
from releases.actions.base import ActionError, NotApproved
from releases.actions.remote_words import told
from releases.audit import Actor
from releases.engine import errands, returning, wake
from releases.engine.errors import Conflict, EngineError
from releases.engine.machines import Machines
from releases.models import Backup, BackupReturn, ReturnEnding, User
from releases.remote.archives import folder_digests
from releases.remote.errors import ConnectionLost, HostUnreachable, RemoteError, TransferStopped

PARTS = ("asked_by", "backup__environment__project", "backup__host__environment")


@dataclass(frozen=True)
class Found:
    """How it ended; `problem` is one translated sentence."""

    ending: str
    problem: str = ""


def ask(backup: Backup, user: User, actor: Actor) -> BackupReturn:
    """Have a worker send the copy back. Raises EngineError where there is none, Conflict while one is on its way."""
    if backup.host_id is None:
        raise EngineError(_("The host of this backup is no longer known here, so it can't be restored there."))
    if not backup.copy_location:
        raise EngineError(_("There is no copy of this backup in the store; it is on its host alone."))
    with transaction.atomic():
        locked = Backup.objects.select_for_update(no_key=True).get(pk=backup.pk)
        if locked.removed_at is not None:
            raise Conflict(_("This backup was removed."))
        if locked.returns.filter(ended_at__isnull=True).exists():
            raise Conflict(_("The copy is on its way at this moment."))
        made = BackupReturn.objects.create(backup=locked, remote_id=f"return-{uuid.uuid4().hex}", asked_by=user)
        wake.errand("return_backup", made.pk)
        audit.record(actor, "backup.return", locked, location=locked.location)
    return made


def carry_out(return_id: int) -> None:
    """Send the copy, unless another worker is at it or it has ended."""
    errand = errands.take(BackupReturn.objects.select_related(*PARTS), return_id)
    if errand is None:
        return
    with errands.in_language(errand):
        found = errands.carry_out(errand, _sent, lambda said: Found(ReturnEnding.FAILED, said))
    if found is not None:
        _keep(errand, found)


def send_again() -> None:
    """Send a message for each that no worker is at, and end those that nobody could carry out."""
    errands.send_again(BackupReturn.objects.select_related("backup"), "return_backup", _give_up)


def _give_up(errand: BackupReturn) -> None:
    hours = errands.GIVEN_UP // timedelta(hours=1)
    _keep(errand, Found(ReturnEnding.FAILED, _("No worker could send it within %s hours.") % hours), Q())


def _sent(errand: BackupReturn, stop: Callable[[], bool]) -> Found | None:
    """How it ended; None when this worker is to stop: the next one goes on where it was."""
    backup = errand.backup
    if backup.host is None:
        return Found(ReturnEnding.FAILED, _("The host of this backup is no longer known here."))
    machines = Machines(backup.environment)
    digests = folder_digests if backup.is_folder else stores.sha256_of
    try:
        with stores.passing_folder() as passing:
            copy = passing / "copy"
            stores.get(backup.copy_location, copy, backup.sha256, digests)
            returning.send(machines, backup, copy, errand.remote_id, stop)
    except TransferStopped:
        return None
    except (HostUnreachable, ConnectionLost) as error:
        return Found(ReturnEnding.UNREACHABLE, told(error))
    except RemoteError as error:
        return Found(ReturnEnding.FAILED, told(error))
    except (stores.StoreError, ActionError, NotApproved) as error:
        return Found(ReturnEnding.FAILED, str(error))
    finally:
        machines.close()
    return Found(ReturnEnding.SENT)


def _keep(errand: BackupReturn, found: Found, mine: Q | None = None) -> None:
    with transaction.atomic():
        if errands.end(errand, mine, ending=found.ending, problem=found.problem):
            audit.record(errands.actor(errand), "backup.returned", errand.backup, ending=found.ending)
