"""Sentences for people: a translatable text and the values that go into it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise


@dataclass(frozen=True)
class Message:
    """A gettext text with its parameters; translated when it is shown, in the language of the reader."""

    text: str | Promise
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.text) % self.params if self.params else str(self.text)


@dataclass(frozen=True)
class RunbookError:
    """One thing wrong in a runbook. `line` and `column` count from 1; `path` is like `steps[2].action`."""

    line: int
    column: int
    path: str
    message: Message
    mend: Message

    def to_json(self) -> dict[str, Any]:
        """The error as plain values, in the language active now."""
        return {
            "line": self.line,
            "column": self.column,
            "path": self.path,
            "message": str(self.message),
            "mend": str(self.mend),
        }

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{self.line}:{self.column}: {where}{self.message} {self.mend}"


class RunbookErrors(Exception):
    """Everything wrong in a runbook, in the order of the text."""

    def __init__(self, errors: list[RunbookError]) -> None:
        self.errors = sorted(errors, key=lambda error: (error.line, error.column))
        super().__init__(self.errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)
