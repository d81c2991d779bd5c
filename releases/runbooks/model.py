"""What a runbook says, as plain frozen values. All durations are in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import Promise

Condition = Literal["", "schema_changed", "nginx_changed"]
CONTROLLER = "controller"
ASIDES = ("check", "probe")  # commands of a step beside its action, by their keys
GRACE = 10  # seconds between TERM and KILL, where a step says nothing else


def default_timeout(estimate: int) -> int:
    """When a step is ended that gives no timeout of its own: three estimates, at least a minute."""
    return max(3 * estimate, 60)


class Phase(StrEnum):
    """The five boxes of the deploy flowchart, in order."""

    PREPARE = "prepare"
    STOP = "stop"
    REPLACE = "replace"
    VERIFY = "verify"
    FINISH = "finish"

    @property
    def label(self) -> "str | Promise":
        return _PHASE_LABELS[self]


class Role(StrEnum):
    """Who owns a step. The values are the words a runbook uses."""

    OPERATIONS = "운영팀"
    DEVOPS = "DevOps"
    BACKEND = "BE 개발자"
    FRONTEND = "FE 개발자"
    AI = "AI 개발자"
    EVERYONE = "전체팀"
    DEVOPS_BACKEND = "DevOps + BE 개발자"
    DEVOPS_AI = "DevOps + AI 개발자"

    @property
    def label(self) -> "str | Promise":
        return _ROLE_LABELS[self]


_PHASE_LABELS = {
    Phase.PREPARE: _("Prepare"),
    Phase.STOP: _("Stop"),
    Phase.REPLACE: _("Replace"),
    Phase.VERIFY: _("Verify"),
    Phase.FINISH: _("Finish"),
}
_ROLE_LABELS = {
    Role.OPERATIONS: _("Operations team"),
    Role.DEVOPS: _("DevOps"),
    Role.BACKEND: _("Backend developer"),
    Role.FRONTEND: _("Frontend developer"),
    Role.AI: _("AI developer"),
    Role.EVERYONE: _("Whole team"),
    Role.DEVOPS_BACKEND: _("DevOps + Backend developer"),
    Role.DEVOPS_AI: _("DevOps + AI developer"),
}


@dataclass(frozen=True)
class LocalText:
    """One text in Korean and in English."""

    ko: str = ""
    en: str = ""

    def in_language(self, code: str) -> str:
        """The text for a language code such as `ko` or `en-us`; the other language if that one is empty."""
        first, second = (self.ko, self.en) if code.startswith("ko") else (self.en, self.ko)
        return first or second

    def __bool__(self) -> bool:
        return bool(self.ko or self.en)


@dataclass(frozen=True)
class Retry:
    """How often a failed step is tried by itself: `attempts` in all, `delay` seconds between them."""

    attempts: int = 1
    delay: int = 0


@dataclass(frozen=True)
class VariableSpec:
    """A value that the environment or release must give. `type` `secret` reaches steps as a file only."""

    name: str
    type: str = "string"
    default: str | None = None
    required: bool = True
    pattern: str = ""
    help: LocalText = field(default_factory=LocalText)


@dataclass(frozen=True)
class ChecklistSpec:
    """A box to tick before a deployment. `proof` names the check that ticks it; empty: a person does."""

    key: str
    title: LocalText
    proof: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    condition: Condition = ""


@dataclass(frozen=True)
class StepSpec:
    """One line of the procedure. `number` is what people call it ("5", "11-1"); `tool` is shown as written.

    `service` is the short name of the one that it is about, or empty; a rollback of another one leaves it out.
    """

    key: str
    number: str
    title: LocalText
    role: Role
    phase: Phase
    action: str
    parameters: Mapping[str, Any]
    runs_on: str
    estimate: int
    timeout: int
    silence_timeout: int | None
    grace: int
    note: LocalText
    tool: LocalText
    condition: Condition
    opens_downtime: bool
    closes_downtime: bool
    retry: Retry
    idempotent: bool
    irreversible: LocalText
    service: str
    check: str
    probe: str
    after: tuple[str, ...]


@dataclass(frozen=True)
class Runbook:
    """A whole procedure, valid by construction: only `loader.load` makes one."""

    kind: str
    title: LocalText
    variables: tuple[VariableSpec, ...]
    checklist: tuple[ChecklistSpec, ...]
    steps: tuple[StepSpec, ...]

    @property
    def secret_names(self) -> frozenset[str]:
        return frozenset(variable.name for variable in self.variables if variable.type == "secret")
