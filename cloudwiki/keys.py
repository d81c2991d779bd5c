"""Key files of this installation: made once, mode 0600, never overwritten."""

import base64
import binascii
import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyrage
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

KEY_BYTES = 32


def read_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """The file's bytes; a missing file is made first, whole or not at all, and by one process only."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was quicker: its key counts
            os.link(partial, path)
    finally:
        Path(partial).unlink()
    return path.read_bytes()


def make_django_key() -> bytes:
    """A value for SECRET_KEY."""
    return secrets.token_urlsafe(64).encode()


def make_secrets_key() -> bytes:
    """A new key for the secrets of environments, as its file holds it: 32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n"


def make_backups_key() -> bytes:
    """A new age identity for the copies of backups, as its file holds it."""
    return f"{pyrage.x25519.Identity.generate()}\n".encode()


def decode_secrets_keys(text: bytes) -> list[bytes]:
    """The keys of a key file, a line each, the one in use first. Raises ValueError when a line is no key."""
    if not text.split():
        raise ValueError("is empty")
    return [_decode_secrets_key(line) for line in text.split()]


def _decode_secrets_key(text: bytes) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("is not base64") from error
    if len(key) != KEY_BYTES:
        raise ValueError(f"holds {len(key)} bytes instead of {KEY_BYTES}")
    return key


def ensure_ssh_key(path: Path) -> None:
    """Make the controller's SSH key pair where there is none: `path` and `path`.pub in OpenSSH form."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    if read_or_create(path, lambda: private) == private:
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        path.with_name(f"{path.name}.pub").write_bytes(public + b" cloud-wiki\n")
