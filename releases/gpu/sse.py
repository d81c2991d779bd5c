"""Server-sent events, as far as a worker's log needs them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from .nouns import LogLine


def log_lines(lines: Iterable[str]) -> Iterator[LogLine]:
    """The events of a stream that is cut into lines; comments and what is no event are passed over.

    An event is complete at its empty line: one that the end of the stream cut off comes again after a resume.
    """
    identifier, data = "", []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            identifier = value
        elif name == "data":
            data.append(value)
        elif line == "" and data:
            yield _line(identifier, "\n".join(data))
            data = []


def _line(identifier: str, data: str) -> LogLine:
    """A line that is not the JSON which RunPod describes is shown as it is: better odd than lost."""
    try:
        said = json.loads(data)
        return LogLine(identifier, str(said["line"]), str(said.get("source", "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return LogLine(identifier, data)
