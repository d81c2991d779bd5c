"""Restoring a dump into a new database, which then takes the place of the live one."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.actions import database, kept_database
from releases.actions.base import ActionError, Script, ScriptAction, StepContext
from releases.actions.explain import explain_tail, plain
from releases.actions.restorable import dump_for
from releases.actions.texts import shell_text, shown
from releases.models import Backup

_REASONS: Final = {
    "no dump": gettext_lazy("The dump %(what)s is not there any more. Nothing was changed; put its copy back there."),
    "damaged": gettext_lazy("The dump %(what)s is damaged. Nothing was changed; put its copy back there."),
    "too little room": gettext_lazy("Too little room to restore: %(what)s. Nothing was changed; free some space."),
    "no database": gettext_lazy("There is no database %(what)s to replace. Correct its name, or restore by hand."),
    "left over": gettext_lazy("What an earlier try left beside %(what)s can't be removed. See the log, and drop it."),
    "could not create": gettext_lazy(
        "The new database %(what)s could not be made. The live one is as it was; see the log."
    ),
    "could not restore": gettext_lazy(
        "The dump %(what)s could not be restored. The live one is as it was; see the log."
    ),
    "could not set": gettext_lazy(
        "The new database can't get the settings of %(what)s, which is as it was; see the log."
    ),
    "could not swap": gettext_lazy(
        "The new database could not take the place of %(what)s, which is as it was; see the log."
    ),
}
_ERROR: Final = re.compile(r"(?:ERROR|FATAL): +([^\n]*)")
_LONGEST: Final = 63  # bytes of a name in PostgreSQL


class Names(NamedTuple):
    """`stem` and eight letters is the name of a database being restored: `new`. `before`: the replaced one's."""

    stem: str
    new: str
    before: str


class RestoreDatabase(ScriptAction):
    """The live database is renamed, never dropped: what was written since the backup stays in it."""

    kind = "restore_database"

    def script(self, context: StepContext) -> Script:
        parameters = context.parameters
        row = dump_for(context.deployment, parameters, context.attempt.host)
        return restore_script(parameters, row, context.attempt.remote_id, shown(context.planned.lines))

    def succeeded(self, context: StepContext) -> None:
        parameters = context.parameters
        row = dump_for(context.deployment, parameters, context.attempt.host)
        before = names(parameters["database"], context.attempt.remote_id).before
        kept = kept_database.keep(context, row, before)
        context.evidence |= {"database": parameters["database"], "kept": before, "kept_oid": kept.oid}
        context.evidence |= {"backup": row.pk, "location": row.location, "size": row.size, "sha256": row.sha256}

    def explain(self, exit_code: int, tail: bytes) -> str:
        text = plain(tail)
        found = re.findall(r"^restore: ([^:\n]+): (.+)$", text, re.MULTILINE)
        if not found or found[-1][0] not in _REASONS:
            return explain_tail(tail, exit_code)
        said = [str(_REASONS[found[-1][0]]) % {"what": found[-1][1]}]
        error = _ERROR.search(text)
        if error:
            said.append(_("PostgreSQL said: %s") % error[1])
        return " ".join(said)


def names(name: str, attempt: str) -> Names:
    """The names that an attempt uses beside the database `name`, none longer than PostgreSQL takes."""
    short = attempt[:8]
    room = _LONGEST - len("_restore_") - len(short)
    start = name.encode()[:room].decode(errors="ignore")
    stem = f"{start}_restore_"
    return Names(stem, f"{stem}{short}", f"{start}_before_{short}")


def restore_script(parameters: Mapping[str, Any], row: Backup, attempt: str, lines: str) -> Script:
    """The script that restores the dump of `row`. Raises ActionError for a name that no line of a log can hold."""
    live = parameters["database"]
    if re.search(r"[\x00-\x1f\x7f]", live):
        raise ActionError(_("%s can't be the name of a database here. Use one without line breaks.") % repr(live))
    secret, secrets = database.password(parameters)
    called = names(live, attempt)
    first, second = kept_database.servers(parameters)
    data = {
        "step_server": first,
        "step_other_server": second,
        "step_new_connection": database.connection({**parameters, "database": called.new}),
        "step_password": secret,
        "step_local": "yes" if database.is_local(parameters) else "no",
        "step_database": live,
        "step_stem": called.stem,
        "step_new": called.new,
        "step_before": called.before,
        "step_kept": kept_database.result_path(row, attempt),
        "step_location": row.location,
        "step_sum": row.sha256,
        "step_jobs": str(parameters.get("jobs", 1)),
        "step_shown": lines,
    }
    return Script(shell_text("machine.sh", "database.sh", "restore_database.sh"), data, secrets)
