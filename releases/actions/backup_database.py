"""Dumping a database on its host, and keeping a copy on the controller."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from django.utils.translation import gettext as _

from releases import stores
from releases.actions import database
from releases.actions.backup_files import explain_backup, origin_of
from releases.actions.base import ActionError, Script, ScriptAction, StepContext
from releases.actions.copies import Copy, Origin, forget, read_facts, read_manifest, series_of_dump
from releases.actions.remote_words import told
from releases.actions.texts import shell_text, shown
from releases.models import Backup, Environment
from releases.remote.errors import TransferFailed
from releases.remote.transfer import download
from releases.remote.transport import Transport

REACHED_BY: Final = ("database", "user", "host", "port", "password_secret", "format", "service")


class BackupDatabase(ScriptAction):
    """`pg_dump` into a file that was not there before; the copy on the controller has the same SHA-256."""

    kind = "backup_database"

    def script(self, context: StepContext) -> Script:
        return dump_script(context.parameters, context.attempt.remote_id, shown(context.planned.lines))

    def succeeded(self, context: StepContext) -> None:
        folder = str(context.deployment.pk)
        way = Way(context.transport(), context.attempt.remote_id, context.progress, context.say)
        row = keep_dump(origin_of(context), context.parameters, folder, way)
        context.evidence |= {"backup": row.pk, "location": row.location, "copy": row.copy_location}
        context.evidence |= {"size": row.size, "sha256": row.sha256, "seconds": row.seconds}

    def explain(self, exit_code: int, tail: bytes) -> str:
        return explain_backup(tail, exit_code)


@dataclass(frozen=True)
class Way:
    """How a dump is fetched: from where, under which name its script ran, and who hears how it goes."""

    transport: Transport
    name: str
    progress: Callable[[int, int], None] = lambda done, total: None
    say: Callable[[str], None] = lambda line: None


def dump_script(parameters: Mapping[str, Any], name: str, lines: str) -> Script:
    """The script that dumps a database; `name` makes its results its own."""
    secret, secrets = database.password(parameters)
    data = {
        "step_connection": database.connection(parameters),
        "step_password": secret,
        "step_format": parameters.get("format", "plain"),
        "step_destination": parameters["destination"],
        "step_manifest": name,
        "step_fingerprint": shell_text("fingerprint.sql"),
        "step_sequences": shell_text("sequences.sql"),
        "step_shown": lines,
    }
    return Script(shell_text("machine.sh", "database.sh", "fingerprint.sh", "backup_database.sh"), data, secrets)


def keep_dump(origin: Origin, parameters: Mapping[str, Any], folder: str, way: Way) -> Backup:
    """The row of a dump, with what the database held and a copy in `folder` of the environment's backups here.

    Raises ActionError where it can't be read or fetched.
    """
    destination = str(PurePosixPath(parameters["destination"]).parent)
    copy = read_manifest(way.transport, "~" if destination == "." else destination, way.name)[0]
    kept = _fetch(origin.environment, copy, folder, way)
    facts = str(PurePosixPath(copy.location).parent / f".{way.name}.facts")
    values = {
        "kind": Backup.Kind.DATABASE,
        "name": PurePosixPath(copy.location).name,
        "series": series_of_dump(parameters),
        "parameters": {key: parameters[key] for key in REACHED_BY if key in parameters},
        "copy_location": kept,
        "facts": _facts(way, facts),
    }
    row = origin.keep(copy, parameters.get("service", ""), values)
    forget(way.transport, facts)
    return row


def _fetch(environment: Environment, copy: Copy, folder: str, way: Way) -> str:
    """Keep an encrypted copy of the dump in the store of backups; returns its name there."""
    place = PurePosixPath(environment.project.slug, environment.key, folder)
    name = str(place / f"{way.name[:8]}-{PurePosixPath(copy.location).name}")
    try:
        with stores.passing_folder() as passing:
            stores.require_room(passing, copy.size)
            target = passing / "dump"
            # Not stopped half way: a worker that has to leave is followed by one that begins this copy anew.
            moved = download(way.transport, copy.location, target, progress=way.progress, stop=lambda: False)
            if moved.sha256 != copy.sha256:
                raise ActionError(_("%s changed after it was dumped. Run the step again.") % copy.location)
            return stores.put(target, name)
    except TransferFailed as error:
        raise ActionError(told(error)) from error
    except stores.StoreError as error:
        raise ActionError(str(error)) from error


def _facts(way: Way, path: str) -> dict[str, Any] | None:
    """What the database held. A dump without that is kept, too: it can be restored, but not proved."""
    try:
        found, _restored = read_facts(way.transport, path)
    except ActionError as error:
        way.say(str(error))
        return None
    way.say(_("%(tables)s tables, %(rows)s rows") % {"tables": len(found.tables), "rows": found.rows})
    return found.to_json()
