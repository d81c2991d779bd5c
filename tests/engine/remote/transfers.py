"""What the tests of transfers share."""

import unicodedata
from collections.abc import Callable

from releases.remote.connection import SshTransport
from releases.remote.transfer import Transferred


def quiet(_done: int, _total: int) -> None:
    """No progress shown."""


def never() -> bool:
    return False


Put = Callable[..., Transferred]

NAMES = [
    "-rf",
    "a b",
    " lead and trail ",
    "quote'double\"back`tick",
    "$(touch pwned)",
    "back\\slash",
    "new\nline",
    "tab\there",
    "*?[x]",
    "한글",
    unicodedata.normalize("NFC", "é"),
    unicodedata.normalize("NFD", "é"),
    ".hidden",
    "\udcff\udcfe",
    "x" * 200,
    "a=b;c&d|e>f<g",
    "\r",
    "\\n",
]


class CutHalfWay:
    """A transport whose machine disappears after some bytes were sent."""

    def __init__(self, transport: SshTransport, cut: Callable[[], None], after: int) -> None:
        self.name = transport.name
        self.close = transport.close
        self._transport = transport
        self._cut = cut
        self._after = after

    def execute(self, command, stdin=None, **options):
        if stdin is not None and not isinstance(stdin, bytes):
            stdin = _Cutting(stdin, self._cut, self._after)
        return self._transport.execute(command, stdin, **options)


class _Cutting:
    def __init__(self, stdin, cut: Callable[[], None], after: int) -> None:
        self._stdin, self._cut, self._left = stdin, cut, after

    def read(self, size: int = -1) -> bytes:
        if self._left <= 0:
            self._cut()
        data = self._stdin.read(min(size, 100_000))
        self._left -= len(data)
        return data
