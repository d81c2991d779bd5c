"""Why a command said no: known last words of programs, each as a sentence with its mend."""

import re
from typing import Final

from django.utils.translation import gettext_lazy as _

_KNOWN: Final = (
    (
        r"sudo: (?:a password is required|a terminal is required|no tty present|sorry, you must have a tty)",
        _("sudo asked for a password. Let the login run this command without one: add a NOPASSWD line to sudoers."),
    ),
    (
        r"(?P<what>\S+) is not (?:in the sudoers file|allowed to (?:execute|run))",
        _("%(what)s may not use sudo for this. Add the command to sudoers for this login."),
    ),
    (
        r"[Nn]o space left on device|Disk quota exceeded|[Dd]isk full",
        _("The disk is full. Free some space on the machine and try again."),
    ),
    (
        r"Permission denied \((?:publickey|password|keyboard)",
        _("An SSH login from the machine was refused. Give its login a key that the other side knows."),
    ),
    (
        r"Host key verification failed",
        _("The machine does not know the host key of the other side. Add it to its known_hosts."),
    ),
    (
        r"could not read (?:Username|Password)|terminal prompts disabled|read_passphrase|Enter passphrase",
        _("A program asked for a password, and nobody can answer. Give it a key or a token file."),
    ),
    (
        r"/dev/tty: |(?:open|opening) /dev/tty",
        _("It wanted to ask at a terminal, and there is none. Give the command its answer, as with an option like -y."),
    ),
    (
        # A last line without its end, such as "Overwrite all? [y/N] " or "Password for git: ".
        r"(?P<what>[^\n]{0,160}(?:\?|[\[(][Yy](?:es)?/[Nn]o?[\])]|[Pp]ass(?:word|phrase)[^\n]{0,60}:)"
        r"(?: ?[\[(][^\n]{1,30}[\])])?[ :>]*)\Z",
        _("It asked “%(what)s”, and nobody can answer. Give the command its answer, as with an option like -y."),
    ),
    (
        r"Unit (?P<what>\S+) (?:not found|could not be found|not loaded)",
        _("The service %(what)s does not exist there. Check its name, or install it."),
    ),
    (
        r"(?:can't cd to|cd:) (?P<what>[^\n]+?)(?:: No such file or directory)?$",
        _("The folder %(what)s is not there. Create it, or correct the path."),
    ),
    (
        r"(?:^|: )(?P<what>[^\s:]+): (?:command )?not found$",
        _("The program %(what)s is not installed there, or not on the PATH. Install it, or give its whole path."),
    ),
    (
        r"(?P<what>[^\n]{1,200}): Permission denied",
        _("The login may not do this: %(what)s. Give it the right, or use sudo."),
    ),
    (
        r"(?P<what>[^\n]{1,200}): No such file or directory",
        _("Something is not there: %(what)s. Create it, or correct the path."),
    ),
    (
        r"Connection refused",
        _("A connection was refused: the service it needs does not listen. Start it and try again."),
    ),
)  # fmt: skip
_RULES: Final = tuple((re.compile(pattern, re.MULTILINE), sentence) for pattern, sentence in _KNOWN)
_ENDED: Final = frozenset({129, 130, 143})  # by HUP, INT, TERM
LAST = 4096  # bytes of the log in which the reason is looked for
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def explain_tail(tail: bytes, exit_code: int = 0) -> str:
    """A translated sentence with the mend from the last bytes of a log; "" when nothing known is in it."""
    text = plain(tail)
    for rule, sentence in _RULES:
        matches = list(rule.finditer(text))
        if matches:
            found = {name: value.strip() for name, value in matches[-1].groupdict().items()}
            return str(sentence) % found
    if exit_code == 137:
        return str(_("It was killed (exit code 137), most often because memory ran out."))
    if exit_code in _ENDED:
        sentence = _("A signal from outside ended it (exit code %s): the machine shut down, or somebody ended it.")
        return str(sentence) % exit_code
    return ""


def plain(tail: bytes) -> str:
    """The end of a log as text: no colours, no carriage returns."""
    return _ESCAPES.sub("", tail[-LAST:].decode(errors="replace"))
