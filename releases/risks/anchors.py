"""Anchors of the audit log: the head of its chain, kept in the store of backups.

Who owns the database can rebuild the whole chain; what was kept outside of it shows that. An anchor is a small file
whose name says it all: when, the number of the last event, and its hash.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.utils.translation import gettext_lazy as _

from releases.models import AuditHead
from releases.risks.finding import CannotLook, say

FOLDER = "audit-anchors"
_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Anchor:
    """What the chain was at a moment."""

    at: datetime
    sequence: int
    hash: str


def keep(head: AuditHead, now: datetime) -> None:
    """Keep the head in the store."""
    name = f"{FOLDER}/{now.astimezone(UTC):{_TIME}}-{head.sequence}-{head.hash}"
    storages["backups"].save(name, ContentFile(name.encode()))


def kept() -> list[Anchor]:
    """What was kept, oldest first. Raises CannotLook when the store can't be reached."""
    store = storages["backups"]
    try:
        names = store.listdir(FOLDER)[1]
    except FileNotFoundError:
        return []
    except Exception as error:  # a bucket's client has errors of its own
        said = say(_("The store of backups could not be listed: %(why)s."), why=type(error).__name__)
        raise CannotLook(said) from error
    found = (_read(name) for name in names)
    return sorted((one for one in found if one), key=lambda one: (one.at, one.sequence))


def is_elsewhere() -> bool:
    """The store is a bucket, not a folder beside the database."""
    return not isinstance(storages["backups"], FileSystemStorage)


def _read(name: str) -> Anchor | None:
    parts = name.split("-")
    if len(parts) < 3 or not parts[1].isdecimal():
        return None
    try:
        at = datetime.strptime(parts[0], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Anchor(at, int(parts[1]), parts[2][:64])
