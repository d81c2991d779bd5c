"""The store of Cloud Wiki's own copies of backups: a folder here or a bucket, encrypted with a key of its own.

A copy is an age file (https://age-encryption.org/v1), so that whoever holds the key file can open it with `age`, too.
The bytes pass through files: whatever a copy's size, memory stays bounded.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyrage
from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import Storage, storages
from django.utils.translation import gettext as _

from cloudwiki import keys
from releases.models import Backup

CHUNK: Final = 1 << 20  # bytes read at once
MARGIN: Final = 64 << 20  # bytes that stay free here beside what is kept
_KEY: Final = "AGE-SECRET-KEY-"  # begins a key; other lines of a key file are comments
_PASSING: Final = ".passing-"  # begins the name of a folder for files on their way
YOUNG: Final = 60  # seconds in which such a folder may not be locked yet
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class StoreError(Exception):
    """A copy can't be kept, read or removed. `str()` is a translated sentence with the mend."""


def put(source: Path, name: str) -> str:
    """Encrypt `source` and keep it under `name` or one like it; returns the name in the store. Raises StoreError."""
    identity = _identities()[0]
    with _passing() as sealed:
        with source.open("rb") as plain, written(sealed) as target:
            pyrage.encrypt_io(plain, target, [identity.to_public()])
        with sealed.open("rb") as file, _told(name):
            return _storage().save(f"{name}.age", _Movable(file))


def sha256_of(path: Path) -> Collection[str]:
    """The digest of a file."""
    with path.open("rb") as file:
        return {hashlib.file_digest(file, "sha256").hexdigest()}


def get(name: str, target: Path, sha256: str, digests: Callable[[Path], Collection[str]] = sha256_of) -> None:
    """Fetch a copy to the file `target`, decrypted. Raises StoreError, also where it is not what it should be.

    `digests`: what can be said of the file; `sha256` must be among it.
    """
    identities = _identities()
    require_room(target.parent, _size(name))
    with _passing() as sealed:
        with _told(name), _storage().open(name) as kept, written(sealed) as file:
            shutil.copyfileobj(kept, file, CHUNK)
        try:
            with sealed.open("rb") as file, written(target) as plain:
                pyrage.decrypt_io(file, plain, identities)
        except pyrage.DecryptError as error:
            target.unlink(missing_ok=True)
            raise StoreError(
                _("The copy %(name)s can't be opened with the keys in %(key)s. Add the one that it was kept with.")
                % {"name": name, "key": settings.BACKUPS_KEY_FILE}
            ) from error
    if sha256 not in digests(target):
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
    _sweep()
    with tempfile.TemporaryDirectory(prefix=_PASSING, dir=settings.BACKUPS_DIR) as folder:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)  # goes with this process, however that ends
            yield Path(folder)
        finally:
            os.close(descriptor)


def _sweep() -> None:
    """Remove what a killed process left on its way: it is not encrypted."""
    for left in Path(settings.BACKUPS_DIR).glob(f"{_PASSING}*"):
        with suppress(OSError):  # in use, or gone already
            descriptor = os.open(left, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - left.stat().st_mtime > YOUNG:
                    shutil.rmtree(left)
            finally:
                os.close(descriptor)


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file to write, on the disk when all went well and gone when not. Raises StoreError where the disk is full."""
    with path.open("wb", buffering=0) as file:
        watched = _Watched(file)
        try:
            with full_told():
                yield watched  # type: ignore[misc]
                os.fsync(file.fileno())
        except Exception:
            path.unlink(missing_ok=True)
            with full_told():
                if watched.refused:
                    raise watched.refused from None
            raise


@contextmanager
def full_told() -> Iterator[None]:
    """A full disk as a sentence. Raises StoreError."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        sentence = _("The disk of %s filled up. Older backups are as they were; remove those that nobody needs.")
        raise StoreError(sentence % settings.BACKUPS_DIR) from error


class _Watched:
    """A file that keeps in mind what refused a write: the library that writes tells it only in words of its own."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.refused: OSError | None = None

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self.refused = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


class _Movable(File):  # type: ignore[type-arg]
    """A file that a store on the same disk takes by a rename: a second copy would need the room again."""

    def temporary_file_path(self) -> str:
        return str(self.name)


@contextmanager
def _passing() -> Iterator[Path]:
    with passing_folder() as folder:
        yield folder / "sealed"


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What the store's library raises, as a sentence without its addresses and keys."""
    try:
        with full_told():
            yield
    except StoreError:
        raise
    except Exception as error:
        kind = type(error).__name__
        sentence = _("The backup store could not be reached or refused %(name)s (%(kind)s). Look at its settings.")
        raise StoreError(sentence % {"name": name, "kind": kind}) from error


def _size(name: str) -> int:
    with _told(name):
        return _storage().size(name)


def _storage() -> Storage:
    return storages["backups"]


def _identities() -> list[Any]:
    """The keys that open copies, a line each, the one in use first; its public half closes new ones. Raises StoreError.

    A file that is missing is made only where no copy was kept yet: with another key the older ones could not be opened.
    """
    path = Path(settings.BACKUPS_KEY_FILE)
    if not path.exists() and Backup.objects.exclude(copy_location="").exists():
        raise StoreError(_("The key of backups is missing in %s. Put it back there: copies were kept with it.") % path)
    try:
        words = keys.read_or_create(path, keys.make_backups_key).decode().split()
        found = [pyrage.x25519.Identity.from_str(word) for word in words if word.startswith(_KEY)]
    except (OSError, ValueError, pyrage.IdentityError) as error:
        raise StoreError(_unreadable(path)) from error
    if not found:
        raise StoreError(_unreadable(path))
    return found


def _unreadable(path: Path) -> str:
    return _("The key of backups in %s can't be read. Put an age key there (AGE-SECRET-KEY-1...).") % path
