"""Dropping the databases that restores kept: past the environment's rule, or by a manager's word.

The row says first that it goes. It is dropped after that, as often as it takes, while no deployment is active.
"""

from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from releases import audit, lifecycle
from releases.actions import brief, kept_database
from releases.actions.base import ActionError, NotApproved
from releases.actions.remote_words import told
from releases.audit import THE_SYSTEM, Actor
from releases.engine import clock, plan_secrets, wake
from releases.engine.errors import Conflict
from releases.engine.keepable import keepable
from releases.engine.machines import Machines
from releases.models import DeploymentKind, Environment, KeptDatabase, Removal
from releases.models.kept_database import drop_name
from releases.remote.errors import RemoteError
from releases.runbooks.model import CONTROLLER

SECONDS = 600  # that dropping one may take
OUTPUT = 64 * 1024  # bytes of what it prints that are read
TASK = "drop_kept_database"
PARTS = ("environment__project", "host", "removed_by")
log = structlog.get_logger(__name__)


def prune() -> int:
    """Give up what is past its time in every environment that has a rule. Returns how many that were."""
    given_up = 0
    for environment in Environment.objects.filter(backup_days__isnull=False):
        before = clock.now() - timedelta(days=environment.backup_days or 0)
        for row in environment.kept_databases.filter(removed_at__isnull=True, created_at__lt=before).order_by("pk"):
            try:
                remove(row, THE_SYSTEM, Removal.RETENTION)
                given_up += 1
            except Conflict as error:
                log.info("database kept", kept=row.pk, why=str(error))
    send_again()
    return given_up


def hindrance(environment: Environment) -> str:
    """Why no kept database may be dropped there now, or ""."""
    if environment.deployments.filter(status__in=lifecycle.ACTIVE).exists():
        return _("A deployment is active in %s. Drop it when that has ended.") % environment
    drafts = environment.deployments.filter(kind=DeploymentKind.ROLLBACK, status=lifecycle.DRAFT)
    draft = drafts.order_by("pk").first()
    if draft is not None:
        return _("The rollback #%s is prepared. Run or cancel it first.") % draft.pk
    return ""


def remove(row: KeptDatabase, actor: Actor, because: str) -> None:
    """Give it up: a worker drops it. Raises Conflict where that may not be now, or was done."""
    with transaction.atomic():
        # One order of locks for everyone who starts, proves or removes: the environment first.
        environment = Environment.objects.select_for_update(of=("self",), no_key=True).get(pk=row.environment_id)
        locked = KeptDatabase.objects.select_for_update(of=("self",), no_key=True).get(pk=row.pk)
        if locked.removed_at is not None:
            raise Conflict(_("This database was given up already."))
        why = hindrance(environment)
        if why:
            raise Conflict(why)
        locked.removed_at, locked.removed_by, locked.removed_because = clock.now(), actor.user, because
        locked.save(update_fields=["removed_at", "removed_by", "removed_because"])
        wake.errand(TASK, locked.pk)
        held = {"database": locked.database, "oid": locked.oid, "size": locked.size}
        audit.record(actor, "kept_database.remove", locked, because=because, **held)


def drop(number: int) -> None:
    """Drop a database that was given up. Safe to be told any number of times."""
    waiting = KeptDatabase.objects.filter(removed_at__isnull=False, erased_at__isnull=True)
    row = waiting.select_related(*PARTS).filter(pk=number).first()
    if row is None or hindrance(row.environment):
        return
    with override(row.removed_by.language if row.removed_by else settings.LANGUAGE_CODE):
        problem, has_ended = _dropped(row)
    if problem:
        name = drop_name() if has_ended else row.remote_id
        waiting.filter(pk=row.pk, remote_id=row.remote_id).update(problem=problem[:500], remote_id=name)
        log.info("kept database left for later", kept=row.pk, problem=problem)
        return
    with transaction.atomic():
        if waiting.filter(pk=row.pk).update(erased_at=clock.now(), problem=""):
            audit.record(THE_SYSTEM, "kept_database.drop", row, host=row.host.name if row.host else "")


def send_again() -> None:
    """A message for each that was given up and is still there."""
    waiting = KeptDatabase.objects.filter(removed_at__isnull=False, erased_at__isnull=True)
    for number in waiting.values_list("pk", flat=True):
        wake.send(TASK, number)


def _dropped(row: KeptDatabase) -> tuple[str, bool]:
    """Why it could not be dropped, or "", and whether nothing goes on that the next try could follow."""
    if row.host is None and row.runs_on != CONTROLLER:
        return _("The host that reached it is no longer known here. Drop it by hand."), False
    opened, trouble = plan_secrets.opened(row.environment)
    if trouble:
        return trouble, False
    machines = Machines(row.environment)
    try:
        script = kept_database.drop_script(row)
        gone = [name for name in script.secrets if name not in opened]
        if gone:
            return _("The environment has no secret %s any more, so its server can't be reached.") % gone[0], False
        client = machines.client(row.host.role if row.host else CONTROLLER)
        # Told twice at once, the second one follows what the first began.
        return _said(brief.run(client, row.remote_id, script, opened, seconds=SECONDS, cap=OUTPUT)), True
    except RemoteError as error:
        return str(keepable(told(error), opened.values())), False
    except (ActionError, NotApproved) as error:
        return str(error), False
    finally:
        machines.close()


def _said(answer: brief.Answer) -> str:
    status = answer.status
    if status.state != "finished" or status.reason or status.exit_code is None:
        return _("How that ended is not known: %s. It is tried again.") % (status.reason or status.state)
    return kept_database.explain_drop(answer.printed, status.exit_code) if status.exit_code else ""
