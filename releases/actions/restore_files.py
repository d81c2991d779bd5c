"""Putting backups of files and folders back in place."""

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.actions.base import ActionError, Script, ScriptAction, StepContext
from releases.actions.explain import explain_tail, plain
from releases.actions.restorable import backup_for
from releases.actions.texts import shell_text, shown
from releases.models import Backup

_REASONS = {
    "no backup": gettext_lazy("The backup %(what)s is not there any more. Nothing was changed; put it back by hand."),
    "damaged": gettext_lazy("The backup %(what)s is damaged. Nothing was changed; use another copy of it."),
    "no such place": gettext_lazy("The folder %(what)s, where a backup belongs, is not there. Create it."),
    "a folder is there": gettext_lazy("There is a folder at %(what)s, not a file. Correct the path, or folder: true."),
    "no folder is there": gettext_lazy("What is at %(what)s is no folder. Correct the path, or remove folder: true."),
    "one path lies in another": gettext_lazy(
        "%(what)s stands twice, or lies in another path of this step. Keep one of them."
    ),
    "too little room": gettext_lazy("Too little room to restore: %(what)s. Nothing was changed; free some space."),
    "copying failed": gettext_lazy("The backup %(what)s could not be copied. Nothing was changed; see the log."),
    "could not replace": gettext_lazy("%(what)s could not be replaced. Everything is as it was; see the log."),
    "half replaced": gettext_lazy("%(what)s could neither be replaced nor put back. See the log, and look there."),
}  # fmt: skip


class RestoreFiles(ScriptAction):
    """Each backup is copied beside its target and checked; only when all are right do renames put them in place."""

    kind = "restore_files"

    def script(self, context: StepContext) -> Script:
        places = [
            {"path": entry["path"], "folder": entry.get("folder"), "location": row.location, "sha256": row.sha256}
            for entry, row in _entries(context)
        ]
        return restore_script(places, context.attempt.remote_id, shown(context.planned.lines))

    def succeeded(self, context: StepContext) -> None:
        context.evidence["restored"] = [
            {"backup": row.pk, "location": row.location, "path": entry["path"], "size": row.size, "sha256": row.sha256}
            for entry, row in _entries(context)
        ]

    def explain(self, exit_code: int, tail: bytes) -> str:
        found = re.findall(r"^restore: ([^:\n]+): (.+)$", plain(tail), re.MULTILINE)
        # What filled up or was forbidden is said by the program itself, just before.
        known = explain_tail(tail, exit_code)
        if not found or found[-1][0] not in _REASONS:
            return known
        said = str(_REASONS[found[-1][0]]) % {"what": found[-1][1]}
        return f"{said} {known}".strip() if found[-1][0] in {"copying failed", "could not replace"} else said


def restore_script(places: Collection[Mapping[str, Any]], manifest: str, lines: str) -> Script:
    """The script that puts backups ({path, folder, location, sha256}) in place; `manifest` names its own files.

    Raises ActionError for a path that can't be replaced.
    """
    data = {"step_manifest": manifest, "step_shown": lines, "step_count": str(len(places))}
    for number, place in enumerate(places, start=1):
        data[f"step_path_{number}"] = _target(place["path"])
        data[f"step_location_{number}"] = place["location"]
        data[f"step_sum_{number}"] = place["sha256"]
        data[f"step_folder_{number}"] = "yes" if place["folder"] else "no"
    return Script(shell_text("machine.sh", "restore_files.sh"), data)


def _entries(context: StepContext) -> list[tuple[dict[str, Any], Backup]]:
    """What goes where. While this deployment runs no other can start, so the answer stays the same."""
    deployment, host = context.deployment, context.attempt.host
    return [(entry, backup_for(deployment, entry["link"], host)) for entry in context.parameters["files"]]


def _target(path: str) -> str:
    """A path without slashes at its end. Raises ActionError for one that can't be replaced by a rename."""
    name = PurePosixPath(path).name
    if not name or name in {"..", "~"} or re.search(r"[\x00-\x1f\x7f]", path) or re.search(r"/\.\.?/*$", path):
        sentence = _("%s can't be restored. Use the path of a file or folder, such as /app/app.jar.")
        raise ActionError(sentence % repr(path))
    return path.rstrip("/")
