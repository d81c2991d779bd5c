"""Commands, pipelines and here-documents of a shell script, and which placeholders they would run as code."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from .refusals import PlaceholderError, refuse
from .shell_rules import Found, Word, read_as_code, reads_code_from_stdin

_GROUP_ENDS = frozenset({"}", "done", "fi", "esac"})


@dataclass
class Command:
    """A simple command. `first` and `last` are its range among the script's placeholders."""

    first: int
    last: int = 0
    words: list[Word] = field(default_factory=list)
    stdin: Literal["", "file", "text", "heredoc"] = ""


@dataclass
class Pipeline:
    """Commands joined by `|`; `first` is the index of the first placeholder that may flow through it."""

    first: int
    commands: list[Command] = field(default_factory=list)

    def add(self, command: Command, last: int) -> None:
        command.last = last
        self.commands.append(command)

    def feed_all_before(self, command: Command) -> None:
        """After the end of a group, such as `done |`, anything before it may flow on."""
        if command.words and command.words[0].text in _GROUP_ENDS:
            self.first = 0


@dataclass
class Heredoc:
    """A here-document still to be read. `position` is the place of its command in the pipeline."""

    delimiter: str
    literal: bool
    strip_tabs: bool
    pipeline: Pipeline
    position: int

    def check(self, body: Sequence[Found]) -> None:
        """Raise PlaceholderError if a command that reads this text would run it."""
        readers = self.pipeline.commands[self.position :]
        if body and any(reads_code_from_stdin(reader.words) for reader in readers):
            raise second_reading(body[0])


def second_reading(found: Found) -> PlaceholderError:
    """The error for a value that a second interpreter would parse."""
    return refuse("second_reading", found.name, found.start)


def judge(pipeline: Pipeline, found: Sequence[Found]) -> list[Command]:
    """Raise PlaceholderError if the pipeline runs a placeholder's value as code.

    Returns the interpreters in it whose input can't be seen from here: inside a group, or the script's own.
    """
    unseen = []
    for number, command in enumerate(pipeline.commands):
        code = read_as_code(command.words)
        if code is None and reads_code_from_stdin(command.words):
            fed: Sequence[Found] = ()
            if command.stdin == "text":
                fed = found[command.first : command.last]
            elif not command.stdin and number:
                fed = found[pipeline.first : command.first]
            elif not command.stdin:
                unseen.append(command)
            code = fed[0] if fed else None
        if code:
            raise second_reading(code)
    return unseen
