"""RunPod's own description of its API, applied to what comes in and what goes out."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

DESCRIPTION = json.loads(Path(__file__).with_name("openapi-v2.json").read_text())
_HERE = "urn:runpod"
_REGISTRY = Registry().with_resource(_HERE, DRAFT202012.create_resource(DESCRIPTION))
_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date-time", raises=ValueError)
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each call."""
    for path, item in DESCRIPTION["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield method.upper(), path, operation


_OPERATIONS = {operation["operationId"]: operation for _, _, operation in operations()}


def body_errors(name: str, body: Any) -> list[str]:
    """What is wrong with the body of a request to this operation."""
    content = _OPERATIONS[name]["requestBody"]["content"]
    return _errors(content["application/json"]["schema"], body)


def query(name: str, given: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The query's values, and what is wrong with them. Unknown names are refused, which RunPod may not do."""
    known = {one["name"]: one["schema"] for one in _parameters(name) if one["in"] == "query"}
    values: dict[str, Any] = {}
    errors = [f"query: unknown parameter {unknown}" for unknown in given if unknown not in known]
    for key, text in given.items():
        if key in known:
            values[key] = _value(_resolved(known[key]), text)
            errors += [f"query {key}: {error}" for error in _errors(known[key], values[key])]
    return values, errors


def response_errors(name: str, status: int, kind: str, body: Any) -> list[str]:
    """Where a reply breaks the description. `kind`: its content type; `body`: parsed JSON, or text."""
    responses = _OPERATIONS[name]["responses"]
    described = _resolved(responses.get(str(status), responses["default"]))
    content = described.get("content", {})
    if not content:
        return [] if not body else ["a body where none is described"]
    if kind not in content:
        return [f"content type {kind} instead of {', '.join(content)}"]
    return _errors(content[kind]["schema"], body)


def _parameters(name: str) -> list[dict[str, Any]]:
    return [_resolved(one) for one in _OPERATIONS[name].get("parameters", [])]


def _value(schema: dict[str, Any], text: str) -> Any:
    """A query's text as the type that the schema wants, or as it is."""
    if schema.get("type") == "array":
        return text.split(",")
    if schema.get("type") == "integer":
        return int(text) if text.removeprefix("-").isdecimal() else text
    return text


def _resolved(part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        _, _, family, name = part["$ref"].split("/")
        part = DESCRIPTION["components"][family][name]
    return part


def _errors(schema: dict[str, Any], value: Any) -> list[str]:
    """References in a schema are relative to the whole description, so that is where it is looked at."""
    root = _absolute(schema)
    validator = Draft202012Validator(root, registry=_REGISTRY, format_checker=_FORMATS)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def _absolute(part: Any) -> Any:
    if isinstance(part, list):
        return [_absolute(entry) for entry in part]
    if not isinstance(part, dict):
        return part
    return {
        key: _HERE + value if key == "$ref" and isinstance(value, str) else _absolute(value)
        for key, value in part.items()
    }
