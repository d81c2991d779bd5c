"""What an action is: the work of one step, apart from when and how often it is done.

Two sorts. A `ScriptAction` builds a script; the engine runs it detached under the step wrapper, on a host or
on the controller, so it survives the worker. A `DirectAction` works inside the worker and must be safe to run
again from the beginning, because after a crash that is what happens.

An action reads models and writes rows of its own family (a backup, an announcement); it never writes a status.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from releases.models import Attempt, Deployment
from releases.remote.transport import Transport
from releases.runbooks.plan import PlannedStep


class ActionError(Exception):
    """The action found out that the step failed. `str()` is a translated sentence with the mend."""


class NotApproved(Exception):
    """What the plan names is another thing by now than when it was approved. `str()` is a translated sentence."""


@dataclass(frozen=True)
class Script:
    """A POSIX sh script, the data it reads, and the names of secrets it may open.

    `parameters`: shell variable name -> value, delivered as data. `secrets`: names of environment secrets.
    """

    text: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


@dataclass
class StepContext:
    """Everything an action may use.

    `planned`: the step as the plan has it; its `parameters` have texts filled in, its `scripts` hold the compiled
    commands by place ("command", "commands[0]", "check"). `values`: every placeholder that is not secret.
    `transport()`: opens (once) the way to where the step runs; `write`: adds bytes to the attempt's log;
    `stop()`: true when the work must end (cancelled, timed out, or the lease is lost): return soon, raise nothing;
    `progress(done, total)`: bytes, shown on the page. `evidence`: what is proved, kept with the attempt.
    """

    deployment: Deployment
    attempt: Attempt
    planned: PlannedStep
    values: Mapping[str, str]
    transport: Callable[[], Transport]
    write: Callable[[bytes], None]
    stop: Callable[[], bool]
    progress: Callable[[int, int], None]
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The step's parameters, texts filled in, commands as written."""
        return self.planned.parameters

    def say(self, line: str) -> None:
        """Add one line of our own to the log."""
        self.write(f"{line}\n".encode())


class Action(ABC):
    """One kind of step."""

    kind: ClassVar[str]


class ScriptAction(Action):
    """A step that is a script under the step wrapper."""

    @abstractmethod
    def script(self, context: StepContext) -> Script:
        """The script to run. Pure: the same context gives the same script, so that a re-attach finds it."""

    def succeeded(self, context: StepContext) -> None:
        """Called once after exit code 0, before the step is shown as succeeded: collect evidence, write rows.

        May run again after a crash, so it must be idempotent. Raises ActionError when the result is not there.
        """

    def explain(self, exit_code: int, tail: bytes) -> str:
        """A sentence for a non-zero exit code, from the last bytes of the log; "" when there is nothing to add."""
        return ""


class DirectAction(Action):
    """A step that works inside the worker."""

    @abstractmethod
    def run(self, context: StepContext) -> None:
        """Do the work; returns on success or when `context.stop()` became true.

        Raises ActionError when the step failed, remote errors (releases.remote) when a machine can't be reached.
        """


class ManualAction(Action):
    """A step that a person does and confirms."""
