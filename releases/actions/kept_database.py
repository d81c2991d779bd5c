"""The database that a restore renamed out of the way: its row, and the script that drops it when its time is over."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from django.utils.translation import gettext_lazy

from releases.actions import database
from releases.actions.ask import ask
from releases.actions.base import Script, StepContext
from releases.actions.copies import forget
from releases.actions.explain import explain_tail, plain
from releases.actions.texts import shell_text
from releases.models import Backup, KeptDatabase

REACHED_BY: Final = ("database", "user", "host", "port", "password_secret")
_FOUND: Final = re.compile(r"(\d+)\|([0-9a-f]{32})\|(\d*)\s*")
_REASONS: Final = {
    "not ours": gettext_lazy("Nothing shows that %(what)s is the one that the restore kept, so it was left alone."),
    "renamed": gettext_lazy("Somebody gave %(what)s another name, so it was left alone."),
    "commented": gettext_lazy("Somebody changed the comment of %(what)s, so it was left alone."),
    "in use": gettext_lazy("Somebody is connected to %(what)s. It is dropped when nobody is."),
    "full": gettext_lazy("The disk of %(what)s is full. Free a megabyte there first: dropping takes some room, too."),
    "not reached": gettext_lazy("The server of %(what)s could not be asked. See that the database user may log in."),
    "refused": gettext_lazy("The server refused to drop %(what)s. See that it belongs to the database user."),
}  # fmt: skip
_ERROR: Final = re.compile(r"(?:ERROR|FATAL): +([^\n]*)")


def result_path(backup: Backup, name: str) -> str:
    """Where the restore says which database it kept: a file beside the dump, gone once the row is there."""
    return str(PurePosixPath(backup.location).parent / f".{name}.kept")


def keep(context: StepContext, backup: Backup, name: str) -> KeptDatabase:
    """The row of the database that this attempt renamed to `name`; saying the same again makes no second one."""
    attempt = context.attempt
    row = KeptDatabase.objects.filter(attempt=attempt).first()
    if row is None:
        path = result_path(backup, attempt.remote_id)
        said = ask(context.transport(), 'cat "$path"\n', {"path": path}).stdout.decode(errors="replace")
        values = _values(context, name, _FOUND.fullmatch(said))
        row, _made = KeptDatabase.objects.get_or_create(attempt=attempt, defaults=values)
        forget(context.transport(), path)
    return row


def _values(context: StepContext, name: str, found: re.Match[str] | None) -> dict[str, Any]:
    parameters = context.parameters
    return {
        "environment": context.deployment.environment,
        "deployment": context.deployment,
        "host": context.attempt.host,
        "runs_on": context.planned.runs_on,
        "name": name,
        "database": parameters["database"],
        "parameters": {key: parameters[key] for key in REACHED_BY if key in parameters},
        "oid": int(found[1]) if found else None,
        "comment_md5": found[2] if found else "",
        "size": int(found[3]) if found and found[3] else None,
    }


def servers(parameters: Mapping[str, Any]) -> list[str]:
    """Where to connect to rename or drop databases, the second where the first can't be had: to neither of them."""
    others = [name for name in ("postgres", "template1") if name != parameters["database"]]
    return [database.connection({**parameters, "database": name}) for name in (others[0], others[-1])]


def drop_script(row: KeptDatabase) -> Script:
    """The script that drops it, if it still is what the restore left."""
    secret, secrets = database.password(row.parameters)
    first, second = servers(row.parameters)
    data = {
        "step_server": first,
        "step_other_server": second,
        "step_name": row.name,
        "step_database": row.database,
        "step_oid": str(row.oid or 0),
        "step_comment": row.comment_md5,
        "step_local": "yes" if database.is_local(row.parameters) else "no",
        "step_password": secret,
        "step_shown": f"$ dropdb {row.name}",
    }
    return Script(shell_text("machine.sh", "database.sh", "drop_kept_database.sh"), data, secrets)


def explain_drop(printed: bytes, exit_code: int) -> str:
    """A sentence for why it was not dropped."""
    text = plain(printed)
    last = [line for line in text.splitlines() if line.startswith("drop: ")]
    word, _colon, what = last[-1].removeprefix("drop: ").partition(": ") if last else ("", "", "")
    if word not in _REASONS:
        return explain_tail(printed, exit_code) or f"exit {exit_code}"
    said, error = str(_REASONS[word]) % {"what": what}, _ERROR.search(text)
    return f"{said} {error[1]}" if error else said
