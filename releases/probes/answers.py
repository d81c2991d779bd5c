"""What is asked of a service, and what came back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import regex
from django.utils.translation import gettext as _

BODY_LIMIT: Final = 64 * 1024  # bytes of an answer that are looked at
MATCH_SECONDS: Final = 1.0  # for an author's own pattern, which may be one that takes for ever ((a+)+$)


@dataclass(frozen=True)
class Check:
    """One probe as plain data. `near` holds the addresses of the environment's own hosts."""

    probe: int
    url: str
    expected_status: int = 200
    expected_text: str = ""
    timeout: float = 2.0  # seconds, for the whole request
    near: frozenset[str] = frozenset()
    method: str = "GET"
    body: str = ""  # sent as it is, with a POST only
    content_type: str = "application/json"  # of the body
    matches: str = ""  # regular expression that the answer must match; "": any


@dataclass(frozen=True)
class Answer:
    """The outcome of one request. `ok` is None when nothing was measured: neither up nor down.

    `at` is when the request was sent; `detail` is "" or a code that `explain` turns into words.
    """

    at: datetime
    ok: bool | None
    milliseconds: float
    detail: str = ""


def misses(body: bytes, text: str, pattern: str) -> str:
    """The code of what the beginning of an answer lacks; "" when it holds the text and matches the pattern."""
    if text and text.encode() not in body:
        return "text"
    try:
        found = not pattern or regex.search(pattern, body.decode(errors="replace"), timeout=MATCH_SECONDS)
    except TimeoutError:
        return f"slow:{pattern}"
    return "" if found else f"pattern:{pattern}"


def explain(detail: str) -> str:
    """Words, in the reader's language, for an answer's `detail`."""
    code, _colon, value = detail.partition(":")
    words = _WORDS.get(code)
    return words(value) if words else detail


_WORDS: Final[dict[str, Callable[[str], str]]] = {
    "status": lambda value: _("answered with status %(status)s") % {"status": value},
    "text": lambda _value: _("the expected text was not in the answer"),
    "pattern": lambda value: _("the answer does not match %(pattern)s") % {"pattern": value},
    "slow": lambda value: (
        _("the pattern %(pattern)s takes too long; simplify it: no repetition inside a repetition") % {"pattern": value}
    ),
    "timeout": lambda value: _("no answer within %(seconds)s s") % {"seconds": value},
    "refused": lambda _value: _("the connection was refused"),
    "broken": lambda value: _("the answer broke off (%(reason)s)") % {"reason": value},
    "connect": lambda value: _("could not connect (%(reason)s)") % {"reason": value},
    "tls": lambda value: _("the certificate or TLS failed (%(reason)s)") % {"reason": value},
    "name": lambda value: _("the name %(name)s does not exist") % {"name": value},
    "resolver": lambda value: _("not measured: the name %(name)s could not be looked up") % {"name": value},
    "network": lambda _value: _("not measured: the controller has no way to that network"),
    "address": lambda value: (
        _(
            "not measured: %(reason)s. Name a host of this environment,"
            " or add its network to CLOUDWIKI_PROBE_ALLOWED_NETWORKS."
        )
        % {"reason": value}
    ),
    "ssh": lambda value: _("not measured: the host cannot be reached over SSH (%(reason)s)") % {"reason": value},
    "silent": lambda _value: _("not measured: the SSH connection went silent"),
    "stopped": lambda _value: _("not measured: the probe process is not running"),
    "curl": lambda _value: _("not measured: curl is not installed on the host; install it there"),
}
