"""What is sent to start a step: script, parameters and secrets as the files of a tar.

Its last file, `whole`, holds the digest of all: when it is there, what came before it arrived to the end (SSH
itself sees to it that no byte is altered on the way).
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import InvalidStep

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,100}\Z")
# Names that change how a shell works, or that it does not let be set.
_RESERVED = (
    "ASH_VERSION BASHOPTS BASHPID BASH_ENV CDPATH DIRSTACK ENV EUID FUNCNAME GLOBIGNORE GROUPS HOME IFS LINENO"
    " MAIL MAILCHECK MAILPATH OLDPWD OPTARG OPTERR OPTIND PATH PIPESTATUS POSIXLY_CORRECT PPID PROMPT_COMMAND PS1 PS2"
    " PS3 PS4 PWD RANDOM SECONDS SHELL SHELLOPTS SHLVL TMPDIR UID _"
)
RESERVED = frozenset(_RESERVED.split())
RESERVED_PREFIXES = ("BASH_", "CLOUDWIKI_", "LC_", "LD_")
# The "." keeps newlines at the end of a value, which $(...) would drop; its byte is no part of any character.
_READ = '{name}=$(cat "$CLOUDWIKI_ATTEMPT/parameters/{name}" && printf .) || exit 125\n{name}=${{{name}%.}}\n'
_RUN = '. "$CLOUDWIKI_ATTEMPT/script"\n'


@dataclass(frozen=True, slots=True)
class Bundle:
    data: bytes
    sha256: str


def make_bundle(text: bytes, parameters: Mapping[str, str], secrets: Mapping[str, str]) -> Bundle:
    """Raises InvalidStep for names that no shell variable may have and for values with a NUL."""
    files = {"prelude": prelude(parameters), "script": text}
    for folder, values in (("parameters", parameters), ("secrets", secrets)):
        for name, value in values.items():
            files[f"{folder}/{_checked_name(name, folder)}"] = _checked_value(name, value)
    digest = hashlib.sha256(b"".join(b"%s\0%d\0%s" % (k.encode(), len(v), v) for k, v in files.items()))
    return Bundle(_tar(files | {"whole": digest.hexdigest().encode() + b"\n"}), digest.hexdigest())


def prelude(parameters: Mapping[str, str]) -> bytes:
    """Shell text that reads each parameter from its file into a variable, as data, then runs the script."""
    reads = "".join(_READ.format(name=_checked_name(name, "parameters")) for name in parameters)
    return (reads + _RUN).encode()


def _checked_name(name: str, folder: str) -> str:
    if not VARIABLE.match(name):
        raise InvalidStep(f"{name!r} cannot be a variable's name: use letters, digits and _, no digit first.")
    if folder == "parameters" and (name in RESERVED or name.startswith(RESERVED_PREFIXES)):
        raise InvalidStep(f"The parameter {name} would change how the shell itself works: use another name.")
    return name


def _checked_value(name: str, value: str) -> bytes:
    if "\0" in value:
        raise InvalidStep(f"The value of {name} contains a NUL, which no shell can hold.")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise InvalidStep(f"The value of {name} is not valid Unicode text.") from None


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for folder in sorted({name.partition("/")[0] for name in files if "/" in name}):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o700
            archive.addfile(info)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o600
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
