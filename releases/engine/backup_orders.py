"""Taking backups outside of a deployment: by the button, or every day. Workers carry the runbook's backup steps out.

An order waits while a deployment is active. What was copied while one began is given up: it may hold both versions.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from releases import audit, lifecycle, way_back
from releases.actions import backed_up, backup_database, backup_files, brief, store_copies
from releases.actions.base import ActionError, NotApproved, Script
from releases.actions.copies import Origin, read_manifest
from releases.actions.remote_words import told
from releases.actions.texts import shown
from releases.audit import Actor
from releases.engine import backup_proofs, clock, errands, plan, plan_secrets, prepare, wake
from releases.engine.errors import Conflict, EngineError
from releases.engine.keepable import keepable
from releases.engine.machines import Machines
from releases.logs.ansi import to_text
from releases.models import Backup, BackupOrder, Environment, OrderEnding, Removal, User
from releases.remote.errors import ConnectionLost, HostUnreachable, RemoteError
from releases.remote.transport import Transport
from releases.runbooks.plan import PlannedStep

OUTPUT = 64 * 1024  # bytes of its output that are kept
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Found:
    """How an order ended; `problem` is one translated sentence, `backups` what was taken."""

    ending: str
    problem: str = ""
    output: str = ""
    backups: list[Backup] = field(default_factory=list)
    answer: brief.Answer | None = None


def steps_of(environment: Environment) -> list[dict[str, Any]]:
    """The steps of the environment's runbook that make backups, and its checks that do, as a plan would have them now.

    Raises EngineError where no plan can be made, or it backs nothing up.
    """
    release = way_back.running(environment) or environment.project.releases.order_by("-pk").first()
    if release is None:
        raise EngineError(_("There is no release yet, so there is no plan that says what is backed up."))
    version = prepare.runbook_version(environment, None)
    content = plan.content_of(release, environment, version, f"{environment.local(clock.now()):%Y%m%d}")
    steps = backed_up.backing_up(content, {host.role: host for host in environment.hosts.all()})
    if not steps:
        sentence = _("The runbook of %s has no step that backs anything up.")
        raise EngineError(sentence % environment)
    return steps


def ask(
    environment: Environment, keys: set[str] | None, user: User | None, actor: Actor, day: date | None = None
) -> list[BackupOrder]:
    """Have workers take the backups of the steps `keys`, None: all of them, and prove each. Returns the new orders.

    What is on order already is not ordered again. Raises EngineError; Conflict where nothing is left to order.
    """
    steps = [step for step in steps_of(environment) if keys is None or step["key"] in keys]
    made = []
    with transaction.atomic():
        for step in steps:
            order = _order(environment, step, user, day)
            if order is not None:
                made.append(order)
                wake.errand("take_backup", order.pk)
        if made:
            audit.record(actor, "backup.order", environment, steps=[order.step_key for order in made])
    if not made:
        raise Conflict(_("That is being backed up at this moment."))
    return made


def _order(environment: Environment, step: dict[str, Any], user: User | None, day: date | None) -> BackupOrder | None:
    try:
        with transaction.atomic():
            return BackupOrder.objects.create(
                environment=environment,
                host=environment.hosts.filter(role=step["runs_on"]).first(),
                step_key=step["key"],
                planned=step,
                remote_id=f"backup-{uuid.uuid4().hex}",
                asked_by=user,
                day=day,
            )
    except IntegrityError:  # it is on order, or that day's was taken
        return None


def carry_out(order_id: int) -> None:
    """Take the backup and keep what became of it, unless another worker is at it or it has ended."""
    rows = BackupOrder.objects.select_related("asked_by", "environment__project", "host")
    order = errands.take(rows, order_id)
    if order is None:
        return
    with errands.in_language(order):
        found = errands.carry_out(order, _taken, lambda said: Found(OrderEnding.IMPOSSIBLE, said))
        if found is not None:
            _keep(order, found)
            _forget(order, found.answer)


def send_again() -> None:
    """Send a message for each order that no worker is at, and end those that nobody could carry out."""
    errands.send_again(BackupOrder.objects.all(), "take_backup", _give_up)


def _give_up(order: BackupOrder) -> None:
    hours = errands.GIVEN_UP // timedelta(hours=1)
    _keep(order, Found(OrderEnding.IMPOSSIBLE, _("It could not be taken within %s hours.") % hours), Q())


def _taken(order: BackupOrder, stop: Callable[[], bool]) -> Found | None:
    """What became of it; None when this worker is to stop, or a deployment goes first."""
    if order.began_at is None and not _begin(order):
        return None
    step = PlannedStep.from_json(order.planned)
    opened, trouble = plan_secrets.opened(order.environment)
    if trouble:
        return Found(OrderEnding.IMPOSSIBLE, trouble)
    machines = Machines(order.environment)
    try:
        return _run(order, step, opened, machines, stop)
    except (HostUnreachable, ConnectionLost) as error:
        return Found(OrderEnding.UNREACHABLE, keepable(told(error), opened.values()))
    except RemoteError as error:
        return Found(OrderEnding.IMPOSSIBLE, keepable(told(error), opened.values()))
    except NotApproved as error:
        return Found(OrderEnding.IMPOSSIBLE, str(error))
    except ActionError as error:
        return Found(OrderEnding.FAILED, str(error))
    finally:
        machines.close()


def _begin(order: BackupOrder) -> bool:
    """Note when it begins; False while a deployment is active."""
    with transaction.atomic():  # whoever starts a deployment locks the environment, too
        environment = Environment.objects.select_for_update(of=("self",), no_key=True).get(pk=order.environment_id)
        if environment.deployments.filter(status__in=lifecycle.ACTIVE).exists():
            return False
        order.began_at = clock.now()
        order.save(update_fields=["began_at"])
    return True


def _run(
    order: BackupOrder, step: PlannedStep, opened: dict[str, str], machines: Machines, stop: Callable[[], bool]
) -> Found | None:
    client, script = machines.client(step.runs_on), _script(order, step)
    # The folder stays until all is kept: a worker that comes after a dead one must find what was made.
    answer = brief.run(
        client, order.remote_id, script, opened, seconds=step.timeout, cap=OUTPUT, stop=stop, forgets=False
    )
    found = _judged(order, step, answer, machines.transport(step.runs_on))
    return None if found is None else replace(found, answer=answer)


def _forget(order: BackupOrder, answer: brief.Answer | None) -> None:
    """Remove the script's folder; where that fails, it is a small one."""
    if answer is None:
        return
    machines = Machines(order.environment)
    try:
        brief.forget(machines.client(order.planned["runs_on"]), order.remote_id, answer)
    except (RemoteError, NotApproved) as error:
        log.info("folder of an order left on the machine", order=order.pk, error=str(error))
    finally:
        machines.close()


def _script(order: BackupOrder, step: PlannedStep) -> Script:
    lines, parameters = shown(step.lines), step.parameters
    if step.action == "backup_database":
        origin = Origin(order.environment, order.host, order=order)
        return backup_database.dump_script(parameters, order.remote_id, lines, origin)
    return backup_files.files_script(
        parameters["files"], parameters["destination"], f"b{order.pk}", order.remote_id, lines
    )


def _judged(order: BackupOrder, step: PlannedStep, answer: brief.Answer, transport: Transport) -> Found | None:
    status = answer.status
    if status.state in {"claimed", "starting", "running"}:
        return None
    output = "\n".join(to_text(line) for line in answer.printed.split(b"\n"))
    if status.state != "finished" or status.reason or status.exit_code is None:
        why = _("How it ended is not known: %s. Take it again.") % (status.reason or status.state)
        return Found(OrderEnding.IMPOSSIBLE, why, output)
    if status.exit_code:
        said = backup_files.explain_backup(answer.printed, status.exit_code) or f"exit {status.exit_code}"
        return Found(OrderEnding.FAILED, said, output)
    try:
        return Found(OrderEnding.TAKEN, "", output, _rows(order, step, transport))
    except ActionError as error:
        return Found(OrderEnding.FAILED, str(error), output)


def _rows(order: BackupOrder, step: PlannedStep, transport: Transport) -> list[Backup]:
    """The rows of what the script made. Raises ActionError, RemoteError."""
    origin = Origin(order.environment, order.host, order=order, created_by=order.asked_by)
    parameters, way = step.parameters, store_copies.Way(transport, order.remote_id)
    if step.action == "backup_database":
        return [backup_database.keep_dump(origin, parameters, f"order-{order.pk}", way)]
    copies = read_manifest(transport, parameters["destination"], order.remote_id)
    rows = backup_files.keep_files(origin, parameters["files"], copies, parameters.get("service", ""))
    if parameters.get("store"):
        store_copies.keep_each(rows, f"order-{order.pk}", way)
    return rows


def _keep(order: BackupOrder, found: Found, mine: Q | None = None) -> None:
    problem, ending = found.problem, found.ending
    with transaction.atomic():
        environment = Environment.objects.select_for_update(of=("self",), no_key=True).get(pk=order.environment_id)
        rows = Backup.objects.filter(order=order).order_by("pk")
        if rows and _was_disturbed(order, environment):
            if ending == OrderEnding.TAKEN:
                ending = OrderEnding.FAILED
                problem = _("A deployment began while it was taken, so it may hold both versions. Take it again.")
            rows.filter(removed_at=None).update(removed_at=clock.now(), removed_because=Removal.DISTURBED)
        if not errands.end(order, mine, ending=ending, problem=problem, output=found.output):
            return
        sizes = {row.name: row.size for row in rows}
        audit.record(errands.actor(order), "backup.taken", order, ending=ending, backups=sizes)
    if ending == OrderEnding.TAKEN and order.proves:
        for row in rows:
            _prove(row, order)


def _was_disturbed(order: BackupOrder, environment: Environment) -> bool:
    """Whether a deployment began since the copying did."""
    return environment.deployments.filter(started_at__gte=order.began_at).exists()


def _prove(row: Backup, order: BackupOrder) -> None:
    try:
        backup_proofs.ask(row, order.asked_by, errands.actor(order))
    except EngineError:  # somebody proves it already, or its host was removed here
        return
