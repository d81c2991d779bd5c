"""The files that will be replaced were backed up lately; if not, that is done now."""

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from releases import lifecycle
from releases.actions.ask import ask
from releases.actions.backup_files import explain_backup, files_script, keep_files
from releases.actions.base import ActionError
from releases.actions.copies import Origin, read_manifest
from releases.actions.texts import shell_text, size
from releases.models import Backup, Deployment, Host
from releases.proofs.evidence import Evidence, line
from releases.proofs.places import fill, host_of, machine
from releases.remote.transport import Transport

SECONDS: Final = 600.0  # for taking a backup
_PRESENT = 'whole "$path"\nif [ -e "$WHOLE" ]; then echo yes; else echo no; fi\n'
_SIZE = r"""
if [ -d "$path" ]; then find "$path/." -type f -exec stat -c %s {} + | awk '{ n += $1 } END { printf "%.0f", n }'
else stat -L -c %s "$path"; fi
"""


def prove(parameters: Mapping[str, Any], deployment: Deployment) -> Evidence:
    """Look for a young backup of each file, taken since the last deployment and still there with its size.

    Where one is missing, it is taken now.
    """
    role = parameters["runs_on"]
    host = host_of(deployment, role)
    destination = fill(parameters["destination"], deployment, role)
    files = [{**entry, "path": fill(entry["path"], deployment, role)} for entry in parameters["files"]]
    hours = int(parameters.get("max_age_hours", 24))
    with machine(deployment, role) as transport:
        seen, files = _nothing_yet(deployment, transport, files)
        found = {entry["link"]: _young(deployment, host, transport, entry, hours) for entry in files}
        missing = [entry for entry in files if found[entry["link"]] is None]
        if missing:
            rows = _take(deployment, host, transport, missing, destination, parameters.get("service", ""))
            found |= {row.name: row for row in rows}
    seen += [_seen(row) for row in found.values() if row is not None]
    taken = len(missing)
    note = ngettext("%s backup was taken now.", "%s backups were taken now.", taken) % taken if taken else ""
    return Evidence(True, seen, note)


def _nothing_yet(
    deployment: Deployment, transport: Transport, files: list[dict[str, Any]]
) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """At the very first deployment there may be nothing to back up; later a missing file is a failure."""
    if deployment.environment.deployments.of_software().filter(status=lifecycle.SUCCEEDED).exists():
        return [], files
    seen, present = [], []
    for entry in files:
        answer = ask(transport, shell_text("machine.sh") + _PRESENT, {"path": entry["path"]})
        if answer.stdout.strip() == b"no":
            seen.append(line(entry["link"], _("%s is not there yet: nothing to back up") % entry["path"]))
        else:
            present.append(entry)
    return seen, present


def _young(
    deployment: Deployment, host: Host | None, transport: Transport, entry: Mapping[str, Any], hours: int
) -> Backup | None:
    since = max(timezone.now() - timedelta(hours=hours), _replaced_at(deployment))
    rows = deployment.environment.backups.kept().filter(kind=Backup.Kind.FILES, host=host, name=entry["link"])
    row = rows.filter(created_at__gte=since).order_by("-created_at").first()
    if row is None:
        return None
    answer = ask(transport, _SIZE, {"path": row.location})
    return row if answer.stdout.strip() == str(row.size).encode() else None


def _replaced_at(deployment: Deployment) -> datetime:
    """When the last deployment there ended: it may have replaced the files, so older backups hold others."""
    ended = deployment.environment.deployments.exclude(pk=deployment.pk).aggregate(at=Max("finished_at"))["at"]
    return ended or datetime.min.replace(tzinfo=UTC)


def _take(
    deployment: Deployment,
    host: Host | None,
    transport: Transport,
    files: list[dict[str, Any]],
    destination: str,
    service: str,
) -> list[Backup]:
    """Back the files up as the step would. Raises ActionError; a running deployment may be replacing them."""
    if deployment.environment.deployments.filter(status__in=lifecycle.ACTIVE).exists():
        raise ActionError(_("A deployment runs there and may be replacing these files. Check again when it has ended."))
    manifest = f"proof-{uuid.uuid4().hex}"
    script = files_script(files, destination, f"{deployment.pk}-p{int(time.time())}", manifest, "backup")
    answer = ask(transport, script.text, script.parameters, seconds=SECONDS)
    if answer.exit_code != 0:
        said = explain_backup(answer.stderr, answer.exit_code or 0) or _("The backup failed.")
        raise ActionError(f"{said} {answer.stderr.decode(errors='replace')[-200:]}".strip())
    copies = read_manifest(transport, destination, manifest)
    who = deployment.started_by or deployment.requested_by
    return keep_files(Origin(deployment.environment, host, deployment, created_by=who), files, copies, service)


def _seen(row: Backup) -> dict[str, str]:
    local = row.environment.local(row.created_at)
    return line(row.name, f"{row.location}  {size(row.size)}  {local:%Y-%m-%d %H:%M}  sha256 {row.sha256[:12]}…")
