"""The store of Cloud Wiki's own copies of backups: a folder here or a bucket, encrypted with a key of its own.

A copy is an age file (https://age-encryption.org/v1), so that whoever holds the key file can open it with `age`, too.
The bytes pass through files: whatever a copy's size, memory stays bounded.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyrage
from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import Storage, storages
from django.utils.translation import gettext as _

from cloudwiki import keys

CHUNK: Final = 1 << 20  # bytes read at once
MARGIN: Final = 64 << 20  # bytes that stay free here beside what is kept


class StoreError(Exception):
    """A copy can't be kept, read or removed. `str()` is a translated sentence with the mend."""


def put(source: Path, name: str) -> str:
    """Encrypt `source` and keep it under `name` or one like it; returns the name in the store. Raises StoreError."""
    identity = _identity()
    with _passing() as sealed:
        with source.open("rb") as plain, sealed.open("wb") as target:
            pyrage.encrypt_io(plain, target, [identity.to_public()])
        with sealed.open("rb") as file, _told(name):
            return _storage().save(f"{name}.age", File(file))


def get(name: str, target: Path, sha256: str) -> None:
    """Fetch a copy to the file `target`, decrypted. Raises StoreError, also where it is not what it should be."""
    identity = _identity()
    require_room(target.parent, _size(name))
    with _passing() as sealed:
        with _told(name), _storage().open(name) as kept, sealed.open("wb") as file:
            shutil.copyfileobj(kept, file, CHUNK)
        try:
            with sealed.open("rb") as file, target.open("wb") as plain:
                pyrage.decrypt_io(file, plain, [identity])
        except pyrage.DecryptError as error:
            target.unlink(missing_ok=True)
            raise StoreError(
                _("The copy %(name)s can't be opened with the key in %(key)s. Put the key there that it was kept with.")
                % {"name": name, "key": settings.BACKUPS_KEY_FILE}
            ) from error
    if _sha256(target) != sha256:
        target.unlink(missing_ok=True)
        raise StoreError(_("The copy %s is damaged: its SHA-256 differs.") % name)


def remove(name: str) -> None:
    """Remove a copy; it need not be there. Raises StoreError."""
    with _told(name):
        _storage().delete(name)


def require_room(folder: Path, size: int) -> None:
    """Raise StoreError unless `size` more bytes, twice (as they are and encrypted), fit on the disk of `folder`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < 2 * size + MARGIN:
        words = {"folder": folder, "free": free // 1_000_000, "needed": (2 * size + MARGIN) // 1_000_000}
        sentence = _("Too little room in %(folder)s: %(needed)s MB needed, %(free)s MB free. Remove old backups.")
        raise StoreError(sentence % words)


@contextmanager
def passing_folder() -> Iterator[Path]:
    """A folder on the disk of the store's own folder for files on their way; gone afterwards."""
    Path(settings.BACKUPS_DIR).mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".passing-", dir=settings.BACKUPS_DIR) as folder:
        yield Path(folder)


@contextmanager
def _passing() -> Iterator[Path]:
    with passing_folder() as folder:
        yield folder / "sealed"


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What the store's library raises, as a sentence without its addresses and keys."""
    try:
        yield
    except Exception as error:
        kind = type(error).__name__
        sentence = _("The backup store could not be reached or refused %(name)s (%(kind)s). Look at its settings.")
        raise StoreError(sentence % {"name": name, "kind": kind}) from error


def _size(name: str) -> int:
    with _told(name):
        return _storage().size(name)


def _storage() -> Storage:
    return storages["backups"]


def _identity() -> Any:
    """The key that opens copies; its public half closes them. Raises StoreError."""
    try:
        text = keys.read_or_create(Path(settings.BACKUPS_KEY_FILE), keys.make_backups_key).decode()
        return pyrage.x25519.Identity.from_str(text.split()[-1])
    except (OSError, ValueError, IndexError, pyrage.IdentityError) as error:
        sentence = _("The key of backups in %s can't be read. Put an age key there (AGE-SECRET-KEY-1...).")
        raise StoreError(sentence % settings.BACKUPS_KEY_FILE) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
