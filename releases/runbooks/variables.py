"""The types of values, and the names that every runbook may use without declaring them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import regex
from django.utils.translation import gettext_lazy as _

from .messages import Message
from .model import VariableSpec

BUILTIN = (
    VariableSpec("project"),
    VariableSpec("environment"),
    VariableSpec("version"),
    VariableSpec("commit"),
    VariableSpec("branch"),
    VariableSpec("date", pattern=r"[0-9]{8}"),
    VariableSpec("migration", type="path", required=False),
    VariableSpec("user", type="identifier"),
    VariableSpec("server", type="host"),
    VariableSpec("estimate_minutes", type="integer"),
    VariableSpec("downtime_minutes", type="integer"),
)
BUILTIN_NAMES = frozenset(variable.name for variable in BUILTIN)

PATTERN_SECONDS = 0.5  # for an author's own pattern against one value
_PATTERNS = {
    "integer": r"-?[0-9]{1,18}",
    "path": r"[^-\x00-\x1f\x7f][^\x00-\x1f\x7f]*",
    "host": r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})|[0-9A-Fa-f:]+|\[[0-9A-Fa-f:]+\]",
    "url": r"https?://[^\s\x00-\x1f\x7f\"'<>\\^`{|}]+",
    "identifier": r"[A-Za-z_][A-Za-z0-9_.-]{0,127}",
    "boolean": r"true|false",
}
_MENDS = {
    "integer": _("Give a whole number."),
    "path": _("Give a path that does not begin with - and holds no control characters."),
    "host": _("Give a host name or an address; it can't begin with -."),
    "url": _("Give an address that begins with http:// or https://."),
    "identifier": _("Use letters, digits, _ . - and begin with a letter or _."),
    "boolean": _("Give true or false."),
}


def as_text(value: Any) -> str:
    """A value from YAML as the text a script gets."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def problem(variable: VariableSpec, value: str) -> tuple[Message, Message] | None:
    """What is wrong with a value, and its mend; None when it is right. Never quotes the value itself."""
    params = {"name": variable.name, "type": variable.type, "pattern": variable.pattern}
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        message = _("The value of %(name)s holds a character that no shell can carry.")
        return Message(message, params), Message(_("Remove the NUL or the broken character."))
    pattern = _PATTERNS.get(variable.type)
    if (pattern and not re.fullmatch(pattern, value)) or (variable.type == "url" and not _has_host(value)):
        message = _("The value of %(name)s is not of the type %(type)s.")
        return Message(message, params), Message(_MENDS[variable.type])
    return _unmatched(variable, value, params) if variable.pattern else None


def _unmatched(variable: VariableSpec, value: str, params: dict[str, str]) -> tuple[Message, Message] | None:
    """The author's own pattern, which may be one that takes for ever ((a+)+$): it gets a limit of time."""
    try:
        if regex.fullmatch(variable.pattern, value, timeout=PATTERN_SECONDS):
            return None
    except TimeoutError:
        message = _("The pattern of %(name)s takes too long.")
        return Message(message, params), Message(_("Simplify %(pattern)s: no repetition inside a repetition."), params)
    message = _("The value of %(name)s does not match its pattern.")
    return Message(message, params), Message(_("It must match %(pattern)s."), params)


def problems(variables: Iterable[VariableSpec], values: Mapping[str, str]) -> list[tuple[str, Message, Message]]:
    """Everything wrong with a set of values: missing ones, wrong types, patterns. Name, message, mend."""
    found = []
    for variable in variables:
        if variable.type == "secret":
            continue
        if variable.name in values:
            wrong = problem(variable, values[variable.name])
        elif variable.required and variable.default is None:
            missing = Message(_("%(name)s has no value."), {"name": variable.name})
            wrong = missing, Message(_("Set it in the variables of the environment."))
        else:
            wrong = None
        if wrong:
            found.append((variable.name, *wrong))
    return found


def _has_host(value: str) -> bool:
    try:
        return bool(urlsplit(value).hostname)
    except ValueError:
        return False
