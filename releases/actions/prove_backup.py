"""Proving backups: each is restored to a throw-away place on the machine where it lies, and compared."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.actions import database
from releases.actions.base import ActionError, Script, ScriptAction, StepContext
from releases.actions.copies import forget, read_facts
from releases.actions.explain import explain_tail, plain
from releases.actions.fingerprint import Fingerprint, differences
from releases.actions.texts import shell_text, shown
from releases.models import Backup, BackupProof, ProofEnding
from releases.remote.transport import Transport

REASONS = {
    "not there": gettext_lazy("The backup %(what)s is not there any more."),
    "damaged": gettext_lazy("%(what)s is not what was backed up: its SHA-256 differs. Take a new backup."),
    "too little room": gettext_lazy("Too little room to restore it: %(what)s. Free some space there."),
    "no database": gettext_lazy(
        "The database %(what)s can't be made. Let the database user of the backup step create databases."
    ),
    "not restored": gettext_lazy("%(what)s can't be restored. Read the output, and take a new backup."),
    "interrupted": gettext_lazy(
        "The restore of %(what)s was broken off by the machine or the database server, which says nothing about the"
        " backup. Read the output, mend that, and prove it again."
    ),
    "not read": gettext_lazy("What was restored to %(what)s can't be read. Try again."),
}
MOST_DIFFERENCES = 200  # that are kept
REFUTING = ("not there", "damaged", "not restored")  # these speak of the backup, the others of the machine


@dataclass(frozen=True)
class Proved:
    """`seconds`: the restore alone. `differences`: translated sentences; empty: it holds what was backed up."""

    seconds: float
    differences: list[str] = field(default_factory=list)


class ProveBackup(ScriptAction):
    """Proves every backup that an earlier step of the deployment made; one that can't be restored fails the step."""

    kind = "prove_backup"

    def script(self, context: StepContext) -> Script:
        lines = shown(context.planned.lines)
        return proof_script(self._backups(context), context.attempt.remote_id, lines)

    def succeeded(self, context: StepContext) -> None:
        backups, name, proofs = self._backups(context), context.attempt.remote_id, []
        for number, backup in enumerate(backups, start=1):
            kept = BackupProof.objects.filter(remote_id=f"{name}-{backup.pk}").first()
            proofs.append(kept or keep(backup, context, read_result(context.transport(), backup, name, number)))
        context.evidence["proved"] = [
            {"id": proof.backup_id, "name": proof.backup.name, "seconds": proof.seconds} for proof in proofs
        ]
        for number, backup in enumerate(backups, start=1):
            forget(context.transport(), result_path(backup, name, number))
        wrong = [f"{proof.backup.name}: {said}" for proof in proofs for said in proof.differences]
        if wrong:
            raise ActionError(" ".join(wrong[:5]))

    def explain(self, exit_code: int, tail: bytes) -> str:
        return reason(tail)[1] or explain_tail(tail, exit_code)

    def _backups(self, context: StepContext) -> list[Backup]:
        made = context.deployment.backups.filter(attempt__step__key=context.parameters["backup"])
        found = list(made.order_by("attempt_id", "pk"))
        if not found:
            sentence = _("The step %s has made no backup that could be proved.")
            raise ActionError(sentence % context.parameters["backup"])
        newest = found[-1].attempt_id
        return [backup for backup in found if backup.attempt_id == newest]


def keep(backup: Backup, context: StepContext, found: Proved) -> BackupProof:
    """A row for what a step found; saying the same again makes no second one."""
    ending = ProofEnding.REFUTED if found.differences else ProofEnding.PROVED
    values = {
        "attempt": context.attempt,
        "backup": backup,
        "asked_by": context.deployment.started_by,
        "ended_at": timezone.now(),
        "ending": ending,
        "seconds": found.seconds,
        "differences": found.differences[:MOST_DIFFERENCES],
        "problem": found.differences[0][:500] if found.differences else "",
    }
    name = f"{context.attempt.remote_id}-{backup.pk}"
    proof, _made = BackupProof.objects.get_or_create(remote_id=name, defaults=values)
    conclude(proof)
    return proof


def conclude(proof: BackupProof) -> None:
    """Let the backup show how its last proof ended."""
    if proof.ending == ProofEnding.PROVED:
        values: dict[str, Any] = {"proved_at": proof.ended_at, "refuted_at": None, "restore_seconds": proof.seconds}
    elif proof.ending == ProofEnding.REFUTED:
        values = {"proved_at": None, "refuted_at": proof.ended_at, "restore_seconds": None}
    else:
        return
    Backup.objects.filter(pk=proof.backup_id).update(**values)


def proof_script(backups: Sequence[Backup], name: str, lines: str) -> Script:
    """The script that proves these backups, one after the other. `name` makes its results and databases its own."""
    texts = [shell_text("machine.sh", "database.sh", "fingerprint.sh")]
    data = {
        "step_shown": lines,
        "step_fingerprint": shell_text("fingerprint.sql"),
        "step_sequences": shell_text("sequences.sql"),
    }
    secrets: set[str] = set()
    for number, backup in enumerate(backups, start=1):
        values, needed = _values(backup, name, number)
        secrets.update(needed)
        data |= {f"step_{key}_{number}": value for key, value in values.items()}
        assigned = " ".join(f'step_{key}="$step_{key}_{number}"' for key in sorted(values))
        body = "prove_database.sh" if backup.kind == Backup.Kind.DATABASE else "prove_files.sh"
        texts.append(f"(\n{assigned}\n{shell_text(body)}) || exit\nstep_shown=''\n")
    return Script("".join(texts), data, tuple(sorted(secrets)))


def result_path(backup: Backup, name: str, number: int) -> str:
    """Where the script leaves what it found, beside the backup."""
    return str(PurePosixPath(backup.location).parent / f".{name}-{number}.facts")


def _values(backup: Backup, name: str, number: int) -> tuple[dict[str, str], tuple[str, ...]]:
    common = {"sha256": backup.sha256, "result": result_path(backup, name, number)}
    if backup.kind != Backup.Kind.DATABASE:
        is_folder = "yes" if backup.is_folder else "no"
        return {**common, "path": backup.location, "folder": is_folder}, ()
    parameters = backup.parameters
    if not parameters:
        raise ActionError(_("Which step made %s is not known, so its database can't be reached.") % backup)
    target = f"cloudwiki_proof_{name[-32:]}_{number}"[:63]
    password, secrets = database.password(parameters)
    return {
        **common,
        "dump": backup.location,
        "format": parameters.get("format", "plain"),
        "server": database.connection({**parameters, "database": "postgres"}),
        "target_connection": database.connection({**parameters, "database": target}),
        "target": target,
        "live": parameters["database"],
        "password": password,
        "local": "yes" if database.is_local(parameters) else "no",
        "sums": (backup.facts or {}).get("sums", "md5"),
        "bytes": str((backup.facts or {}).get("size", backup.size)),
    }, secrets


def read_result(transport: Transport, backup: Backup, name: str, number: int) -> Proved:
    """What the script found about one backup. Raises ActionError where it can't be read."""
    path = result_path(backup, name, number)
    found, seconds = read_facts(transport, path)
    if seconds is None:
        raise ActionError(_("The result of the proof can't be read: %s") % path)
    if backup.kind != Backup.Kind.DATABASE:
        return Proved(seconds)
    if backup.facts is None:
        return Proved(seconds, [_("What the database held was not recorded when it was dumped. Take a new backup.")])
    return Proved(seconds, differences(Fingerprint(**backup.facts), found))


def reason(tail: bytes) -> tuple[str, str]:
    """Why the script gave up: the word for it and a sentence; both "" where it did not say."""
    last = [line for line in plain(tail).splitlines() if line.startswith("proof: ")]
    word, _colon, what = last[-1].removeprefix("proof: ").partition(": ") if last else ("", "", "")
    return (word, str(REASONS[word]) % {"what": what}) if word in REASONS else ("", "")
