"""The client of the step wrapper: starts a step at most once, follows its log, tells its end.

The wrapper (wrapper.sh, with supervisor.sh) keeps the log, the exit code and the pulse on the machine, so a step
outlives this process and the connection, and anybody may attach again at the byte where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from .bundle import Bundle, make_bundle
from .errors import ConnectionLost, InvalidStep
from .faults import fault_point
from .scripts import DEFAULT_FOLDER, NAME, QUIET_LIMIT, RemoteScript, package_text
from .transport import Transport

State = Literal["absent", "claimed", "starting", "running", "finished", "unknown", "fenced", "refused"]
WRAPPER = package_text("wrapper.sh", "supervisor.sh")
ACTIVE = ("claimed", "starting", "running")


@dataclass(frozen=True, slots=True)
class StepScript:
    """One attempt of a step.

    `text` is a POSIX sh script that never contains a value. Each parameter arrives as a file and is read as data
    into the shell variable of its name (not exported). Each secret is a 0600 file "$CLOUDWIKI_SECRETS/NAME",
    removed when the step ends. Times in seconds; `log_cap` in bytes, and the log says so when it was cut.
    """

    attempt: str
    text: bytes
    parameters: Mapping[str, str]
    secrets: Mapping[str, str]
    lock: str
    token: int
    timeout: int
    silence_timeout: int | None
    grace: int = 10
    log_cap: int = 1 << 30


@dataclass(frozen=True, slots=True)
class StepStatus:
    """`unknown` is neither success nor failure: a person decides.

    A finished step with a reason was ended by us: its exit code then says nothing of success.

    `reason`: of unknown: reboot, vanished; of finished: "", timeout, silence, cancelled; of refused: corrupt,
    diskfull, removed, cancelled, missing:TOOL; of fenced: the newest token; of running: "" or supervisor-lost; of
    absent: "" or removed. `disk_was_full`: the machine's disk was seen full while it ran, so its log may have gaps.
    """

    state: State
    exit_code: int | None
    reason: str
    log_size: int
    heartbeat_age: int | None
    disk_was_full: bool = False


class StepClient:
    """Speaks to the wrapper on one machine. `wrapper` is replaced by fault tests only.

    `heard` is called whenever the machine said something while a step is followed, at least every 2 s.
    """

    def __init__(
        self,
        transport: Transport,
        folder: str = DEFAULT_FOLDER,
        *,
        shell: str = "sh",
        wrapper: bytes = WRAPPER,
        quiet_limit: float = QUIET_LIMIT,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self._heard = heard
        self._script = RemoteScript(transport, wrapper, folder, shell)
        self._machine = transport.name
        self._quiet_limit = quiet_limit

    def launch_and_follow(
        self,
        step: StepScript,
        offset: int,
        write: Callable[[bytes], None],
        stop: Callable[[], bool],
        runs: Callable[[str], None] = lambda reason: None,
    ) -> StepStatus:
        """Start the step unless it was started before, and follow its log from byte `offset`: one exec.

        `runs` gets the reason of the state ("" or supervisor-lost) whenever the machine says that the step runs.

        Returns when it ended, or when stop() is true: then the step runs on, state "running", or "starting" if
        the machine had not answered yet, so that only `status` can tell whether it was launched. Raises
        ConnectionLost: call again with the offset raised by what `write` got.
        """
        bundle = make_bundle(step.text, step.parameters, step.secrets)
        arguments = _launch_arguments(step, bundle)
        fault_point("before_launch")
        return self._follow("launch", step.attempt, arguments, bundle.data, offset, write, stop, runs)

    def follow(
        self,
        attempt: str,
        offset: int,
        write: Callable[[bytes], None],
        stop: Callable[[], bool],
        runs: Callable[[str], None] = lambda reason: None,
    ) -> StepStatus:
        """Follow an attempt that was launched before. Same as above otherwise."""
        return self._follow("follow", attempt, (), None, offset, write, stop, runs)

    def status(self, attempt: str) -> StepStatus:
        return self._ask("status", attempt)

    def cancel(self, attempt: str, grace: int, lock: str, token: int) -> StepStatus:
        """End the step's processes: TERM, `grace` seconds, KILL. An attempt not yet launched never will be."""
        _check_names(attempt, lock)
        return self._ask("cancel", attempt, str(int(grace)), lock, str(int(token)), quiet=grace + 30.0)

    def remove(self, attempt: str, log_sha256: str) -> bool:
        """Delete an ended attempt from the machine, if its log there is the one with this digest.

        True when nothing is left of it there, also where it never came.
        """
        _, words = self._script.run("remove", _checked(attempt), log_sha256, quiet_limit=600.0)
        return words.get("state") in {"removed", "absent"}

    def _ask(self, verb: str, attempt: str, *arguments: str, quiet: float | None = None) -> StepStatus:
        limit = self._quiet_limit if quiet is None else quiet
        _, words = self._script.run(verb, _checked(attempt), *arguments, quiet_limit=limit)
        return self._status(words)

    def _follow(
        self,
        verb: str,
        attempt: str,
        arguments: tuple[str, ...],
        bundle: bytes | None,
        offset: int,
        write: Callable[[bytes], None],
        stop: Callable[[], bool],
        runs: Callable[[str], None],
    ) -> StepStatus:
        def said(words: dict[str, str]) -> None:
            self._said(words)
            if words.get("state") == "running":
                runs(_reason(words))

        counted = _Counted(write, offset)
        completed, words = self._script.run(
            verb,
            _checked(attempt),
            *arguments,
            str(int(offset)),
            stdin=lambda: bundle,
            write=counted,
            said=said,
            stop=stop,
            quiet_limit=self._quiet_limit,
        )
        fault_point("after_follow")
        if completed.exit_code is None and stop():
            return StepStatus("running" if words else "starting", None, "", counted.position, None)
        status = self._status(words)
        whole = counted.position >= status.log_size
        if status.state in ("starting", "running") or (status.state == "finished" and not whole):
            raise ConnectionLost(f"{self._machine} stopped following the step in the middle.")
        return status

    def _said(self, _words: Mapping[str, str]) -> None:
        self._heard()
        fault_point("heard")

    def _status(self, words: Mapping[str, str]) -> StepStatus:
        if words.get("state", "begun") == "begun":
            raise ConnectionLost(f"{self._machine} gave no answer about the step.")
        return StepStatus(
            state=cast(State, words["state"]),
            exit_code=_number(words.get("rc")),
            reason=_reason(words),
            log_size=_number(words.get("log")) or 0,
            heartbeat_age=_number(words.get("beat")),
            disk_was_full=words.get("full") == "yes",
        )


class _Counted:
    """Counts the raw bytes handed on: the offset at which to attach again."""

    def __init__(self, write: Callable[[bytes], None], offset: int) -> None:
        self.position = offset
        self._write = write

    def __call__(self, data: bytes) -> None:
        self._write(data)
        self.position += len(data)
        fault_point("after_write")


def _launch_arguments(step: StepScript, bundle: Bundle) -> tuple[str, ...]:
    _check_names(step.attempt, step.lock)
    if step.timeout <= 0 or step.token < 0 or step.grace < 0 or step.log_cap <= 0:
        raise InvalidStep(f"The limits of step {step.attempt} must be positive.")
    numbers = (step.timeout, step.silence_timeout or 0, step.grace, step.log_cap)
    return (step.lock, str(step.token), bundle.sha256, *map(str, numbers))


def _check_names(*names: str) -> None:
    for name in names:
        _checked(name)


def _checked(name: str) -> str:
    if not NAME.match(name):
        raise InvalidStep(f"{name!r} is not a name of letters, digits, - and _.")
    return name


def _reason(words: Mapping[str, str]) -> str:
    return "" if words.get("why", "-") == "-" else words["why"]


def _number(text: str | None) -> int | None:
    return int(text) if text and text != "-" else None
