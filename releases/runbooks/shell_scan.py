"""Finds the placeholders of a shell script and how each one is quoted.

A scanner for POSIX shell with the usual bash additions: quotes, comments, here-documents, `$(...)`, `case`.
If it ever misjudged a quote the worst outcome is a split word: values are never part of the text it returns.
"""

import re
from collections.abc import Callable

from .refusals import refuse
from .shell_commands import Command, Heredoc, Pipeline, judge, second_reading
from .shell_rules import Found, Quoting, Word

# `${name}`, `{{name}}` and `\{name}` are left to the shell and to template languages.
PLACEHOLDER = re.compile(r"(?<![$\\{])\{([a-z][a-z0-9_]*)\}")
_MAX_DEPTH = 40
_RESERVED = frozenset({"if", "then", "else", "elif", "while", "until", "do", "!", "{", "time"})


class ShellScanner:
    """One pass over one script. `scan()` returns its placeholders or raises PlaceholderError."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: list[Found] = []
        self._heredocs: list[Heredoc] = []
        self._unseen: list[Command] = []
        self._depth = 0

    def scan(self) -> list[Found]:
        while self.at < len(self.text):
            self._list()
        for command in self._unseen:
            others = self.found[: command.first] + self.found[command.last :]
            if others:
                raise second_reading(others[0])
        return self.found

    # A list of commands, up to its closing parenthesis or the end of the text.
    def _list(self) -> None:
        cases = 0
        pipeline = Pipeline(len(self.found))
        command = Command(len(self.found))
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\\" and self.text.startswith("\\\n", self.at):
                self.at += 2
            elif char in " \t":
                self.at += 1
            elif char == "#":
                self._comment()
            elif char == "\n" or char in ";&|)":
                if char == ")" and not cases:
                    self.at += 1
                    self._end_pipeline(pipeline, command)
                    return
                pipeline, command = self._separator(pipeline, command)
            elif char == "(":
                self._subshell(command)
            elif char in "<>":
                self._redirection(pipeline, command)
            else:
                cases += self._take_word(command)
        self._end_pipeline(pipeline, command)

    def _take_word(self, command: Command) -> int:
        """Add the next word to a command. Returns 1 where a `case` begins, -1 where one ends."""
        word = self._word()
        first = not command.words
        descriptor = word.text.isdigit() and self.text[self.at : self.at + 1] in ("<", ">")
        if word.text == "{" and not first and command.words[0].text == "function":
            command.words.clear()
            first = True
        if not descriptor and not (first and word.text in _RESERVED):
            command.words.append(word)
        return (word.text == "case") - (word.text == "esac") if first else 0

    def _separator(self, pipeline: Pipeline, command: Command) -> tuple[Pipeline, Command]:
        piped = re.compile(r"\|&?(?!\|)").match(self.text, self.at)
        newline = self.text[self.at] == "\n"
        continued = newline and pipeline.commands and not command.words
        self.at = piped.end() if piped else self.at + 1
        if piped:
            pipeline.add(command, len(self.found))
            pipeline.feed_all_before(command)
        elif not continued:
            self._end_pipeline(pipeline, command)
        if newline:
            self._here_documents()
        if not piped and not continued:
            pipeline = Pipeline(len(self.found))
        return pipeline, Command(len(self.found))

    def _end_pipeline(self, pipeline: Pipeline, last: Command) -> None:
        pipeline.add(last, len(self.found))
        self._unseen += judge(pipeline, self.found)

    def _inside(self, part: Callable[[], None]) -> None:
        """Scan a nested part; as deep as people write, and no deeper than Python's own stack."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise refuse("nesting", "", self.at)
        part()
        self._depth -= 1

    def _subshell(self, command: Command) -> None:
        arithmetic = self.text.startswith("((", self.at)
        self.at += 1
        before, begin = len(self.found), self.at
        self._inside(self._list)
        if self.text[begin : self.at].strip() == ")":  # f() { ...: what follows is a command of its own
            command.words.clear()
        if arithmetic and len(self.found) > before:
            found = self.found[before]
            raise refuse("arithmetic", found.name, found.start)

    def _comment(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _redirection(self, pipeline: Pipeline, command: Command) -> None:
        operator = re.compile(r"<<<|<<-?|[<>]&|<>|>>|>\||[<>]").match(self.text, self.at)
        name = operator.group() if operator else ""
        self.at += len(name)
        if self.text.startswith("(", self.at):
            self._process_substitution(command)
            return
        blank = re.compile(r"(?:[ \t]|\\\n)*").match(self.text, self.at)
        self.at = begin = blank.end() if blank else self.at
        word = self._word()
        if name == "<<<":
            command.stdin = "text"
        elif name == "<":
            command.stdin = "file"
        elif name in {"<<", "<<-"}:
            if word.found:
                raise refuse("heredoc_word", word.found[0].name, word.found[0].start)
            command.stdin = "heredoc"
            literal = any(quote in self.text[begin : self.at] for quote in "'\"\\")
            self._heredocs.append(Heredoc(word.text, literal, name == "<<-", pipeline, len(pipeline.commands)))

    def _process_substitution(self, command: Command) -> None:
        known = len(self.found)
        self._subshell(Command(known))
        command.words.append(Word("<()", tuple(self.found[known:])))

    def _here_documents(self) -> None:
        pending, self._heredocs = self._heredocs, []
        for heredoc in pending:
            self._here_document(heredoc)

    def _here_document(self, heredoc: Heredoc) -> None:
        start, end = self.at, len(self.text)
        line = start
        after = end
        while line < len(self.text):
            stop = self.text.find("\n", line)
            stop = len(self.text) if stop < 0 else stop
            content = self.text[line:stop]
            if (content.lstrip("\t") if heredoc.strip_tabs else content) == heredoc.delimiter:
                end, after = line, min(stop + 1, len(self.text))
                break
            line = stop + 1
        first = len(self.found)
        self._here_body(heredoc, end)
        heredoc.check(self.found[first:])
        self.at = after

    def _here_body(self, heredoc: Heredoc, end: int) -> None:
        while self.at < end:
            if heredoc.literal:
                match = PLACEHOLDER.search(self.text, self.at, end)
                if match:
                    raise refuse("heredoc_quoted", match[1], match.start())
                self.at = end
            elif self.text[self.at] == "\\":
                self.at += 2
            elif not self._expansion(Quoting.HEREDOC):
                self.at += 1

    def _word(self) -> Word:
        """One word; stops before an unquoted space or operator."""
        first, letters, begin = len(self.found), [], self.at
        while self.at < len(self.text) and self.text[self.at] not in " \t\n;&|()<>":
            char = self.text[self.at]
            if char == "\\":
                letters.append(self.text[self.at + 1 : self.at + 2].strip("\n"))
                self.at += 2
            elif char == "'":
                letters.append(self._single())
            elif char == '"':
                letters.append(self._double())
            else:
                letters.append(self._piece())
        if self.at == begin:  # an operator where a word had to be: let the shell complain
            self.at += 1
        return Word("".join(letters), tuple(self.found[first:]))

    def _piece(self) -> str:
        start, known = self.at, len(self.found)
        if self._expansion(Quoting.UNQUOTED):
            return "{}" if len(self.found) > known else self.text[start : self.at]
        self.at += 1
        return self.text[start : self.at]

    def _single(self) -> str:
        end = self.text.find("'", self.at + 1)
        end = len(self.text) if end < 0 else end
        start = self.at + 1
        for match in PLACEHOLDER.finditer(self.text, start, end):
            self._add(match, Quoting.SINGLE)
        self.at = end + 1
        return PLACEHOLDER.sub("{}", self.text[start:end])

    def _double(self) -> str:
        self.at += 1
        letters: list[str] = []
        while self.at < len(self.text) and self.text[self.at] != '"':
            start, known = self.at, len(self.found)
            if self.text[self.at] == "\\":
                self.at += 2
                letters.append(self.text[start + 1 : self.at])
            elif self._expansion(Quoting.DOUBLE):
                letters.append("{}" if len(self.found) > known else self.text[start : self.at])
            else:
                self.at += 1
                letters.append(self.text[start])
        self.at += 1
        return "".join(letters)

    def _expansion(self, quoting: Quoting) -> bool:
        """Take a placeholder or a `$` or backquote expansion that begins here; False if none does."""
        match = PLACEHOLDER.match(self.text, self.at)
        if match:
            self._add(match, quoting)
            self.at = match.end()
        elif self.text.startswith("$((", self.at):
            self._arithmetic()
        elif self.text.startswith("$(", self.at):
            self.at += 2
            self._inside(self._list)
        elif self.text.startswith("${", self.at):
            self._inside(lambda: self._parameter(quoting))
        elif self.text.startswith("$[", self.at):
            self._closed("]", "arithmetic")
        elif self.text.startswith("$'", self.at) and quoting is Quoting.UNQUOTED:
            self.at += 1
            self._closed("'", "ansi_quote")
        elif self.text[self.at] == "`":
            self._closed("`", "backquote")
        else:
            return False
        return True

    def _add(self, match: re.Match[str], quoting: Quoting) -> None:
        self.found.append(Found(match[1], match.start(), match.end(), quoting))

    def _no_placeholder(self, why: str) -> None:
        match = PLACEHOLDER.match(self.text, self.at)
        if match:
            raise refuse(why, match[1], match.start())

    def _closed(self, closer: str, why: str) -> None:
        """Step over a part in which placeholders are refused, up to its closing character."""
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != closer:
            self._no_placeholder(why)
            self.at += 2 if self.text[self.at] == "\\" else 1
        self.at += 1

    def _arithmetic(self) -> None:
        depth = 0
        self.at += 1
        while self.at < len(self.text):
            self._no_placeholder("arithmetic")
            depth += {"(": 1, ")": -1}.get(self.text[self.at], 0)
            self.at += 1
            if depth == 0:
                return

    def _parameter(self, quoting: Quoting) -> None:
        """`${...}` up to its brace. Single quotes in it quote only outside double quotes."""
        self.at += 2
        while self.at < len(self.text) and self.text[self.at] != "}":
            self._no_placeholder("parameter")
            char = self.text[self.at]
            known = len(self.found)
            if char == "\\":
                self.at += 2
            elif char == "'" and quoting is Quoting.UNQUOTED:
                self._single()
            elif char == '"':
                self._double()
            elif not self._expansion(quoting):
                self.at += 1
            if len(self.found) > known:
                raise refuse("parameter", self.found[known].name, self.found[known].start)
        self.at += 1
