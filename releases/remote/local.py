"""The controller itself as a machine: the same wrapper runs here as on hosts."""

from __future__ import annotations

from collections.abc import Mapping

from .programs import login_environment, run_program
from .transport import Completed, Readable, Stop, Write


class LocalTransport:
    """Runs commands with `sh -c` on this machine. `environment` replaces what is passed on from this process."""

    name = "controller"

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(login_environment() if environment is None else environment)

    def execute(
        self,
        command: str,
        stdin: Readable | bytes | None = None,
        *,
        write: Write | None = None,
        write_error: Write | None = None,
        stop: Stop | None = None,
        size: int = 0,
    ) -> Completed:
        home = self._environment.get("HOME", "/")
        return run_program(["/bin/sh", "-c", command], self._environment, home, stdin, write, write_error, stop)

    def close(self) -> None:
        """Nothing is held open between two commands."""
