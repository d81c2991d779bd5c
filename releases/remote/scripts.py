"""Runs a script of ours on a machine, in one exec: installed once under its own digest, checked at each use.

The script gets `FOLDER NONCE SHELL VERB ARGUMENTS...`. It prints "NONCE begin" on stdout before raw bytes, and its
words to us on stderr as lines that begin with the nonce, so that whatever a login script prints does no harm.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shlex
import time
from collections.abc import Callable
from importlib.resources import files
from weakref import WeakKeyDictionary

from .errors import ClientLost, ConnectionLost, NoSpace, ToolMissing
from .transport import Completed, Readable, Stop, Transport, Write

DEFAULT_FOLDER = "~/.cloudwiki"
QUIET_LIMIT = 15.0  # seconds without a byte (our scripts speak every 2) after which a connection counts as lost
CANNOT_RUN = (2, 126, 127)  # what shells answer when the script is not there
NAME = re.compile(r"[A-Za-z0-9_-]{1,120}\Z")

# Neither "!" nor a backslash nor a newline in these: they must survive login shells that are not POSIX.
_FIND = 'f=$1; case $f in "~") f=$HOME;; "~/"*) f=$HOME/${f#??};; esac; '
_RUN = _FIND + (
    "command -v sha256sum >/dev/null || { echo $3 state=refused why=missing:sha256sum >&2; exit 75; }; "
    'if [ "$(sha256sum <"$f/bin/$2" 2>/dev/null)" = "$2  -" ]; then n=$3; s=$4; w=$f/bin/$2; shift 4; '
    'exec $s "$w" "$f" "$n" "$s" "$@"; fi; echo $3 state=absent-script >&2; exit 76'
)
_INSTALL = _FIND + (
    'umask 077; t=$f/bin/.$2.$$; mkdir -p "$f/bin" && cat >"$t" && [ "$(sha256sum <"$t")" = "$2  -" ] '
    '&& $4 "$t" "$f" "$3" "$4" check x && mv -f "$t" "$f/bin/$2"; r=$?; '
    'if [ $r -gt 0 ]; then rm -f "$t"; fi; echo $3 state=installed rc=$r >&2; exit $r'
)


def package_text(*names: str) -> bytes:
    """The shell files of this package, later ones put in place of the line "# include NAME"."""
    folder = files(__package__)
    text = folder.joinpath(names[0]).read_bytes()
    for name in names[1:]:
        mark = f"# include {name}\n".encode()
        assert mark in text  # noqa: S101 a file of ours
        text = text.replace(mark, folder.joinpath(name).read_bytes())
    return text


# What was checked on a connection is not checked again on it: that saves a trivial step a third of its time.
_CHECKED: WeakKeyDictionary[Transport, set[tuple[str, str, str]]] = WeakKeyDictionary()


class RemoteScript:
    """One script on one machine. `shell` is what runs it there, e.g. "sh" or "busybox sh"."""

    def __init__(self, transport: Transport, text: bytes, folder: str, shell: str = "sh") -> None:
        self.transport = transport
        self._text = text
        self._digest = hashlib.sha256(text).hexdigest()
        self._folder = folder
        self._shell = shell
        self._identity = (folder, self._digest, shell)

    def run(
        self,
        verb: str,
        *arguments: str,
        stdin: Callable[[], Readable | bytes | None] = lambda: None,
        write: Write | None = None,
        said: Callable[[dict[str, str]], None] | None = None,
        stop: Stop | None = None,
        quiet_limit: float | None = QUIET_LIMIT,
        size: int = 0,
    ) -> tuple[Completed, dict[str, str]]:
        """Run one verb; installs the script first if the machine has not got it.

        `stdin` is called for each try; `size`: bytes that will pass, as far as that is known. Returns how it ended and
        the last words it said, as a dict. Raises ConnectionLost, ToolMissing (sha256sum), NoSpace.
        """

        def run_once(program: str) -> tuple[Completed, dict[str, str]]:
            return self._exec(program, (verb, *arguments), stdin, write, said, stop, quiet_limit, size)

        checked = _CHECKED.setdefault(self.transport, set())
        if self._identity in checked:
            completed, words = run_once("")
            if words or completed.exit_code not in CANNOT_RUN:
                return completed, words
            checked.discard(self._identity)
        completed, words = run_once(_RUN)
        if words.get("state") == "absent-script":
            refused = self._install()
            if refused:
                return completed, refused
            completed, words = run_once(_RUN)
        if words:
            checked.add(self._identity)
        return completed, words

    def _install(self) -> dict[str, str]:
        """Put the script on the machine. The words of a refusal, or {}."""
        words: list[dict[str, str]] = []
        _, last = self._exec(_INSTALL, (), lambda: self._text, None, words.append, None, 60.0)
        refused = [word for word in words if word.get("state") == "refused"]
        if refused:
            return refused[0]
        if last.get("state") != "installed":
            raise ConnectionLost(f"{self.transport.name} did not answer while the step wrapper was installed.")
        if last.get("rc") != "0":
            raise NoSpace(
                f"Could not write to {self._folder} on {self.transport.name}.",
                "Check that the login user may write there and that the disk has room.",
            )
        return {}

    def _exec(
        self,
        program: str,
        arguments: tuple[str, ...],
        stdin: Callable[[], Readable | bytes | None],
        write: Write | None,
        said: Callable[[dict[str, str]], None] | None,
        stop: Stop | None,
        quiet_limit: float | None,
        size: int = 0,
    ) -> tuple[Completed, dict[str, str]]:
        nonce = secrets.token_hex(8)
        command = self._command(program, nonce, arguments)
        conversation = _Conversation(nonce, write, said)
        watch = _Quiet(conversation, stop, quiet_limit)
        try:
            completed = self.transport.execute(
                command,
                stdin(),
                write=conversation.hear_stdout,
                write_error=conversation.hear_stderr,
                stop=watch.stop,
                size=size,
            )
        except ClientLost:
            if conversation.last:
                raise
            # It did not get there: it may not be let in, because of the rights of the key's file say.
            return self._exec(program, arguments, stdin, write, said, stop, quiet_limit)
        if size and not conversation.last and completed.exit_code not in (None, 0):
            return self._exec(program, arguments, stdin, write, said, stop, quiet_limit)  # not the client we know
        if watch.too_quiet:
            raise ConnectionLost(f"{self.transport.name} has said nothing for {quiet_limit:.0f} s.")
        return completed, conversation.last

    def _command(self, program: str, nonce: str, arguments: tuple[str, ...]) -> str:
        if program:
            words = shlex.join((self._folder, self._digest, nonce, self._shell, *arguments))
            return f"exec {self._shell} -c {shlex.quote(program)} cloudwiki {words}"
        folder = shlex.quote(self._folder)
        if self._folder == "~" or self._folder.startswith("~/"):
            folder = f'"$HOME"{shlex.quote(self._folder[1:])}'
        words = shlex.join((nonce, self._shell, *arguments))
        return f"exec {self._shell} {folder}/bin/{self._digest} {folder} {words}"


class _Conversation:
    """Splits what comes back: raw bytes after the begin line, and words on stderr."""

    def __init__(self, nonce: str, write: Write | None, said: Callable[[dict[str, str]], None] | None) -> None:
        self.last: dict[str, str] = {}
        self.heard_at = time.monotonic()
        self._begin = f"{nonce} begin\n".encode()
        self._nonce = nonce.encode() + b" "
        self._write = write
        self._said = said
        self._began = False
        self._before = b""
        self._line = b""

    def hear_stdout(self, data: bytes) -> None:
        if not self._began:
            found = (self._before + data).partition(self._begin)
            self._began = bool(found[1])
            if self._began and not self.last:
                self.last = {"state": "begun"}
            self._before = b"" if self._began else found[0][-len(self._begin) :]
            data = found[2]
        if data and self._write and self._began:
            self._write(data)
        self.heard_at = time.monotonic()

    def hear_stderr(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        self._line = self._line[-4096:]
        for line in lines:
            _, found, words = line.partition(self._nonce)
            if found:
                self._hear_words(words.decode("utf-8", "replace"))
        self.heard_at = time.monotonic()

    def _hear_words(self, line: str) -> None:
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if words.get("state") != "working":  # that only says "alive"
            self.last = words
        if self._said:
            self._said(words)


class _Quiet:
    """Tells a dead connection from a quiet step: our scripts speak every two seconds."""

    def __init__(self, conversation: _Conversation, stop: Stop | None, limit: float | None) -> None:
        self.too_quiet = False
        self._conversation = conversation
        self._stop = stop
        self._limit = limit

    def stop(self) -> bool:
        quiet = time.monotonic() - self._conversation.heard_at
        if self._limit is not None and quiet > self._limit:
            self.too_quiet = True
        return self.too_quiet or (self._stop is not None and self._stop())


def require_tools(words: dict[str, str], machine: str) -> None:
    """Turn a refusal of a script into an error: ToolMissing or NoSpace."""
    why = words.get("why", "")
    if why.startswith("missing:"):
        raise ToolMissing(f"{machine} has no {why.partition(':')[2]}.")
    if why == "diskfull":
        raise NoSpace(f"The disk of {machine} is full.")
