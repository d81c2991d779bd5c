"""Secrets of environments at rest: AES-256-GCM under a key of their own, never Django's SECRET_KEY.

The key file (settings.SECRETS_KEY_FILE) holds one key a line, 32 random bytes in base64. The first one seals;
the others only open what was sealed before a rotation. A sealed value is
`version (1 byte) | key id (4 bytes) | nonce (12 bytes) | ciphertext and tag`.
"""

import base64
import binascii
import hashlib
import os
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils.translation import gettext as _

MINIMUM_LENGTH = 8
"""Characters. Shorter ones could not be masked without making logs unreadable, and are guessed in no time."""

_VERSION = b"\x01"
_ID_BYTES, _NONCE_BYTES, _KEY_BYTES = 4, 12, 32
_HEADER_BYTES = 1 + _ID_BYTES


class SecretUnreadable(Exception):
    """A stored secret cannot be opened: its key is missing or the data was changed. Says what to do."""


def seal(plain: str) -> bytes:
    """Encrypt with the current key. Raises ImproperlyConfigured when the key file cannot serve."""
    key_id, key = next(iter(_keys().items()))
    header = _VERSION + key_id
    nonce = os.urandom(_NONCE_BYTES)
    return header + nonce + AESGCM(key).encrypt(nonce, plain.encode(), header)


def open_sealed(data: bytes) -> str:
    """Decrypt what `seal` made, with whichever key of the file sealed it.

    Raises SecretUnreadable when no key fits or the data was altered, ImproperlyConfigured when the key file
    cannot serve.
    """
    data = bytes(data)
    header, nonce, body = data[:_HEADER_BYTES], data[_HEADER_BYTES:][:_NONCE_BYTES], data[_HEADER_BYTES:][_NONCE_BYTES:]
    key = _keys().get(header[1:])
    if header[:1] != _VERSION or key is None:
        raise SecretUnreadable(
            _(
                "This secret was encrypted with a key that is not in {path} (CLOUDWIKI_SECRETS_KEY_FILE)."
                " Add the older key as a further line of that file, or enter the secret again."
            ).format(path=settings.SECRETS_KEY_FILE)
        )
    try:
        return AESGCM(key).decrypt(nonce, body, header).decode()
    except (InvalidTag, ValueError) as problem:
        raise SecretUnreadable(_("This stored secret was damaged or altered. Enter it again.")) from problem


def needs_resealing(data: bytes) -> bool:
    """Whether the value was sealed with another key than the current one."""
    return bytes(data)[:_HEADER_BYTES] != _VERSION + next(iter(_keys()))


def check_secret(value: str) -> None:
    """Raise ValidationError unless the value can be kept and masked as a secret."""
    if len(value.strip()) < MINIMUM_LENGTH:
        raise ValidationError(
            _(
                "A secret needs at least %(limit)d characters, so that it can be masked in logs."
                " Use a longer one, or keep the value as a plain variable if it is not secret."
            ),
            code="secret_too_short",
            params={"limit": MINIMUM_LENGTH},
        )
    if "\0" in value:
        raise ValidationError(
            _("A secret cannot hold a zero byte. Store it in base64 and decode it in the step."),
            code="secret_zero_byte",
        )


def _keys() -> dict[bytes, bytes]:
    path = Path(settings.SECRETS_KEY_FILE)
    try:
        changed = path.stat().st_mtime_ns
    except OSError as problem:
        raise _unusable(path, problem.strerror or str(problem)) from problem
    return _read_keys(path, changed)


@lru_cache(maxsize=4)
def _read_keys(path: Path, _changed: int) -> dict[bytes, bytes]:
    try:
        lines = path.read_bytes().split()
    except OSError as problem:
        raise _unusable(path, problem.strerror or str(problem)) from problem
    keys = [_decode(path, number, line) for number, line in enumerate(lines, 1)]
    if not keys:
        raise _unusable(path, "it is empty")
    return {hashlib.sha256(key).digest()[:_ID_BYTES]: key for key in keys}


def _decode(path: Path, number: int, line: bytes) -> bytes:
    try:
        key = base64.b64decode(line, validate=True)
    except binascii.Error:
        raise _unusable(path, f"line {number} is not base64") from None
    if len(key) != _KEY_BYTES:
        raise _unusable(path, f"line {number} holds {len(key)} bytes instead of {_KEY_BYTES}")
    return key


def _unusable(path: Path, why: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"CLOUDWIKI_SECRETS_KEY_FILE (SECRETS_KEY_FILE) names {path}, which cannot serve as the key of stored secrets:"
        f" {why}. Give it a file of lines that each hold 32 random bytes in base64, the current key first;"
        " `openssl rand -base64 32` makes such a line. A lost key cannot be replaced: enter the secrets again."
    )
