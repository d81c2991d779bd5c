"""Turns the schema's complaints into sentences with a place and a mend."""

import difflib
from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext_lazy as _
from jsonschema import ValidationError

from .schema import resolved, validator
from .source import Source

_TYPES = {
    "string": _("a text"),
    "integer": _("a whole number"),
    "boolean": _("true or false"),
    "array": _("a list"),
    "object": _("a group of keys"),
    "null": _("nothing"),
}
_PYTHON = {str: "string", bool: "boolean", int: "integer", list: "array", dict: "object", type(None): "null"}


def _given(error: ValidationError) -> Any:
    return error.instance


def _rule(error: ValidationError) -> Any:
    return error.validator_value


def check_schema(source: Source) -> None:
    """Add an error to the source for everything the schema does not allow."""
    for error in validator().iter_errors(source.data):
        if source.full:
            return
        path = tuple(error.absolute_path)
        _WRITERS.get(str(error.validator), _other)(source, path, error)


def _wrong_key(source: Source, path: Any, error: ValidationError) -> None:
    known = list(error.schema["properties"]) if isinstance(error.schema, dict) else []
    for key in _given(error):
        if source.full:
            return
        if key in known:
            continue
        close = difflib.get_close_matches(key, known, 1, 0.6)
        message = _("The key %(name)s is not known here.")
        if close:
            source.add((*path, key), message, _("Did you mean %(close)s?"), key=True, **_keys(key, close[0], known))
        else:
            mend = _("Remove it, or use one of: %(known)s.")
            source.add((*path, key), message, mend, key=True, **_keys(key, "", known))


def _keys(key: str, close: str, known: Iterable[str]) -> dict[str, Any]:
    return {"name": key, "close": close, "known": ", ".join(sorted(known)) or "-"}


def _required(source: Source, path: Any, error: ValidationError) -> None:
    missing = [key for key in _rule(error) if key not in _given(error)]
    # The schema reports each missing key apart; this one is named first in its message.
    name = next((key for key in missing if error.message.startswith(repr(key))), missing[0])
    source.add(path, _("%(name)s is missing."), _("Add %(name)s here."), name=name)


def _wrong_type(source: Source, path: Any, error: ValidationError) -> None:
    wanted = _rule(error) if isinstance(_rule(error), str) else _rule(error)[0]
    mend = _("Write it as %(wanted)s.")
    if isinstance(_given(error), dict) and wanted == "string":
        mend = _("A text that begins with { must stand in quotes.")
    elif isinstance(_given(error), int) and wanted == "string":
        mend = _("Put it in quotes.")
    source.add(
        path,
        _("%(wanted)s was expected, not %(given)s."),
        mend,
        wanted=_TYPES[wanted],
        given=_TYPES[_PYTHON[type(_given(error))]],
    )


def _choice(source: Source, path: Any, error: ValidationError) -> None:
    choices = [str(choice) for choice in _rule(error) if choice != ""]
    close = difflib.get_close_matches(str(_given(error)), choices, 1, 0.6)
    mend = _("Did you mean %(close)s?") if close else _("Use one of: %(choices)s.")
    params: dict[str, Any] = {"value": _given(error), "close": close[0] if close else "", "choices": ", ".join(choices)}
    source.add(path, _("%(value)s is not allowed here."), mend, **params)


def _pattern(source: Source, path: Any, error: ValidationError) -> None:
    schema = resolved(error.schema) if isinstance(error.schema, dict) else {}
    message = _("%(value)s does not have the right form.")
    if schema.get("x-duration"):
        source.add(path, message, _("Write seconds as a number, or 90s, 5m, 1h."), value=_given(error))
    elif str(_rule(error)).startswith("^(https?"):
        source.add(path, message, _("Begin it with http:// or https://."), value=_given(error))
    elif examples := schema.get("examples"):
        source.add(path, message, _("Write it as in %(example)s."), value=_given(error), example=examples[0])
    else:
        mend = _("Use small letters, digits and _ and begin with a letter (form: %(form)s).")
        source.add(path, message, mend, value=_given(error), form=_rule(error))


def _range(source: Source, path: Any, error: ValidationError) -> None:
    low, high = (error.schema.get(key) for key in ("minimum", "maximum")) if isinstance(error.schema, dict) else "??"
    message = _("%(value)s is outside what is allowed.")
    source.add(path, message, _("Use a number from %(low)s to %(high)s."), value=_given(error), low=low, high=high)


def _empty(source: Source, path: Any, error: ValidationError) -> None:
    source.add(path, _("This is empty."), _("Give at least one entry, or some text."))


def _too_long(source: Source, path: Any, error: ValidationError) -> None:
    message = _("This is too long: %(given)d, and at most %(limit)d are allowed.")
    mend = _("Shorten it.") if isinstance(_given(error), str) else _("Split the procedure into several runbooks.")
    source.add(path, message, mend, given=len(_given(error)), limit=_rule(error))


def _any_of(source: Source, path: Any, error: ValidationError) -> None:
    keys = [key for option in _rule(error) for key in option["required"]]
    source.add(path, _("One of %(keys)s is needed."), _("Add one of them here."), keys=", ".join(keys))


def _twice(source: Source, path: Any, error: ValidationError) -> None:
    source.add(path, _("An entry stands here twice."), _("Keep one of the two."))


def _other(source: Source, path: Any, error: ValidationError) -> None:
    message = _("This is not allowed: %(problem)s.")
    source.add(path, message, _("See the format in docs/runbooks.md."), problem=error.message[:200])


_WRITERS = {
    "additionalProperties": _wrong_key,
    "required": _required,
    "type": _wrong_type,
    "enum": _choice,
    "pattern": _pattern,
    "minimum": _range,
    "maximum": _range,
    "minLength": _empty,
    "maxLength": _too_long,
    "maxItems": _too_long,
    "minItems": _empty,
    "minProperties": _empty,
    "anyOf": _any_of,
    "uniqueItems": _twice,
}
