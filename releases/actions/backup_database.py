"""Dumping a database on its host, and keeping a copy on the controller."""

from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from releases.actions import database
from releases.actions.backup_files import explain_backup
from releases.actions.base import ActionError, Script, ScriptAction, StepContext
from releases.actions.copies import Copy, forget, read_facts, read_manifest, running_release, service_of
from releases.actions.remote_words import told
from releases.actions.texts import shell_text, shown
from releases.models import Backup
from releases.remote.errors import TransferFailed
from releases.remote.transfer import download


class BackupDatabase(ScriptAction):
    """`pg_dump` into a file that was not there before; the copy on the controller has the same SHA-256."""

    kind = "backup_database"

    def script(self, context: StepContext) -> Script:
        parameters = context.parameters
        name, secrets = database.password(parameters)
        data = {
            "step_connection": database.connection(parameters),
            "step_password": name,
            "step_format": parameters.get("format", "plain"),
            "step_destination": parameters["destination"],
            "step_manifest": context.attempt.remote_id,
            "step_fingerprint": shell_text("fingerprint.sql"),
            "step_sequences": shell_text("sequences.sql"),
            "step_shown": shown(context.planned.lines),
        }
        return Script(shell_text("machine.sh", "database.sh", "fingerprint.sh", "backup_database.sh"), data, secrets)

    def succeeded(self, context: StepContext) -> None:
        parameters, attempt = context.parameters, context.attempt
        folder = str(PurePosixPath(parameters["destination"]).parent)
        copy = read_manifest(context.transport(), "~" if folder == "." else folder, attempt.remote_id)[0]
        kept = self._fetch(context, copy)
        facts = str(PurePosixPath(copy.location).parent / f".{attempt.remote_id}.facts")
        row = self._row(context, copy, kept, self._facts(context, facts))
        forget(context.transport(), facts)
        context.evidence |= {"backup": row.pk, "location": row.location, "copy": kept}
        context.evidence |= {"size": row.size, "sha256": row.sha256, "seconds": row.seconds}

    def explain(self, exit_code: int, tail: bytes) -> str:
        return explain_backup(tail, exit_code)

    def _fetch(self, context: StepContext, copy: Copy) -> str:
        """Copy the dump into the controller's backup folder; returns its path below that folder."""
        environment = context.deployment.environment
        kept = Path(environment.project.slug, environment.key, str(context.deployment.pk))
        kept /= f"{context.attempt.remote_id[:8]}-{PurePosixPath(copy.location).name}"
        target = Path(settings.BACKUPS_DIR) / kept
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            # Not stopped half way: a worker that has to leave is followed by one that begins this copy anew.
            moved = download(context.transport(), copy.location, target, progress=context.progress, stop=lambda: False)
        except TransferFailed as error:
            raise ActionError(told(error)) from error
        target.chmod(0o600)
        if moved.sha256 != copy.sha256:
            target.unlink()
            raise ActionError(_("%s changed after it was dumped. Run the step again.") % copy.location)
        return str(kept)

    def _facts(self, context: StepContext, path: str) -> dict[str, Any] | None:
        """What the database held. A dump without that is kept, too: it can be restored, but not proved."""
        try:
            found, _restored = read_facts(context.transport(), path)
        except ActionError as error:
            context.say(str(error))
            return None
        words = {"tables": len(found.tables), "rows": found.rows}
        context.say(_("%(tables)s tables, %(rows)s rows") % words)
        return found.to_json()

    def _row(self, context: StepContext, copy: Copy, kept: str, facts: dict[str, Any] | None) -> Backup:
        deployment, attempt = context.deployment, context.attempt
        values = {
            "environment": deployment.environment,
            "service": service_of(deployment, context.parameters.get("service", "")),
            "host": attempt.host,
            "release": running_release(deployment),
            "deployment": deployment,
            "kind": Backup.Kind.DATABASE,
            "name": PurePosixPath(copy.location).name,
            "copy_location": kept,
            "size": copy.size,
            "sha256": copy.sha256,
            "seconds": copy.seconds,
            "facts": facts,
            "created_by": deployment.started_by,
        }
        return Backup.objects.get_or_create(attempt=attempt, location=copy.location, defaults=values)[0]
