"""Dumping a database on its host, and keeping a copy on the controller."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from django.utils.translation import gettext as _

from releases.actions import database, store_copies
from releases.actions.backup_files import explain_backup, origin_of
from releases.actions.base import ActionError, Script, ScriptAction, StepContext
from releases.actions.copies import Origin, forget, read_facts, read_manifest, series_of_dump
from releases.actions.store_copies import Way, way_of
from releases.actions.texts import shell_text, shown
from releases.models import Backup

REACHED_BY: Final = ("database", "user", "host", "port", "password_secret", "format", "service")
SUMS: Final = "columns"  # how the rows of new dumps are summed up (fingerprint.sql)


class BackupDatabase(ScriptAction):
    """`pg_dump` into a file that was not there before; the copy on the controller has the same SHA-256."""

    kind = "backup_database"

    def script(self, context: StepContext) -> Script:
        lines = shown(context.planned.lines)
        return dump_script(context.parameters, context.attempt.remote_id, lines, origin_of(context))

    def succeeded(self, context: StepContext) -> None:
        folder = str(context.deployment.pk)
        way = way_of(context)
        row = keep_dump(origin_of(context), context.parameters, folder, way)
        context.evidence |= {"backup": row.pk, "location": row.location, "copy": row.copy_location}
        context.evidence |= {"size": row.size, "sha256": row.sha256, "seconds": row.seconds}

    def explain(self, exit_code: int, tail: bytes) -> str:
        return explain_backup(tail, exit_code)


def dump_script(parameters: Mapping[str, Any], name: str, lines: str, origin: Origin) -> Script:
    """The script that dumps a database; `name` makes its results its own."""
    secret, secrets = database.password(parameters)
    data = {
        "step_connection": database.connection(parameters),
        "step_password": secret,
        "step_format": parameters.get("format", "plain"),
        "step_jobs": str(parameters.get("jobs", 1)),
        "step_expected": str(_last_size(origin, series_of_dump(parameters))),
        "step_destination": parameters["destination"],
        "step_manifest": name,
        "step_fingerprint": shell_text("fingerprint.sql"),
        "step_sequences": shell_text("sequences.sql"),
        "step_sums": SUMS,
        "step_shown": lines,
    }
    return Script(shell_text("machine.sh", "database.sh", "fingerprint.sh", "backup_database.sh"), data, secrets)


def _last_size(origin: Origin, series: str) -> int:
    """Bytes of the newest dump of the same database, which the next one will take about; 0 where there is none."""
    rows = origin.environment.backups.filter(kind=Backup.Kind.DATABASE, host=origin.host, series=series)
    return rows.order_by("-created_at").values_list("size", flat=True).first() or 0


def keep_dump(origin: Origin, parameters: Mapping[str, Any], folder: str, way: Way) -> Backup:
    """The row of a dump, with what the database held and a copy in `folder` of the environment's backups here.

    Raises ActionError where it can't be read or fetched.
    """
    destination = str(PurePosixPath(parameters["destination"]).parent)
    copy = read_manifest(way.transport, "~" if destination == "." else destination, way.name)[0]
    kept = store_copies.keep(origin.environment, copy, folder, way)
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


def _facts(way: Way, path: str) -> dict[str, Any] | None:
    """What the database held. A dump without that is kept, too: it can be restored, but not proved."""
    try:
        found, _restored = read_facts(way.transport, path)
    except ActionError as error:
        way.say(str(error))
        return None
    way.say(_("%(tables)s tables, %(rows)s rows") % {"tables": len(found.tables), "rows": found.rows})
    return found.to_json()
