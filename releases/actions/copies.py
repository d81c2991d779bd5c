"""What backup scripts leave behind: manifests on the host, and rows here."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from releases.actions.ask import ask
from releases.actions.base import ActionError
from releases.actions.fingerprint import Fingerprint, FingerprintUnreadable
from releases.actions.remote_words import told
from releases.actions.texts import shell_text
from releases.models import Attempt, Backup, BackupOrder, Deployment, Environment, Host, Service, User
from releases.remote.errors import TransferFailed
from releases.remote.transfer import download
from releases.remote.transport import Transport
from releases.way_back import running

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
            download(transport, path, target, progress=lambda done, total: None, stop=lambda: False, passing=True)
            with target.open(encoding="utf-8", errors="replace") as lines:
                return Fingerprint.parse(lines)
        except TransferFailed as error:
            raise ActionError(told(error)) from error
        except FingerprintUnreadable as error:
            raise ActionError(_("What the database holds can't be read: %s") % error) from error


def forget(transport: Transport, path: str) -> None:
    """Remove a file that a script left for us."""
    ask(transport, 'rm -f "$path"\n', {"path": path})


def service_of(environment: Environment, key: str) -> Service | None:
    """The project's service with this short name."""
    return environment.project.services.filter(key=key).first() if key else None


def series_of_files(link: str) -> str:
    """What copies of the same files on one host have in common."""
    return link


def series_of_dump(parameters: Mapping[str, Any]) -> str:
    """What dumps of the same database have in common, as the runbook names it: NAME at SERVER:PORT."""
    server = parameters.get("host") or "-"
    return f"{parameters['database']} {server}:{parameters.get('port', '5432')}"


@dataclass(frozen=True)
class Origin:
    """Who or what makes a backup, and of which environment's host."""

    environment: Environment
    host: Host | None
    deployment: Deployment | None = None
    attempt: Attempt | None = None
    order: BackupOrder | None = None
    created_by: User | None = None

    def keep(self, copy: Copy, service: str, values: Mapping[str, Any]) -> Backup:
        """The row of a copy; saying the same again makes no second one. `service` is a short name, or ""."""
        common = {
            "environment": self.environment,
            "host": self.host,
            "attempt": self.attempt,
            "order": self.order,
            "location": copy.location,
        }
        belongs_to = service_of(self.environment, service)
        defaults = {
            "service": belongs_to,
            "release": running(self.environment, belongs_to, before=self.deployment),
            "deployment": self.deployment,
            "created_by": self.created_by,
            "size": copy.size,
            "sha256": copy.sha256,
            "seconds": copy.seconds,
            **values,
        }
        return Backup.objects.get_or_create(**common, defaults=defaults)[0]
