"""A runbook with every value filled in: what will run, what will not, and how long it should take."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, NamedTuple, Protocol

from django.utils.translation import gettext_lazy as _

from .lines import step_lines
from .messages import Message
from .model import ASIDES, GRACE, LocalText, Phase, Retry, Role, Runbook, StepSpec
from .placeholders import CompiledScript, PlaceholderError, compile_script, names, render, substitute
from .schema import definition, leaves
from .source import Path, written
from .variables import BUILTIN, BUILTIN_NAMES, problems

ALREADY_BACK = "already_back"  # a database that was put back before: doing it again would lose what was written since
OTHER_SERVICE = "other_service"  # a step left out, since only one service, and not its own, is rolled back


class PlanProblem(NamedTuple):
    """Why a plan can't be made. `step` is a step's key, empty when a value is wrong for all of them."""

    step: str
    name: str
    message: Message
    mend: Message


class PlanErrors(Exception):
    """Everything that keeps a plan from being made."""

    def __init__(self, problems: list[PlanProblem]) -> None:
        self.problems = problems
        super().__init__(problems)

    def __str__(self) -> str:
        return "\n".join(f"{problem.step}: {problem.message} {problem.mend}" for problem in self.problems)


class Totals(NamedTuple):
    """Planned seconds: of all steps one after the other, and from the opening to the closing of the downtime."""

    estimate: int
    downtime: int


@dataclass(frozen=True)
class PlannedStep:
    """One line of a plan. `scripts` holds the compiled commands by place: `command`, `commands[0]`, `check`, `probe`.

    `parameters` has its texts filled in and its commands as written; `lines` is what a person reads, `asides` the
    same of the commands beside the action, by their keys. `skipped_because` is the condition that is false, or
    OTHER_SERVICE; empty when the step will run.
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
    condition: str
    opens_downtime: bool
    closes_downtime: bool
    retry: Retry
    idempotent: bool
    irreversible: LocalText
    service: str
    check: str
    probe: str
    after: tuple[str, ...]
    lines: tuple[str, ...] = ()
    asides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scripts: Mapping[str, CompiledScript] = field(default_factory=dict)
    skipped_because: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values; equal steps give equal JSON."""
        asides = {name: list(lines) for name, lines in self.asides.items()}
        lists = {"after": list(self.after), "lines": list(self.lines), "asides": asides}
        return {**asdict(self), **lists, "scripts": _scripts_json(self.scripts)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PlannedStep":
        """The step that gave this JSON, also where that was before steps had all of these fields."""
        data = {"probe": "", "asides": {}, "irreversible": {}, "service": "", **data}
        special: dict[str, Any] = {
            "grace": data.get("grace", GRACE),  # plans made before it was written there have none
            "title": LocalText(**data["title"]),
            "note": LocalText(**data["note"]),
            "tool": LocalText(**data["tool"]),
            "irreversible": LocalText(**data["irreversible"]),
            "role": Role(data["role"]),
            "phase": Phase(data["phase"]),
            "retry": Retry(**data["retry"]),
            "after": tuple(data["after"]),
            "lines": tuple(data["lines"]),
            "asides": {name: tuple(lines) for name, lines in data["asides"].items()},
            "scripts": {
                place: CompiledScript(script["text"], script["parameters"], tuple(script["secrets"]))
                for place, script in data["scripts"].items()
            },
        }
        return cls(
            **{item.name: special[item.name] if item.name in special else data[item.name] for item in fields(cls)}
        )


def fill(
    runbook: Runbook,
    values: Mapping[str, str],
    secrets: Collection[str],
    facts: Mapping[str, bool],
    hosts: Mapping[str, Mapping[str, str]] | None = None,
    only: str = "",
    back: Collection[str] = (),
) -> tuple[PlannedStep, ...]:
    """Make the steps of a plan. `hosts` gives `user` and `server` by host role. Raises PlanErrors.

    `secrets` are names only: values of secrets never come near a plan. With `only`, a service's short name, the steps
    of other services are left out; the downtime opens and closes with the steps that remain. `back`: services whose
    database was put back already.
    """
    skipped = {spec.key: _skipped_because(spec, facts, only, back) for spec in runbook.steps}
    runbook = replace(runbook, steps=_marked(runbook.steps, skipped) if only else runbook.steps)
    secrets = frozenset(secrets) | runbook.secret_names
    defaults = {spec.name: spec.default for spec in runbook.variables if spec.default is not None}
    times = totals([step for step in runbook.steps if not skipped[step.key]])
    counted = {"estimate_minutes": str(-(-times.estimate // 60)), "downtime_minutes": str(-(-times.downtime // 60))}
    shared = {name: value for name, value in {**counted, **defaults, **values}.items() if name not in secrets}
    found = _wrong_values(runbook, shared, hosts or {})
    steps = []
    for spec in runbook.steps:
        filler = _Filler(spec, {**shared, **(hosts or {}).get(spec.runs_on, {})}, secrets)
        steps.append(filler.step(skipped[spec.key]))
        found += filler.problems
    if found:
        raise PlanErrors(found)
    return tuple(steps)


class Timed(Protocol):
    """Anything with an estimate and downtime marks: StepSpec and PlannedStep."""

    @property
    def estimate(self) -> int: ...
    @property
    def opens_downtime(self) -> bool: ...
    @property
    def closes_downtime(self) -> bool: ...


def totals(steps: Sequence[Timed]) -> Totals:
    """Planned time of the steps that will run, each counted in full, side by side or not, as procedures do."""
    running = [not getattr(step, "skipped_because", "") for step in steps]
    times = [step.estimate * runs for step, runs in zip(steps, running, strict=True)]
    opens = next((index for index, step in enumerate(steps) if step.opens_downtime and running[index]), None)
    if opens is None:
        return Totals(sum(times), 0)
    closes = next((index for index, step in enumerate(steps) if step.closes_downtime and running[index]), len(steps))
    return Totals(sum(times), sum(times[opens : closes + 1]))


def _skipped_because(spec: StepSpec, facts: Mapping[str, bool], only: str, back: Collection[str]) -> str:
    if spec.condition and not facts.get(spec.condition, False):
        return spec.condition
    if spec.action == "restore_database" and spec.service in back:
        return ALREADY_BACK
    return OTHER_SERVICE if only and spec.service not in {"", only} else ""


def _marked(steps: tuple[StepSpec, ...], skipped: Mapping[str, str]) -> tuple[StepSpec, ...]:
    """The steps; where a marked one is left out, its mark stands on the next (opening) or last one that remains."""
    opens = next((index for index, step in enumerate(steps) if step.opens_downtime), None)
    closes = next((index for index, step in enumerate(steps) if step.closes_downtime), None)
    if opens is None or closes is None:
        return steps
    kept = [step.key for step in steps[opens : closes + 1] if not skipped[step.key]]
    return tuple(
        replace(step, opens_downtime=step.key in kept[:1], closes_downtime=step.key in kept[-1:]) for step in steps
    )


def _wrong_values(
    runbook: Runbook, shared: Mapping[str, str], hosts: Mapping[str, Mapping[str, str]]
) -> list[PlanProblem]:
    given = [
        spec for spec in BUILTIN if spec.name in shared and not (spec.name == "migration" and not shared["migration"])
    ]
    wrong = problems([*runbook.variables, *given], shared)
    for host in hosts.values():
        wrong += problems([spec for spec in BUILTIN if spec.name in host], host)
    return [PlanProblem("", *entry) for entry in wrong]


def _scripts_json(scripts: Mapping[str, CompiledScript]) -> dict[str, Any]:
    return {
        place: {"text": script.text, "parameters": dict(script.parameters), "secrets": list(script.secrets)}
        for place, script in scripts.items()
    }


class _Filler:
    """Fills one step and collects what is missing."""

    def __init__(self, spec: StepSpec, values: Mapping[str, str], secrets: Collection[str]) -> None:
        self.spec, self.secrets = spec, secrets
        self.values = {name: value for name, value in values.items() if value or name not in BUILTIN_NAMES}
        self.problems: list[PlanProblem] = []

    def step(self, skipped_because: str) -> PlannedStep:
        schema = definition(f"action_{self.spec.action}")
        texts = list(leaves(schema, self.spec.parameters))
        beside = {name: text for name in ASIDES if (text := getattr(self.spec, name))}
        filled = [text for _path, kind, text in texts if kind.get("x-text") or kind.get("x-shell")]
        self._missing([*filled, *beside.values()], bool(skipped_because))
        parameters, shown = self.spec.parameters, self.spec.parameters
        scripts: dict[str, CompiledScript] = {}
        for path, kind, text in texts:
            try:
                if kind.get("x-text"):
                    value = substitute(text, self.values, self.secrets)
                    parameters, shown = _put(parameters, path, value), _put(shown, path, value)
                elif kind.get("x-shell"):
                    shown = _put(shown, path, render(text, self.values, self.secrets))
                    scripts[written(path)] = self._compiled(path, text, parameters)
            except PlaceholderError as error:
                self._refused(error)
        asides = {name: self._aside(name, text, scripts) for name, text in beside.items()}
        return PlannedStep(
            **{item.name: getattr(self.spec, item.name) for item in fields(StepSpec) if item.name != "parameters"},
            parameters=parameters,
            lines=step_lines(self.spec.action, shown, self._login()),
            asides=asides,
            scripts={} if skipped_because else scripts,
            skipped_because=skipped_because,
        )

    def _aside(self, name: str, text: str, scripts: dict[str, CompiledScript]) -> tuple[str, ...]:
        """Compile a command beside the action; gives what a person reads of it."""
        try:
            scripts[name] = compile_script(text, self.values, self.secrets)
            return tuple(render(text, self.values, self.secrets).rstrip("\n").split("\n"))
        except PlaceholderError as error:
            self._refused(error)
            return ()

    def _refused(self, error: PlaceholderError) -> None:
        self.problems.append(PlanProblem(self.spec.key, error.name, error.message, error.mend))

    def _login(self) -> str:
        return f"{self.values.get('user', 'user')}@{self.values.get('server', 'server')}"

    def _compiled(self, path: Path, text: str, parameters: Mapping[str, Any]) -> CompiledScript:
        values = self.values
        if path == ("command",) and parameters.get("folder"):
            folder = substitute(parameters["folder"], values, self.secrets)
            text, values = f"cd -- {{step_folder}} || exit\n{text}", {**values, "step_folder": folder}
        return compile_script(text, values, self.secrets)

    def _missing(self, texts: list[str], skipped: bool) -> None:
        """Note names without a value; they stay as they are written, so that the rest can still be shown."""
        for name in sorted(set().union(*map(names, texts)) - set(self.values)):
            if name.removesuffix("_file") in self.secrets:
                continue
            self.values[name] = f"{{{name}}}"
            if not skipped:
                message = Message(_("%(name)s has no value."), {"name": name})
                mend = Message(_("Set it in the variables of the environment, or in the release or the host."))
                self.problems.append(PlanProblem(self.spec.key, name, message, mend))


def _put(value: Any, path: Path, text: str) -> Any:
    """A copy of a value with the text at a path replaced."""
    if not path:
        return text
    head, rest = path[0], path[1:]
    if isinstance(value, list):
        return [_put(item, rest, text) if index == head else item for index, item in enumerate(value)]
    return {key: _put(item, rest, text) if key == head else item for key, item in value.items()}
