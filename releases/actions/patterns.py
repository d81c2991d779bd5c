"""Regular expressions that mean the same to Python and to `grep -E` on a host.

A runbook writes patterns for Python. `to_extended` translates those that POSIX extended expressions can say and
refuses the others, so that a host never reads one in another way.
"""

import re
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any, Final

from django.utils.translation import gettext as _

from releases.actions.base import ActionError

LONGEST_REPEAT: Final = 255  # RE_DUP_MAX of POSIX
_SPECIAL: Final = frozenset("\\^$.[]|()*+?{}")
_CLASSES: Final = {
    "CATEGORY_DIGIT": "0-9",
    "CATEGORY_SPACE": "[:space:]",
    "CATEGORY_WORD": "[:alnum:]_",
    "CATEGORY_NOT_DIGIT": "^0-9",
    "CATEGORY_NOT_SPACE": "^[:space:]",
    "CATEGORY_NOT_WORD": "^[:alnum:]_",
}


class NotPortable(ValueError):
    """The expression uses something that hosts can't be asked for."""


def to_extended(pattern: str) -> str:
    """The same expression for `grep -E` in the C locale. Raises ActionError naming the pattern and the mend."""
    try:
        tree = _parser.parse(pattern)
        return _sequence(tree, bool(tree.state.flags & re.IGNORECASE))
    except (re.error, NotPortable) as error:
        mend = _(
            "The pattern %(pattern)s can't be watched for on a host (%(why)s). Use plain text, . * + ? [] () and |."
        )
        raise ActionError(mend % {"pattern": pattern, "why": error}) from error


def _sequence(items: Any, ignore_case: bool) -> str:
    return "".join(_item(str(kind), value, ignore_case) for kind, value in items)


def _item(kind: str, value: Any, ignore_case: bool) -> str:
    match kind:
        case "LITERAL":
            return _literal(value, ignore_case)
        case "NOT_LITERAL":
            return _set([(_constants.NEGATE, None), (_constants.LITERAL, value)], ignore_case)
        case "ANY":
            return "."
        case "IN":
            return _set(value, ignore_case)
        case "AT":
            return _place(str(value))
        case "BRANCH":
            return _branch(value[1], ignore_case)
        case "SUBPATTERN":
            return _group(value, ignore_case)
        case "MAX_REPEAT" | "MIN_REPEAT":  # lazy or greedy: whether a line matches is the same
            least, most, inside = value
            return _repeat(least, most, inside, ignore_case)
    raise NotPortable(kind.lower())


def _literal(code: int, ignore_case: bool) -> str:
    character = chr(code)
    if character in "\0\n":
        raise NotPortable("line break")
    if ignore_case and character.swapcase() != character:
        if not character.isascii():
            raise NotPortable("(?i)")
        return f"[{character.lower()}{character.upper()}]"
    return f"\\{character}" if character in _SPECIAL else character


def _place(where: str) -> str:
    if where in {"AT_BEGINNING", "AT_BEGINNING_STRING"}:
        return "^"
    if where in {"AT_END", "AT_END_STRING"}:
        return "$"
    raise NotPortable(r"\b")


def _set(items: list[Any], ignore_case: bool) -> str:
    """A bracket expression. The characters with a meaning of their own inside go where they have none."""
    negated = str(items[0][0]) == "NEGATE"
    first, middle, last = "", "", ""
    for kind, value in items[negated:]:
        match str(kind):
            case "LITERAL" if chr(value) == "]":
                first = "]"
            case "LITERAL" if chr(value) in "[^-":
                last += chr(value)
            case "LITERAL":
                middle += _in_set(chr(value), ignore_case)
            case "RANGE":
                middle += _range(chr(value[0]), chr(value[1]), ignore_case)
            case "CATEGORY":
                middle += _category(str(value), alone=len(items) == 1)
            case other:
                raise NotPortable(other.lower())
    last = "".join(character for character in "[^-" if character in last)
    if not negated and first + middle + last in {"^", "^-"}:
        return r"\^" if last == "^" else "[-^]"
    return f"[{'^' if negated else ''}{first}{middle}{last}]"


def _in_set(character: str, ignore_case: bool) -> str:
    if not character.isascii() or character in "\0\n":
        raise NotPortable(f"[{character}]")
    return character.lower() + character.upper() if ignore_case and character.isalpha() else character


def _range(first: str, last: str, ignore_case: bool) -> str:
    if not (first.isascii() and last.isascii()) or not (first.isalnum() and last.isalnum()):
        raise NotPortable(f"[{first}-{last}]")
    if ignore_case and first.isalpha() and last.isalpha():
        return f"{first.lower()}-{last.lower()}{first.upper()}-{last.upper()}"
    return f"{first}-{last}"


def _category(name: str, *, alone: bool) -> str:
    found = _CLASSES[name]
    if found.startswith("^") and not alone:
        raise NotPortable("[\\D\\S\\W]")
    return found


def _branch(branches: list[Any], ignore_case: bool) -> str:
    texts = [_sequence(branch, ignore_case) for branch in branches]
    if not all(texts):
        raise NotPortable("a|")
    return f"({'|'.join(texts)})"


def _group(value: tuple[Any, ...], ignore_case: bool) -> str:
    _number, added, removed, inside = value
    text = _sequence(inside, (ignore_case or bool(added & re.IGNORECASE)) and not removed & re.IGNORECASE)
    if not text:
        raise NotPortable("()")
    return f"({text})"


def _repeat(least: int, most: Any, inside: Any, ignore_case: bool) -> str:
    text = _sequence(inside, ignore_case)
    if not text or text in {"^", "$"}:
        raise NotPortable("*")
    many = len(inside) != 1 or str(inside[0][0]) in {"MAX_REPEAT", "MIN_REPEAT"}
    if many or (str(inside[0][0]) == "LITERAL" and not text.isascii()):  # the C locale counts bytes
        text = f"({text})"
    endless = most is _constants.MAXREPEAT
    signs = {(0, True): "*", (1, True): "+"}
    if (least, endless) in signs:
        return text + signs[(least, endless)]
    if (least, most) == (0, 1):
        return f"{text}?"
    if least > LONGEST_REPEAT or (not endless and most > LONGEST_REPEAT):
        raise NotPortable(f"{{{least}}}")
    return f"{text}{{{least},{'' if endless else most}}}"
