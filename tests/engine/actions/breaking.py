"""Runs the text of an action's script on this machine, killed at any call of a program, or with one that fails."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from releases.remote.bundle import prelude

# Counts the calls of all programs; at the chosen one ends every process of the script, as `kill -9` would.
_SHIM = """#!/bin/sh
number=$(($(cat "$BREAKING/count") + 1))
echo "$number" >"$BREAKING/count"
echo "$number {name} $*" >>"$BREAKING/calls"
when=''
[ "$number" != "$(cat "$BREAKING/at")" ] || when=$(cat "$BREAKING/when")
case $when in before) kill -KILL 0 ;; fail) exit 1 ;; esac
"{real}" "$@"
code=$?
[ "$when" != after ] || kill -KILL 0
exit $code
"""


def path_of(shell: tuple[str, ...], folder: Path) -> str:
    """The PATH to go with a shell: with BusyBox all programs are its own, linked in `folder`."""
    if shell[0] != "busybox":
        return os.environ["PATH"]
    folder.mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        (folder / applet).symlink_to(busybox)
    return str(folder)


@dataclass(frozen=True)
class Ended:
    """How a run ended. `killed`: by the fault."""

    exit_code: int
    output: str

    @property
    def killed(self) -> bool:
        return self.exit_code == -signal.SIGKILL


class Breaking:
    """A folder with programs that break; `programs` are those that count, `first` stands first on the PATH."""

    def __init__(self, folder: Path, programs: tuple[str, ...], shell: tuple[str, ...], first: str = "") -> None:
        self.folder = folder
        self.shell = (str(shutil.which(shell[0])), *shell[1:])
        self.path = first + path_of(shell, folder / "applets")
        (folder / "bin").mkdir(parents=True)
        for name in programs:
            real = shutil.which(name, path=self.path)
            shim = folder / "bin" / name
            shim.write_text(_SHIM.replace("{name}", name).replace("{real}", str(real)))
            shim.chmod(0o755)

    def run(self, text: str, parameters: Mapping[str, str], at: int = 0, when: str = "", **environment: str) -> Ended:
        """Run it; the `at`-th call of a program is killed `before` or `after` its work, or made to `fail`."""
        attempt = self.folder / "attempt"
        shutil.rmtree(attempt, ignore_errors=True)
        (attempt / "parameters").mkdir(parents=True)
        (attempt / "secrets").mkdir()
        (attempt / "script").write_text(text)
        (attempt / "prelude").write_bytes(prelude(parameters))
        for name, value in parameters.items():
            (attempt / "parameters" / name).write_text(value)
        for name, value in {"count": "0", "at": str(at), "when": when, "calls": ""}.items():
            (self.folder / name).write_text(value)
        ours = {"CLOUDWIKI_ATTEMPT": str(attempt), "CLOUDWIKI_SECRETS": str(attempt / "secrets")}
        ours |= {"BREAKING": str(self.folder), "PATH": f"{self.folder}/bin:{self.path}"}
        done = subprocess.run(
            [*self.shell, str(attempt / "prelude")],
            env={**os.environ, **ours, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            timeout=60,
        )
        return Ended(done.returncode, done.stdout.decode(errors="replace"))

    def calls(self) -> list[str]:
        """The calls of the last run: "3 mv -T a b"."""
        return (self.folder / "calls").read_text().splitlines()
