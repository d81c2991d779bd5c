"""Sealing of secrets."""

import base64
import os
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from hypothesis import given
from hypothesis import strategies as st

from releases import secrets


def key_line() -> bytes:
    return base64.b64encode(os.urandom(32)) + b"\n"


@pytest.fixture
def key_file(settings: LazySettings, tmp_path: Path) -> Path:
    path = tmp_path / "secrets.key"
    path.write_bytes(key_line())
    settings.SECRETS_KEY_FILE = path
    return path


@given(st.text())
def test_what_is_sealed_opens_again(plain: str) -> None:
    sealed = secrets.seal(plain)
    assert secrets.open_sealed(sealed) == plain
    assert secrets.open_sealed(memoryview(sealed)) == plain  # what the database gives


def test_the_same_text_is_sealed_differently_each_time(key_file: Path) -> None:
    first, second = secrets.seal("hunter2hunter2"), secrets.seal("hunter2hunter2")
    assert first != second
    assert b"hunter2" not in first + second


def test_each_altered_byte_is_noticed(key_file: Path) -> None:
    sealed = secrets.seal("hunter2hunter2")
    for i in range(len(sealed)):
        altered = sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :]
        with pytest.raises(secrets.SecretUnreadable):
            secrets.open_sealed(altered)


@pytest.mark.parametrize("length", [0, 1, 5, 16, 17, 20])
def test_a_cut_value_is_noticed(key_file: Path, length: int) -> None:
    with pytest.raises(secrets.SecretUnreadable):
        secrets.open_sealed(secrets.seal("x")[:length])


def test_an_older_key_still_opens_and_the_first_one_seals(key_file: Path) -> None:
    old = secrets.seal("hunter2hunter2")
    assert not secrets.needs_resealing(old)
    key_file.write_bytes(key_line() + key_file.read_bytes())
    assert secrets.open_sealed(old) == "hunter2hunter2"
    assert secrets.needs_resealing(old)
    assert not secrets.needs_resealing(secrets.seal("x"))


def test_without_its_key_a_secret_says_what_to_do(key_file: Path) -> None:
    sealed = secrets.seal("hunter2hunter2")
    key_file.write_bytes(key_line())
    with pytest.raises(secrets.SecretUnreadable, match="CLOUDWIKI_SECRETS_KEY_FILE"):
        secrets.open_sealed(sealed)


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), (b"", "empty"), (b"%%%\n", "not base64"), (b"c2hvcnQ=\n", "holds 5 bytes")],
)
def test_an_unusable_key_file_is_named_with_the_mend(key_file: Path, content: bytes | None, why: str) -> None:
    if content is None:
        key_file.unlink()
    else:
        key_file.write_bytes(content)
    with pytest.raises(ImproperlyConfigured, match=why) as refused:
        secrets.seal("x")
    assert "openssl rand -base64 32" in str(refused.value)


@pytest.mark.parametrize("value", ["", "short", "1234567", "   abc    \n", "has\0zero-byte"])
def test_a_secret_that_cannot_be_masked_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        secrets.check_secret(value)


@pytest.mark.parametrize("value", ["12345678", "여덟글자비밀번호", "a\nb\nc\nd\ne"])
def test_a_long_enough_secret_is_taken(value: str) -> None:
    secrets.check_secret(value)
