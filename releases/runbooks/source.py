"""Reads YAML into plain values and remembers where each of them stands.

Only the plain part of YAML is taken: no anchors, aliases, tags, second documents, duplicate or non-text keys; and
only `true`, `false`, `null`, decimal numbers and text, so that `no`, `1:30` and dates stay what was typed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from .messages import Message, RunbookError, RunbookErrors

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_ERRORS = 200
Path = tuple[str | int, ...]
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_NOT_KEPT = re.compile("[\0\ud800-\udfff]")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True)
class Span:
    """Where a value stands: character offsets in the text, and line and column counting from 1."""

    start: int
    end: int
    line: int
    column: int


@dataclass
class Source:
    """A parsed text: its data, and the spans of values and of keys by path."""

    text: str
    data: Any = None
    values: dict[Path, Span] = field(default_factory=dict)
    keys: dict[Path, Span] = field(default_factory=dict)
    errors: list[RunbookError] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """True when there are more errors than anyone reads at once."""
        return len(self.errors) >= MAX_ERRORS

    def span(self, path: Path, key: bool = False) -> Span:
        """The place of a path, or of the nearest thing around it that has one."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Span(0, 0, 1, 1))

    def add(self, path: Path, message: str | Promise, mend: str | Promise, key: bool = False, **params: object) -> None:
        """Note an error at a path."""
        span = self.span(path, key)
        self.add_at(span.line, span.column, path, Message(message, params), Message(mend, params))

    def add_at(self, line: int, column: int, path: Path, message: Message, mend: Message) -> None:
        if not self.full:
            self.errors.append(RunbookError(line, column, written(path), message, mend))

    def inside(self, path: Path, needle: str, nth: int) -> tuple[int, int]:
        """Line and column of the nth (from 0) occurrence of a text inside the value at a path."""
        span = self.span(path)
        at = span.start - 1
        for _count in range(nth + 1):
            at = self.text.find(needle, at + 1, span.end)
        if at < 0:
            return span.line, span.column
        return self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at)


def written(path: Path) -> str:
    """A path as people write it: `steps[2].parameters.command`, counting from 0."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def parse(text: str) -> Source:
    """Read a text. Raises RunbookErrors when it is no usable YAML at all."""
    source = Source(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    _refuse_size(source)
    _refuse_characters(source)
    try:
        _read(source)
    except yaml.MarkedYAMLError as error:
        _syntax(source, error)
    except yaml.reader.ReaderError as error:
        line = source.text.count("\n", 0, error.position) + 1
        message = Message(_("The text holds a character that YAML does not allow."))
        source.add_at(line, 1, (), message, Message(_("Remove the control character from this line.")))
    if source.errors and source.data is None:
        raise RunbookErrors(source.errors)
    return source


def _refuse_size(source: Source) -> None:
    size = len(source.text.encode("utf-8", "replace"))
    if size > MAX_BYTES:
        source.add(
            (),
            _("The text is %(size)d KB; a runbook may have %(limit)d KB."),
            _("Split the procedure, or move long scripts into files of the release."),
            size=-(-size // 1024),
            limit=MAX_BYTES // 1024,
        )
        raise RunbookErrors(source.errors)


def _refuse_characters(source: Source) -> None:
    for number, line in enumerate(source.text.split("\n"), 1):
        hidden = _BIDI.search(line)
        if hidden:
            message = Message(_("The line holds an invisible character that changes the direction of text."))
            mend = Message(_("Remove it: a command must read as it runs."))
            source.add_at(number, hidden.start() + 1, (), message, mend)


def _syntax(source: Source, error: yaml.MarkedYAMLError) -> None:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    rows = source.text.split("\n")
    row = rows[line - 1] if line <= len(rows) else ""
    message = Message(_("This is not valid YAML: %(problem)s."), {"problem": error.problem or "?"})
    mend = Message(_("Check the indentation, the colons and the quotes here and on the line above."))
    if "\t" in row[: len(row) - len(row.lstrip())] or "\\t" in (error.problem or ""):
        message = Message(_("The line is indented with a tab."))
        mend = Message(_("Indent with spaces: YAML does not take tabs."))
    elif ": " in row and (error.problem or "").startswith("mapping values"):
        mend = Message(_("Put a text that holds ': ' in quotes."))
    source.add_at(line, column, (), message, mend)


def _read(source: Source) -> None:
    events = yaml.parse(source.text, Loader=yaml.SafeLoader)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            if source.data is not None:
                _refuse(source, event, (), _("A second document begins here."), _("Keep one runbook in a text."))
                return
            source.data = _Builder(source, events).value(next(events), ())


def _refuse(
    source: Source, event: yaml.Event, path: Path, message: str | Promise, mend: str | Promise, **params: object
) -> None:
    mark: Any = event.start_mark
    source.add_at(mark.line + 1, mark.column + 1, path, Message(message, params), Message(mend, params))


class _Builder:
    """Builds plain values from the parser's events."""

    def __init__(self, source: Source, events: Iterator[Any]) -> None:
        self.source = source
        self.events: Iterator[Any] = events

    def value(self, event: Any, path: Path) -> Any:
        start: Any = event.start_mark
        end: Any
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise yaml.MarkedYAMLError(problem=str(_("anchors and aliases are not taken")), problem_mark=start)
        if event.tag is not None:
            raise yaml.MarkedYAMLError(problem=str(_("tags are not taken")), problem_mark=start)
        if len(path) > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=str(_("the nesting is too deep")), problem_mark=start)
        if isinstance(event, yaml.ScalarEvent):
            self._escapes(event, path)
            result, end = _scalar(event), event.end_mark
        elif isinstance(event, yaml.SequenceStartEvent):
            result, end = self._sequence(path)
        else:
            result, end = self._mapping(path)
        self.source.values[path] = Span(start.index, end.index, start.line + 1, start.column + 1)
        return result

    def _escapes(self, event: yaml.ScalarEvent, path: Path) -> None:
        """Refuse characters that a text in double quotes may write as escapes, where nobody sees them."""
        start: Any = event.start_mark
        end: Any = event.end_mark
        if event.style != '"' or "\\" not in self.source.text[start.index : end.index]:
            return
        mend = _("Remove it: a command must read as it runs.")
        if _BIDI.search(event.value):
            message = _("The text holds an invisible character that changes the direction of text.")
            _refuse(self.source, event, path, message, mend)
        if _NOT_KEPT.search(event.value):
            message = _("The text holds a NUL or a broken character, which can't be kept.")
            _refuse(self.source, event, path, message, _("Remove the NUL or the broken character."))

    def _sequence(self, path: Path) -> tuple[list[Any], Any]:
        items: list[Any] = []
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                return items, event.end_mark
            items.append(self.value(event, (*path, len(items))))
        raise AssertionError("the parser always closes a list")

    def _mapping(self, path: Path) -> tuple[dict[str, Any], Any]:
        items: dict[str, Any] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                return items, event.end_mark
            key = self._key(event, path)
            inner = (*path, key)
            mark = event.start_mark
            if key in items:
                message = _("The key %(name)s is given twice.")
                _refuse(self.source, event, inner, message, _("Keep one of the two."), name=key)
            self.source.keys.setdefault(inner, Span(mark.index, mark.index, mark.line + 1, mark.column + 1))
            value = self.value(next(self.events), inner)
            items.setdefault(key, value)
        raise AssertionError("the parser always closes a mapping")

    def _key(self, event: Any, path: Path) -> str:
        key = self.value(event, (*path, "?"))
        if not isinstance(event, yaml.ScalarEvent) or not isinstance(key, str):
            shown = event.value if isinstance(event, yaml.ScalarEvent) else "{...}"
            message = _("The key %(name)s is not a text.")
            mend = _("Write keys as words. A value that begins with { must stand in quotes.")
            _refuse(self.source, event, path, message, mend, name=shown)
            return str(shown)
        return key


def _scalar(event: yaml.ScalarEvent) -> Any:
    if not event.implicit[0]:
        return event.value
    text = event.value
    if text in _WORDS:
        return _WORDS[text]
    if re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", text):
        return int(text)
    return text
