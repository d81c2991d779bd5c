"""What a step said about itself, made fit to be kept: reasons and evidence go into rows that are never changed."""

from collections.abc import Collection
from typing import Any

from releases.logs.masking import StreamMasker


def keepable(value: Any, secrets: Collection[str]) -> Any:
    """The same JSON value with secrets masked, and without characters that PostgreSQL's texts refuse."""
    return _each(value, StreamMasker(secrets)) if value else value


def _each(value: Any, masker: StreamMasker) -> Any:
    if isinstance(value, str):
        masked = masker.mask(value.encode(errors="replace")).decode(errors="replace")
        return masked.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, dict):
        return {name: _each(entry, masker) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_each(entry, masker) for entry in value]
    return value
