"""The JSON Schema of runbooks, and what the rest of the package reads out of it: defaults, kinds of texts."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from .source import Path

SCHEMA_FILE = FilePath(__file__).with_name("schema.json")
SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
_UNITS = {"s": 1, "m": 60, "h": 3600}


@cache
def validator() -> Draft202012Validator:
    """The compiled schema."""
    strict = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
    made: Draft202012Validator = strict(SCHEMA)
    return made


def _pattern(validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    """`$` is the end of the text, as JSON Schema has it; Python's also stands before a last newline."""
    whole = f"{pattern[:-1]}\\Z" if pattern.endswith("$") else pattern
    if validator.is_type(value, "string") and not re.search(whole, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def definition(name: str) -> dict[str, Any]:
    """A part of the schema, such as `step` or `action_shell`."""
    found: dict[str, Any] = SCHEMA["$defs"][name]
    return found


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its `$ref` replaced by what it names; keys beside the reference win."""
    if "$ref" not in schema:
        return schema
    return {**definition(schema["$ref"].rsplit("/", 1)[-1]), **schema}


def normal(schema: dict[str, Any], value: Any) -> Any:
    """A valid value with defaults filled in and durations turned into seconds."""
    schema = resolved(schema)
    if schema.get("x-duration"):
        return seconds(value)
    if schema.get("x-text"):
        return str(value)
    if isinstance(value, list):
        return [normal(schema["items"], item) for item in value]
    if isinstance(value, dict) and "properties" in schema:
        missing = {
            name: inner["default"]
            for name, inner in ((name, resolved(inner)) for name, inner in schema["properties"].items())
            if name not in value and "default" in inner
        }
        return {name: normal(schema["properties"][name], item) for name, item in {**value, **missing}.items()}
    return value


def seconds(value: int | str) -> int:
    """`90`, `90s`, `5m` or `1h` as seconds."""
    return value if isinstance(value, int) else int(value[:-1]) * _UNITS[value[-1]]


def leaves(schema: dict[str, Any], value: Any, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any], str]]:
    """Every text in a value with its path and schema. Parts of a wrong type are passed over."""
    schema = resolved(schema)
    if isinstance(value, str):
        yield path, schema, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(schema.get("items", {}), item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(schema.get("properties", {}).get(key, {}), item, (*path, key))
