"""The forms in which a secret turns up in a log.

Pure Python, no Django. A form is masked only if it is listed here; docs name what is not
(compressed, encrypted, reversed, or split by other text).
"""

import base64
import html
import json
import shlex
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

MINIMUM = 8
"""Characters: shorter secrets are refused, and shorter lines of a secret are not masked by themselves."""

_SHORTEST_FORM = 6
_WRAP_WIDTHS = (60, 64, 76)  # xxd and hexdump, openssl and PEM, base64 and MIME


def forms(secret: str) -> set[bytes]:
    """Every byte string to look for in order to find `secret`, or one of its lines, in whatever encoding."""
    found: set[bytes] = set()
    for text in _pieces(secret):
        found.add(text.encode(errors="surrogateescape"))
        found.update(form for form in _encoded(text) if len(form) >= _SHORTEST_FORM)
    return found


def _pieces(secret: str) -> Iterator[str]:
    """The whole, with both kinds of line end, and each long enough line, with and without its indentation."""
    if not secret:
        return
    yield secret
    unix = secret.replace("\r\n", "\n")
    for whole in (unix, unix.replace("\n", "\r\n"), unix.strip()):
        if len(whole) >= MINIMUM:
            yield whole
    for line in secret.splitlines():
        for part in (line, line.strip()):
            if len(part) >= MINIMUM:
                yield part


def _encoded(text: str) -> Iterator[bytes]:
    raw = text.encode(errors="surrogateescape")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield from _base64(raw, encode)
    for digits in (raw.hex(), raw.hex().upper()):
        yield from _with_wrapped(digits.encode())
    for escape in _ESCAPES:
        yield escape(text).encode(errors="surrogateescape")
    for quoted in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield quoted.encode()
        yield _lower_escapes(quoted).encode()


def _base64(raw: bytes, encode: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """The characters that stay the same whatever stands before and after the secret, for each of 3 alignments."""
    for shift, spoiled in ((0, 0), (1, 2), (2, 3)):
        encoded = encode(b"\0" * shift + raw).rstrip(b"=")
        whole = len(encoded) if (shift + len(raw)) % 3 == 0 else len(encoded) - 1
        if shift == 0:
            yield from _with_wrapped(encoded[:whole])
        yield encoded[spoiled:whole]


def _with_wrapped(encoded: bytes) -> Iterator[bytes]:
    """The text, and its lines as the usual tools wrap it."""
    yield encoded
    for width in _WRAP_WIDTHS:
        if len(encoded) > width:
            yield from (encoded[i : i + width] for i in range(0, len(encoded), width))


def _lower_escapes(quoted: str) -> str:
    """%2F as %2f."""
    parts = quoted.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


def _json(text: str, ascii_only: bool) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def _backslashed(text: str, special: str) -> str:
    return "".join(f"\\{c}" if c in special else c for c in text)


_SHELL_SPECIAL = " \t!\"#$&'()*,;<>?[\\]^`{|}~"

_ESCAPES: tuple[Callable[[str], str], ...] = (
    lambda text: _json(text, True),
    lambda text: _json(text, False),
    lambda text: _json(text, True).replace("/", "\\/"),
    lambda text: _json(text, False).replace("/", "\\/"),
    lambda text: _json(_json(text, False), False),
    lambda text: repr(text)[1:-1],
    lambda text: shlex.quote(text).strip("'"),
    lambda text: text.replace("'", "'\\''"),
    lambda text: text.replace("'", "\\'"),
    lambda text: _backslashed(text, '"$`\\'),
    lambda text: _backslashed(text, '"\\'),
    lambda text: _backslashed(text, _SHELL_SPECIAL),
    lambda text: _backslashed(text, _SHELL_SPECIAL + "%+-./:=@"),
    lambda text: text.replace("$", "$$"),
    lambda text: text.replace("%", "%%"),
    lambda text: text.replace("'", "''"),
    lambda text: html.escape(text),
    lambda text: html.escape(text).replace("&#x27;", "&apos;"),
    lambda text: html.escape(text, quote=False),
)
