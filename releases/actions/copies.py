"""What backup scripts leave behind: manifests on the host, and rows here."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from releases import lifecycle
from releases.actions.ask import ask
from releases.actions.base import ActionError
from releases.actions.fingerprint import Fingerprint, FingerprintUnreadable
from releases.actions.remote_words import told
from releases.actions.texts import shell_text
from releases.models import Backup, Deployment, Release, Service
from releases.remote.errors import TransferFailed
from releases.remote.transfer import download
from releases.remote.transport import Transport

_LINE = re.compile(r"([0-9a-f]{64}) (\d+) (\d+) (.+)")
_READ = 'whole "$folder"\nprintf "%s\\n" "$WHOLE"\ncat "$WHOLE/.$manifest"\n'


@dataclass(frozen=True)
class Copy:
    """One line of a manifest: a copy on the host. `location` is its whole path there."""

    sha256: str
    size: int  # bytes
    seconds: int
    location: str


def read_manifest(transport: Transport, folder: str, manifest: str) -> list[Copy]:
    """What a backup script wrote down as its result. Raises ActionError when it is not there."""
    answer = ask(transport, shell_text("machine.sh") + _READ, {"folder": folder, "manifest": manifest})
    lines = answer.stdout.decode(errors="surrogateescape").splitlines()
    found = [_LINE.fullmatch(line) for line in lines[1:]]
    if answer.exit_code != 0 or not found or not all(found):
        raise ActionError(_("The result of the backup can't be read in %s. Run the step again.") % folder)
    return [_copy(lines[0], match) for match in found if match]


def _copy(folder: str, match: re.Match[str]) -> Copy:
    name = match[4]
    location = name if name.startswith("/") else f"{folder.rstrip('/')}/{name}"
    return Copy(match[1], int(match[2]), int(match[3]), location)


def read_facts(transport: Transport, path: str) -> tuple[Fingerprint, float | None]:
    """What a script wrote down of a database, and the seconds a restore took where it says so; however long it is.

    Raises ActionError where there is none that is whole.
    """
    with tempfile.TemporaryDirectory(prefix="cloudwiki-facts-") as folder:
        target = Path(folder) / "facts"
        try:
            download(transport, path, target, progress=lambda done, total: None, stop=lambda: False)
            with target.open(encoding="utf-8", errors="replace") as lines:
                return Fingerprint.parse(lines)
        except TransferFailed as error:
            raise ActionError(told(error)) from error
        except FingerprintUnreadable as error:
            raise ActionError(_("What the database holds can't be read: %s") % error) from error


def forget(transport: Transport, path: str) -> None:
    """Remove a file that a script left for us."""
    ask(transport, 'rm -f "$path"\n', {"path": path})


def step_of(backup: Backup) -> Mapping[str, Any] | None:
    """What the plan says of the step that made a backup; None where no step did."""
    if backup.attempt is None:
        return None
    step = backup.attempt.step
    entries = step.deployment.plan.content["steps"]
    return next((entry for entry in entries if entry["key"] == step.key), None)


def service_of(deployment: Deployment, key: str) -> Service | None:
    """The project's service with this short name."""
    return deployment.environment.project.services.filter(key=key).first() if key else None


def running_release(deployment: Deployment) -> Release | None:
    """What runs in the environment before this deployment: a backup holds that one."""
    ran = deployment.environment.deployments.filter(status=lifecycle.SUCCEEDED).exclude(pk=deployment.pk)
    last = ran.select_related("release").order_by("-finished_at").first()
    return last.release if last else None
