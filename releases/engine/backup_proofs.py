"""Proving a backup because a person asked: a worker restores it to a throw-away place and compares."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from releases import audit
from releases.actions import brief, prove_backup
from releases.actions.base import ActionError
from releases.actions.copies import forget
from releases.actions.explain import explain_tail
from releases.actions.remote_words import told
from releases.audit import Actor
from releases.engine import errands, plan_secrets, wake
from releases.engine.errors import Conflict, EngineError
from releases.engine.keepable import keepable
from releases.engine.machines import Machines
from releases.logs.ansi import to_text
from releases.models import Backup, BackupProof, Host, ProofEnding, User
from releases.remote.errors import ConnectionLost, HostUnreachable, RemoteError

LIMIT = 6 * 3600  # seconds that a restore may take
OUTPUT = 64 * 1024  # bytes of its output that are kept
PARTS = ("environment__project", "host")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Found:
    """How a proof ended; `problem` is one translated sentence, `differences` several."""

    ending: str
    problem: str = ""
    seconds: float | None = None
    differences: list[str] = field(default_factory=list)
    output: str = ""


def ask(backup: Backup, user: User | None, actor: Actor) -> BackupProof:
    """Have a worker prove the backup. Raises Conflict while it is being proved already, or once it was removed."""
    if backup.host_id is None:
        raise EngineError(_("The host of this backup is no longer known here, so it can't be restored there."))
    with transaction.atomic():
        locked = Backup.objects.select_for_update(no_key=True).get(pk=backup.pk)
        if locked.removed_at is not None:
            raise Conflict(_("This backup was removed."))
        if locked.proofs.filter(ended_at__isnull=True).exists():
            raise Conflict(_("It is being proved at this moment."))
        proof = BackupProof.objects.create(backup=locked, remote_id=f"proof-{uuid.uuid4().hex}", asked_by=user)
        wake.errand("prove_backup", proof.pk)
        audit.record(actor, "backup.prove", locked, location=locked.location)
    return proof


def carry_out(proof_id: int) -> None:
    """Prove the backup and keep what was found, unless another worker is at it or it has ended."""
    rows = BackupProof.objects.select_related("asked_by", *(f"backup__{part}" for part in PARTS))
    proof = errands.take(rows, proof_id)
    if proof is None:
        return
    with errands.in_language(proof):
        found = errands.carry_out(proof, _proved, lambda said: Found(ProofEnding.IMPOSSIBLE, said))
    if found is not None:
        _keep(proof, found)
        if found.seconds is not None:
            _forget(proof)


def _forget(proof: BackupProof) -> None:
    """Remove what the script left for us, now that it is kept; where that fails it is a small file."""
    machines = Machines(proof.backup.environment)
    try:
        if proof.backup.host is not None:
            transport = machines.transport(proof.backup.host.role)
            forget(transport, prove_backup.result_path(proof.backup, proof.remote_id, 1))
    except RemoteError as error:
        log.info("result of a proof left on the machine", proof=proof.pk, error=str(error))
    finally:
        machines.close()


def send_again() -> None:
    """Send a message for each proof that no worker is at, and end those that nobody could carry out."""
    errands.send_again(BackupProof.objects.select_related("backup"), "prove_backup", _give_up)


def _give_up(proof: BackupProof) -> None:
    hours = errands.GIVEN_UP // timedelta(hours=1)
    _keep(proof, Found(ProofEnding.IMPOSSIBLE, _("No worker could prove it within %s hours.") % hours), Q())


def _proved(proof: BackupProof, stop: Callable[[], bool]) -> Found | None:
    """What was found; None when this worker is to stop."""
    backup = proof.backup
    host: Host | None = backup.host
    if host is None:
        return Found(ProofEnding.IMPOSSIBLE, _("The host of this backup is no longer known here."))
    opened, trouble = plan_secrets.opened(backup.environment)
    if trouble:
        return Found(ProofEnding.IMPOSSIBLE, trouble)
    machines = Machines(backup.environment)
    try:
        script = prove_backup.proof_script([backup], proof.remote_id, backup.location)
        client = machines.client(host.role)
        answer = brief.run(client, proof.remote_id, script, opened, seconds=LIMIT, cap=OUTPUT, stop=stop)
        return _judged(proof, host, answer, machines)
    except (HostUnreachable, ConnectionLost) as error:
        return Found(ProofEnding.UNREACHABLE, keepable(told(error), opened.values()))
    except RemoteError as error:
        return Found(ProofEnding.IMPOSSIBLE, keepable(told(error), opened.values()))
    except ActionError as error:
        return Found(ProofEnding.IMPOSSIBLE, str(error))
    finally:
        machines.close()


def _judged(proof: BackupProof, host: Host, answer: brief.Answer, machines: Machines) -> Found | None:
    status, backup = answer.status, proof.backup
    if status.state in {"claimed", "starting", "running"}:
        return None
    output = "\n".join(to_text(line) for line in answer.printed.split(b"\n"))
    if status.state != "finished" or status.reason or status.exit_code is None:
        why = _("How the restore ended is not known: %s. Prove it again.") % (status.reason or status.state)
        return Found(ProofEnding.IMPOSSIBLE, why, output=output)
    if status.exit_code:
        word, sentence = prove_backup.reason(answer.printed)
        refuted = word in prove_backup.REFUTING
        said = sentence or explain_tail(answer.printed, status.exit_code) or f"exit {status.exit_code}"
        return Found(ProofEnding.REFUTED if refuted else ProofEnding.IMPOSSIBLE, said, output=output)
    transport = machines.transport(host.role)
    found = prove_backup.read_result(transport, backup, proof.remote_id, 1)
    ending = ProofEnding.REFUTED if found.differences else ProofEnding.PROVED
    problem = found.differences[0] if found.differences else ""
    return Found(ending, problem, found.seconds, found.differences, output)


def _keep(proof: BackupProof, found: Found, mine: Q | None = None) -> None:
    with transaction.atomic():
        values = vars(found) | {"differences": found.differences[: prove_backup.MOST_DIFFERENCES]}
        if errands.end(proof, mine, **values):
            prove_backup.conclude(proof)
            audit.record(
                errands.actor(proof), "backup.proved", proof.backup, ending=found.ending, seconds=found.seconds
            )
