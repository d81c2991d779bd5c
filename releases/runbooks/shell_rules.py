"""Which words of a shell command are themselves read as a program.

A placeholder's value reaches a script in a shell variable, so the shell that runs the script never parses it.
A second interpreter would: `sh -c "... {name}"`, `eval`, `ssh host "..."`, `sed`, `psql -c`. Those are refused.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum


class Quoting(Enum):
    """How the text around a placeholder is quoted."""

    UNQUOTED = "unquoted"
    DOUBLE = "double"
    SINGLE = "single"
    HEREDOC = "heredoc"


@dataclass(frozen=True)
class Found:
    """A placeholder at `text[start:end]`."""

    name: str
    start: int
    end: int
    quoting: Quoting


@dataclass(frozen=True)
class Word:
    """A word of a command without its quotes; a placeholder in it reads `{}`."""

    text: str
    found: tuple[Found, ...] = ()

    @property
    def program(self) -> str:
        """The word as the name of a program: no folder, no version number (`python3.13` is `python`)."""
        if self.text in {"$SHELL", "${SHELL}", "$BASH", "${BASH}", "$0"}:
            return "sh"
        name = self.text.rsplit("/", 1)[-1]
        return "python" if re.fullmatch(r"python[\d.]*", name) else name


SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish"})
_CODE_OPTIONS = {
    **dict.fromkeys(SHELLS, r"-[a-zA-Z]*c[a-zA-Z]*"),
    **dict.fromkeys(("su", "runuser", "script", "flock"), r"-[a-z]*c|--command|--session-command"),
    "env": r"-\w*S|--split-string",
    "python": r"-[a-zA-Z]*c",
    "perl": r"-[a-zA-Z]*[eE]",
    "ruby": r"-[a-zA-Z]*e",
    "lua": r"-e",
    "node": r"-[ep]+|--eval|--print",
    "php": r"-[rBRE]",
    "psql": r"-[a-zA-Z0-9]*c|--command",
    **dict.fromkeys(("mysql", "mariadb"), r"-[a-zA-Z]*e|--execute"),
}
_ALL_ARGUMENTS = frozenset({"eval", "trap", "let", "unset", "declare", "typeset", "watch", "read", "[[", "alias"})
_PROGRAM_FIRST = {"sed": "eEfl", "awk": "vFfe", "gawk": "vFfe", "mawk": "vFfe", "nawk": "vFfe", "jq": "f"}
_STDIN_CODE = SHELLS | {"python", "perl", "ruby", "node", "php", "psql", "mysql", "mariadb", "sqlite3"}
_STDIN_ALWAYS = frozenset({"at", "batch", "crontab"})
_SSH_VALUE_OPTIONS = frozenset("BbcDEeFIiJLlmOopQRSWw")


def read_as_code(words: Sequence[Word]) -> Found | None:
    """The first placeholder in a command whose value some program would read as its own code, if any."""
    for position, word in enumerate(words):
        for code in _code_words(word.program, list(words[position + 1 :]), _is_first(words, position)):
            if code.found:
                return code.found[0]
    return None


def reads_code_from_stdin(words: Sequence[Word]) -> bool:
    """True for a command that runs what it is fed: `| sh`, `| ssh host`, `psql <<EOF`."""
    for position, word in enumerate(words):
        rest = list(words[position + 1 :])
        if word.program in _STDIN_ALWAYS and _is_first(words, position):
            return True
        if word.text in {".", "source"} and _is_first(words, position) and _names_stdin(rest):
            return True
        if word.program == "ssh" and not list(_ssh_command(rest)):
            return True
        if word.program in {"xargs", "parallel"} and any(item.program in SHELLS for item in rest):
            return True
        if word.program in _STDIN_CODE and _reads_stdin(word.program, rest):
            return True
    return False


def _names_stdin(words: Sequence[Word]) -> bool:
    return any(word.text in {"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"} for word in words)


def _reads_stdin(program: str, rest: Sequence[Word]) -> bool:
    if program in {"psql", "mysql", "mariadb", "sqlite3"}:
        return not any(re.fullmatch(r"-f|--file.*|-c|--command.*|-e|--execute.*", word.text) for word in rest)
    texts = [word.text for word in rest]
    if _names_stdin(rest) or any(re.fullmatch(r"-[a-z]*s[a-z]*|-", text) for text in texts):
        return True
    return all(text.startswith("-") for text in texts) and not list(_option_arguments(program, rest))


def _is_first(words: Sequence[Word], position: int) -> bool:
    before = [word.text for word in words[:position]]
    return all("=" in text or text in {"command", "builtin", "sudo", "exec", "nohup"} for text in before)


def _code_words(program: str, rest: list[Word], first: bool) -> Iterator[Word]:
    if program in SHELLS | {".", "source"}:
        yield from (word for word in rest if word.text == "<()")
    if program in _ALL_ARGUMENTS and first:
        yield from rest
    elif program == "ssh":
        yield from _ssh_command(rest)
    elif program in {"scp", "rsync", "sftp"}:
        yield from (word for word in rest if re.search(r":.*\{\}", word.text, re.DOTALL))
    elif program in {"test", "[", "printf"}:
        yield from (word for previous, word in itertools.pairwise(rest) if previous.text in {"-v", "-R"})
    elif program in _PROGRAM_FIRST:
        yield from _program_text(program, rest)
    elif program == "sqlite3":
        yield from rest[1:]
    elif program in _CODE_OPTIONS:
        yield from _option_arguments(program, rest)


def _option_arguments(program: str, rest: Sequence[Word]) -> Iterator[Word]:
    """The words after an option that takes code; option words between them are stepped over."""
    pattern = re.compile(_CODE_OPTIONS.get(program, r"(?!)"))
    armed = False
    for word in rest:
        if armed and not word.text.startswith("-"):
            yield word
            return
        if pattern.fullmatch(word.text):
            armed = True
        elif (word.text.startswith("-") and pattern.match(word.text)) or armed:
            yield word


def _program_text(program: str, rest: Sequence[Word]) -> Iterator[Word]:
    """The program of sed or awk: the argument of -e, or else the first word that is no option."""
    takes_value = _PROGRAM_FIRST[program]
    words = iter(rest)
    given = False
    for word in words:
        if re.fullmatch(rf"-[a-zA-Z]*[{takes_value}]", word.text) and not (program == "sed" and word.text == "-E"):
            value = next(words, None)
            given = given or word.text[-1] in "ef"
            if value and word.text[-1] == "e":
                yield value
        elif word.text.startswith(("-e", "--expression", "--source")):
            given = True
            yield word
        elif not word.text.startswith("-") and not given:
            yield word
            return


def _ssh_command(rest: Sequence[Word]) -> Iterator[Word]:
    """The words of `ssh [options] destination command...` that the far shell will parse."""
    words = iter(rest)
    for word in words:
        if word.text.startswith("-"):
            if word.text.lower().find("command=") >= 0:
                yield word
            if len(word.text) == 2 and word.text[1] in _SSH_VALUE_OPTIONS:
                value = next(words, None)
                if value and "command=" in value.text.lower():
                    yield value
        else:
            break
    yield from words
