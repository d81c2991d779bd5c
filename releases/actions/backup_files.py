"""Copying files and folders on a host before they are replaced."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.actions import store_copies
from releases.actions.base import ActionError, Script, ScriptAction, StepContext
from releases.actions.copies import Copy, Origin, read_manifest, series_of_files
from releases.actions.explain import explain_tail, plain
from releases.actions.texts import shell_text, shown
from releases.models import Backup

_REASONS = {
    "no file": gettext_lazy("There is no file %(what)s to back up. At a first deployment, skip the step."),
    "no folder": gettext_lazy("There is no folder %(what)s to back up. At a first deployment, skip the step."),
    "no such place": gettext_lazy("The backup folder %(what)s can't be made. Let the login write there."),
    "too little room": gettext_lazy("Too little room for the backup: %(what)s. Remove old backups."),
    "changed while it was copied": gettext_lazy("%(what)s changed while it was copied. Try again when it is at rest."),
}


class BackupFiles(ScriptAction):
    """Each copy has a name of its own; a link such as app.jar.bak names the newest. No old copy is ever touched.

    With `store`, an encrypted copy of each is kept in the store, too.
    """

    kind = "backup_files"

    def script(self, context: StepContext) -> Script:
        parameters = context.parameters
        return files_script(
            parameters["files"],
            parameters["destination"],
            f"{context.deployment.pk}-{context.attempt.number}",
            context.attempt.remote_id,
            shown(context.planned.lines),
        )

    def succeeded(self, context: StepContext) -> None:
        parameters = context.parameters
        copies = read_manifest(context.transport(), parameters["destination"], context.attempt.remote_id)
        service = parameters.get("service", "")
        rows = keep_files(origin_of(context), parameters["files"], copies, service)
        made = [{"id": row.pk, "location": row.location, "size": row.size, "sha256": row.sha256} for row in rows]
        context.evidence["backups"] = made
        if parameters.get("store"):  # what the host has counts, even where the store takes no copy of it
            store_copies.keep_each(rows, str(context.deployment.pk), store_copies.way_of(context))
            context.evidence["backups"] = [
                {**entry, "copy": row.copy_location} for entry, row in zip(made, rows, strict=True)
            ]

    def explain(self, exit_code: int, tail: bytes) -> str:
        return explain_backup(tail, exit_code)


def origin_of(context: StepContext) -> Origin:
    """The step that makes a backup."""
    deployment, attempt = context.deployment, context.attempt
    return Origin(deployment.environment, attempt.host, deployment, attempt, created_by=deployment.started_by)


def files_script(
    files: Iterable[Mapping[str, Any]], destination: str, suffix: str, manifest: str, lines: str
) -> Script:
    """The script that copies `files` ({path, link, folder}); `suffix` makes the copies' names their own.

    Raises ActionError for a link that is not a plain file name.
    """
    data = {"step_destination": destination, "step_suffix": suffix, "step_manifest": manifest, "step_shown": lines}
    count = 0
    for count, entry in enumerate(files, start=1):
        link = entry["link"]
        if not re.fullmatch(r"[^/\s\x00-\x1f]+", link) or link in {".", ".."}:
            raise ActionError(_("%s can't name a backup. Use a plain file name such as app.jar.bak.") % link)
        data[f"step_path_{count}"] = entry["path"]
        data[f"step_link_{count}"] = link
        data[f"step_folder_{count}"] = "yes" if entry.get("folder") else "no"
    return Script(shell_text("machine.sh", "backup_files.sh"), {**data, "step_count": str(count)})


def keep_files(
    origin: Origin, files: Iterable[Mapping[str, Any]], copies: Iterable[Copy], service: str
) -> list[Backup]:
    """A row for each copy, in order. `service`: a short name, or ""."""
    rows = []
    for entry, copy in zip(files, copies, strict=True):
        link = entry["link"]
        values = {"name": link, "series": series_of_files(link), "is_folder": bool(entry.get("folder"))}
        rows.append(origin.keep(copy, service, {**values, "kind": Backup.Kind.FILES}))
    return rows


def explain_backup(tail: bytes, exit_code: int) -> str:
    """A sentence for what the backup scripts say when they fail."""
    found = re.findall(r"^backup: ([^:\n]+): (.+)$", plain(tail), re.MULTILINE)
    if found and found[-1][0] in _REASONS:
        return str(_REASONS[found[-1][0]]) % {"what": found[-1][1]}
    if "backup: the dump is not whole" in plain(tail):
        return _("The dump is not whole. Nothing of an older backup was touched; try again.")
    return explain_tail(tail, exit_code)
