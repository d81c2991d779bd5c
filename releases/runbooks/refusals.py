"""Why a placeholder is refused, and what to write instead."""

from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from .messages import Message

_REASONS = {
    "second_reading": (
        _("The value of {%(name)s} would be read as program text by a second interpreter."),
        _("Pass it as an argument, such as: sh -c 'echo \"$1\"' sh {%(name)s}, or psql -v name={%(name)s}."),
    ),
    "heredoc_word": (
        _("The end word of a here-document can't be a placeholder."),
        _("Use a fixed word, such as <<END."),
    ),
    "heredoc_quoted": (
        _("{%(name)s} stands in a here-document whose end word is quoted, so the shell would not fill it in."),
        _("Remove the quotes from the end word, such as <<END in place of <<'END'."),
    ),
    "arithmetic": (
        _("{%(name)s} stands in an arithmetic expression, where some shells run commands found in a value."),
        _("Put the value into a program's argument, such as: expr {%(name)s} + 1."),
    ),
    "ansi_quote": (
        _("{%(name)s} stands in $'...', which not every shell knows."),
        _("Close the quote before it, or use double quotes."),
    ),
    "backquote": (
        _("{%(name)s} stands between backquotes."),
        _("Use $(...) in place of the backquotes."),
    ),
    "parameter": (
        _("{%(name)s} stands inside ${...}."),
        _("Set a shell variable first: value={%(name)s}, then use ${value} in the expression."),
    ),
    "secret": (
        _("{%(name)s} is a secret and would be visible in a command."),
        _("Use {%(name)s_file}, the path of a file only the step can read, such as: --password-file {%(name)s_file}."),
    ),
    "secret_text": (
        _("{%(name)s} is a secret and can't stand in a text that people see."),
        _("Use it in a command, as the file that holds it, or remove it."),
    ),
    "nesting": (
        _("The command is nested too deeply."),
        _("Move parts of it into a script file or into steps of their own."),
    ),
    "nul": (
        _("The value of {%(name)s} holds a character that no shell can carry."),
        _("Remove the NUL or the broken character from the value."),
    ),
}


class PlaceholderError(ValueError):
    """A placeholder that can't be filled in safely. `offset` is its place in the template."""

    def __init__(self, name: str, offset: int, message: Message, mend: Message) -> None:
        self.name, self.offset, self.message, self.mend = name, offset, message, mend
        super().__init__(name)

    def __str__(self) -> str:
        return f"{self.message} {self.mend}"


def refuse(why: str, name: str, offset: int) -> PlaceholderError:
    """The error for one of the reasons above."""
    message, mend = _REASONS[why]
    return PlaceholderError(name, offset, Message(message, {"name": name}), Message(mend, {"name": name}))


def unknown(name: str, offset: int, allowed: Iterable[str]) -> PlaceholderError:
    """The error for a name that nobody declared. Lists what may be used."""
    return PlaceholderError(
        name,
        offset,
        Message(_("Nothing is called {%(name)s} here."), {"name": name}),
        Message(
            _("Declare it under variables, or use one of: %(allowed)s. To keep the braces, write { %(name)s }."),
            {"name": name, "allowed": ", ".join(sorted(allowed))},
        ),
    )
