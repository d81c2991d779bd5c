"""Proving a backup because a person asked: a worker restores it to a throw-away place and compares. No status changes.

As with looks (looking.py): one worker at a time is at it, the name on the machine stays the same, and a worker that
comes after a dead one goes on with what that began.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import override

from releases import audit
from releases.actions import brief, prove_backup
from releases.actions.base import ActionError
from releases.actions.copies import forget
from releases.actions.explain import explain_tail
from releases.actions.remote_words import told
from releases.audit import Actor
from releases.database import AWAY
from releases.engine import clock, handover, plan_secrets, wake
from releases.engine.errors import Conflict, EngineError
from releases.engine.keepable import keepable
from releases.engine.machines import Machines
from releases.logs.ansi import to_text
from releases.models import Backup, BackupProof, Host, ProofEnding, User
from releases.remote.errors import ConnectionLost, HostUnreachable, RemoteError

LIMIT = 6 * 3600  # seconds that a restore may take
OUTPUT = 64 * 1024  # bytes of its output that are kept
PULSE = 10.0  # seconds between two signs of the worker that is at it
UNSENT = timedelta(seconds=5)  # after which a message that no worker took is sent again
ABANDONED = timedelta(seconds=60)  # after which another worker takes a proof up
GIVEN_UP = timedelta(hours=12)
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Found:
    """How a proof ended; `problem` is one translated sentence, `differences` several."""

    ending: str
    problem: str = ""
    seconds: float | None = None
    differences: list[str] = field(default_factory=list)
    output: str = ""


def ask(backup: Backup, user: User, actor: Actor) -> BackupProof:
    """Have a worker prove the backup. Raises Conflict while it is being proved already."""
    if backup.host_id is None:
        raise EngineError(_("The host of this backup is no longer known here, so it can't be restored there."))
    with transaction.atomic():
        locked = Backup.objects.select_for_update(no_key=True).get(pk=backup.pk)
        if locked.proofs.filter(ended_at__isnull=True).exists():
            raise Conflict(_("It is being proved at this moment."))
        proof = BackupProof.objects.create(backup=locked, remote_id=f"proof-{uuid.uuid4().hex}", asked_by=user)
        wake.backup_prover(proof.pk)
        audit.record(actor, "backup.prove", locked, location=locked.location)
    return proof


def carry_out(proof_id: int) -> None:
    """Prove the backup and keep what was found, unless another worker is at it or it has ended."""
    proof = _take(proof_id)
    if proof is None:
        return
    with override(proof.asked_by.language if proof.asked_by else settings.LANGUAGE_CODE):
        pulse = _Pulse(proof)
        try:
            found = _proved(proof, pulse)
        except AWAY:
            raise
        except Exception as error:
            # Our own fault must end with a sentence, never as a proof that goes on for ever.
            log.exception("proof of a backup broke", proof=proof.pk)
            found = Found(ProofEnding.IMPOSSIBLE, f"{type(error).__name__}: {error}")
    if found is None:  # this worker stops, or another took over; the restore goes on without us
        BackupProof.objects.filter(pk=proof.pk, ended_at__isnull=True, seen_at=pulse.seen_at).update(seen_at=None)
        return
    _keep(proof, found, Q(seen_at=pulse.seen_at))
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
    now = clock.now()
    open_ones = BackupProof.objects.filter(ended_at__isnull=True)
    for proof in open_ones.filter(asked_at__lt=now - GIVEN_UP).select_related("asked_by", "backup"):
        with override(proof.asked_by.language if proof.asked_by else settings.LANGUAGE_CODE):
            hours = GIVEN_UP // timedelta(hours=1)
            _keep(proof, Found(ProofEnding.IMPOSSIBLE, _("No worker could prove it within %s hours.") % hours), Q())
    for number in open_ones.filter(_is_free(now, UNSENT)).values_list("pk", flat=True):
        wake.send("prove_backup", number)


def _is_free(now: datetime, unsent: timedelta = timedelta()) -> Q:
    """No worker is at it: none took it within `unsent` of the asking, or the one that did is gone."""
    return Q(seen_at__isnull=True, asked_at__lte=now - unsent) | Q(seen_at__lt=now - ABANDONED)


def _take(proof_id: int) -> BackupProof | None:
    """The proof, if this worker is the one that carries it out."""
    now = clock.now()
    if BackupProof.objects.filter(_is_free(now), pk=proof_id, ended_at__isnull=True).update(seen_at=now) != 1:
        return None
    parts = ("environment__project", "host", "attempt__step__deployment__plan", "deployment__environment")
    return BackupProof.objects.select_related("asked_by", *(f"backup__{part}" for part in parts)).get(pk=proof_id)


class _Pulse:
    """Asked often whether to stop; tells the row now and then that this worker is still at it."""

    def __init__(self, proof: BackupProof) -> None:
        self.proof, self.seen_at = proof, proof.seen_at
        self._next = time.monotonic() + PULSE
        self._is_ours = True

    def __call__(self) -> bool:
        if self._is_ours and time.monotonic() >= self._next:
            self._next, now = time.monotonic() + PULSE, clock.now()
            mine = BackupProof.objects.filter(pk=self.proof.pk, ended_at__isnull=True, seen_at=self.seen_at)
            self._is_ours = mine.update(seen_at=now) == 1
            self.seen_at = now
        return handover.wanted() or not self._is_ours


def _proved(proof: BackupProof, stop: Callable[[], bool]) -> Found | None:
    """What was found; None when this worker is to stop."""
    backup = proof.backup
    host: Host | None = backup.host
    if host is None:
        return Found(ProofEnding.IMPOSSIBLE, _("The host of this backup is no longer known here."))
    opened, trouble = plan_secrets.opened(backup.deployment) if backup.deployment else ({}, "")
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


def _keep(proof: BackupProof, found: Found, mine: Q) -> None:
    with transaction.atomic():
        values = vars(found) | {"problem": found.problem[:500]}
        values["differences"] = found.differences[: prove_backup.MOST_DIFFERENCES]
        if BackupProof.objects.filter(mine, pk=proof.pk, ended_at__isnull=True).update(ended_at=clock.now(), **values):
            proof.refresh_from_db()
            prove_backup.conclude(proof)
            actor = Actor(proof.asked_by) if proof.asked_by else audit.THE_SYSTEM
            audit.record(actor, "backup.proved", proof.backup, ending=found.ending, seconds=found.seconds)
