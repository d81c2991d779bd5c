"""The words of an event stream: server-sent events and the cursor that takes one up again. Pure Python."""

import json
from base64 import b64encode
from dataclasses import dataclass, field

PING = b": ping\n\n"
_MOST = 1000  # attempts in a cursor


@dataclass
class Cursor:
    """What a page has: the version of the state, and how many bytes of the log of which attempt.

    Written `<version>~<attempt>:<offset>,<attempt>:<offset>`. It is the `id` of every event, so a browser sends
    it back when it reconnects.
    """

    version: int = -1
    offsets: dict[int, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read one; what is not a cursor counts as having nothing."""
        version, mark, rest = text.partition("~")
        try:
            if not mark or rest.count(",") >= _MOST:
                return cls()
            pairs = (part.split(":") for part in rest.split(",") if part)
            return cls(_number(version), {_number(attempt): _number(offset) for attempt, offset in pairs})
        except ValueError:
            return cls()

    def __str__(self) -> str:
        return f"{self.version}~{','.join(f'{attempt}:{offset}' for attempt, offset in self.offsets.items())}"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError(text)
    return int(text)


def event(name: str, data: dict[str, object]) -> bytes:
    """One event without an id."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), json.dumps(data, separators=(",", ":")).encode())


def log_event(attempt: int, step: str, offset: int, line: int, at: str, data: bytes) -> bytes:
    """A piece of log. `data` is masked bytes (base64 here), `line` the number of the line its first byte is in."""
    head = json.dumps({"attempt": attempt, "step": step, "offset": offset, "line": line, "at": at, "data": ""})
    return b'event: log\ndata: %s"%s"}\n\n' % (head[:-3].encode(), b64encode(data))


def with_id(cursor: Cursor, body: bytes) -> bytes:
    """The event with the position reached by it."""
    return b"id: %s\n%s" % (str(cursor).encode(), body)
