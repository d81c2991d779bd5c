"""Fills `{name}` into commands and texts. In a command the value travels beside the script, never in it."""

import shlex
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .refusals import PlaceholderError, refuse, unknown
from .shell_rules import Found, Quoting
from .shell_scan import PLACEHOLDER, ShellScanner

MASK = "••••••"
VARIABLE_PREFIX = "cw_"
SECRET_SUFFIX = "_file"  # noqa: S105 - a suffix of names
__all__ = ["MASK", "CompiledScript", "PlaceholderError", "compile_script", "names", "render", "substitute"]


@dataclass(frozen=True)
class CompiledScript:
    """A POSIX shell text, the values it reads from shell variables (name -> value), the secrets it opens."""

    text: str
    parameters: dict[str, str]
    secrets: tuple[str, ...] = ()


def names(template: str) -> set[str]:
    """Every placeholder name in a template, commands and texts alike."""
    return {match[1] for match in PLACEHOLDER.finditer(template)}


def compile_script(template: str, values: Mapping[str, str], secrets: Collection[str]) -> CompiledScript:
    """Turn a command with placeholders into a script and its data.

    `{name}` becomes a quoted reference to the shell variable `cw_name`; for a secret only `{name_file}` is
    allowed and becomes the path `"$CLOUDWIKI_SECRETS/name"`. Raises PlaceholderError.
    """
    parameters: dict[str, str] = {}
    used: dict[str, None] = {}

    def reference(found: Found) -> str:
        secret = _secret_of(found.name, found.start, values, secrets)
        if secret:
            used[secret] = None
            body = "${CLOUDWIKI_SECRETS}/" + secret
        else:
            parameters[VARIABLE_PREFIX + found.name] = _value(found.name, found.start, values, secrets)
            body = "${" + VARIABLE_PREFIX + found.name + "}"
        return _REFERENCES[found.quoting].replace("{}", body)

    text = _replace(template, reference)
    return CompiledScript(text, parameters, tuple(used))


def render(template: str, values: Mapping[str, str], secrets: Collection[str]) -> str:
    """The command as a person reads it: values filled in and quoted, secrets masked. Not meant to be run."""

    def shown(found: Found) -> str:
        if _secret_of(found.name, found.start, values, secrets):
            return MASK
        return _DISPLAY[found.quoting](visible(_value(found.name, found.start, values, secrets)))

    return _replace(template, shown)


def substitute(text: str, values: Mapping[str, str], secrets: Collection[str] = ()) -> str:
    """Fill `{name}` into a text that no shell reads: a path, a URL, an announcement. Raises PlaceholderError."""
    return PLACEHOLDER.sub(lambda match: _value(match[1], match.start(), values, secrets), text)


def visible(value: str) -> str:
    """Show control and direction-changing characters as pictures, so that no value can disguise itself."""
    return "".join(_picture(character) for character in value)


def _picture(character: str) -> str:
    if unicodedata.category(character) not in {"Cc", "Cf", "Zl", "Zp"}:
        return character
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else f"<U+{code:04X}>"


@lru_cache(maxsize=512)
def _scan(template: str) -> tuple[Found, ...]:
    return tuple(ShellScanner(template).scan())


def _replace(template: str, write: Callable[[Found], str]) -> str:
    pieces, end = [], 0
    for found in sorted(_scan(template), key=lambda item: item.start):
        pieces += [template[end : found.start], write(found)]
        end = found.end
    return "".join([*pieces, template[end:]])


def _secret_of(name: str, offset: int, values: Mapping[str, str], secrets: Collection[str]) -> str:
    """The secret whose file a placeholder names; empty if it is an ordinary one."""
    if name in secrets:
        raise refuse("secret", name, offset)
    secret = name.removesuffix(SECRET_SUFFIX)
    return secret if name.endswith(SECRET_SUFFIX) and secret in secrets and name not in values else ""


def _value(name: str, offset: int, values: Mapping[str, str], secrets: Collection[str]) -> str:
    if name in secrets:
        raise refuse("secret", name, offset)
    if name not in values:
        raise unknown(name, offset, [*values, *(f"{secret}{SECRET_SUFFIX}" for secret in secrets)])
    value = values[name]
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise refuse("nul", name, offset)
    return value


_REFERENCES = {
    Quoting.UNQUOTED: '"{}"',
    Quoting.DOUBLE: "{}",
    Quoting.SINGLE: "'\"{}\"'",
    Quoting.HEREDOC: "{}",
}


def _in_double(value: str) -> str:
    return "".join("\\" + character if character in '"$`\\' else character for character in value)


_DISPLAY: dict[Quoting, Callable[[str], str]] = {
    Quoting.UNQUOTED: shlex.quote,
    Quoting.DOUBLE: _in_double,
    Quoting.SINGLE: lambda value: value.replace("'", "'\"'\"'"),
    Quoting.HEREDOC: lambda value: value,
}
