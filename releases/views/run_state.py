"""A started deployment as its page needs it: its rows, its plan, and the figures that follow from both."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db.models import Prefetch
from django.utils.functional import cached_property
from django.utils.translation import get_language

from releases import lifecycle
from releases.engine.looking import last_looks
from releases.models import Attempt, AttemptFile, Deployment, Look, Phase, Step
from releases.runbooks.model import LocalText
from releases.runbooks.plan import PlannedStep

HALTED: Final = lifecycle.STEP_STOPPED | {lifecycle.UNKNOWN}
ATTENDED: Final = lifecycle.STEP_BUSY | {lifecycle.WAITING}
# Which status speaks for a group of steps: the first of these that is found.
LOUDEST: Final = (
    lifecycle.UNKNOWN,
    lifecycle.ERRORED,
    lifecycle.FAILED,
    lifecycle.TIMED_OUT,
    lifecycle.LOST,
    lifecycle.WAITING,
    lifecycle.RUNNING,
    lifecycle.DISPATCHING,
    lifecycle.CANCELLED,
)


@dataclass(frozen=True)
class Run:
    """The rows of one deployment at the moment `now` (database clock), and what its reader may do."""

    deployment: Deployment
    steps: list[Step]
    planned: Mapping[str, PlannedStep]
    now: datetime
    may_operate: bool
    looks: Mapping[int, Look] = field(default_factory=dict)  # the last one at a step, by the step's number

    @cached_property
    def current(self) -> Step | None:
        """The step to look at: one that needs eyes, else one that runs, else the next; None when all passed."""
        for wanted in (HALTED, {lifecycle.WAITING}, lifecycle.STEP_BUSY, {lifecycle.PENDING}):
            for step in self.steps:
                if step.status in wanted:
                    return step
        return None

    @cached_property
    def passed(self) -> int:
        """Steps behind us. One that a condition leaves out counts when everything before it passed."""
        count, gap = 0, False
        for step in self.steps:
            gap = gap or step.status not in lifecycle.STEP_PASSED
            count += step.status == lifecycle.SUCCEEDED or (step.status == lifecycle.SKIPPED and not gap)
        return count

    @property
    def place(self) -> str:
        """Where the run is, as "10 / 14"."""
        at = self.steps.index(self.current) + 1 if self.current else len(self.steps)
        return f"{at} / {len(self.steps)}"

    @cached_property
    def rail(self) -> list[Step]:
        """The steps between the downtime marks, both included; empty without a downtime."""
        running = [step for step in self.steps if step.status != lifecycle.SKIPPED or step.attempts.all()]
        opens = next((step for step in running if step.opens_downtime), None)
        closes = next((step for step in running if step.closes_downtime), None)
        if opens is None:
            return []
        last = self.steps.index(closes) + 1 if closes else len(self.steps)
        return self.steps[self.steps.index(opens) : last]

    @cached_property
    def reached(self) -> int:
        """The place of the furthest step that was begun; -1 before the first."""
        return max((place for place, step in enumerate(self.steps) if step.attempts.all()), default=-1)

    def spent(self, step: Step) -> float | None:
        """Seconds spent on a step in all its attempts; None before the first."""
        attempts = list(step.attempts.all())
        return sum(self._length(attempt) for attempt in attempts) if attempts else None

    def _length(self, attempt: Attempt) -> float:
        began = attempt.started_at or attempt.created_at
        stood = attempt.last_seen_at if attempt.status == lifecycle.UNKNOWN else None
        return max(((attempt.finished_at or stood or self.now) - began).total_seconds(), 0.0)

    def remaining(self, last: Step | None = None) -> float:
        """Seconds that the steps still to come should take, up to `last` (None: all of them)."""
        ahead = self.steps[: self.steps.index(last) + 1] if last else self.steps
        busy = [step.estimate - (self.spent(step) or 0) for step in ahead if step.status in ATTENDED]
        return max([0.0, *busy]) + sum(step.estimate for step in ahead if step.status == lifecycle.PENDING)

    def phase_status(self, phase: str) -> str:
        """The status of one box of the flow, from those of its steps."""
        return self.status_of([step for step in self.steps if step.phase == phase])

    def status_of(self, steps: list[Step]) -> str:
        """One status for several steps."""
        found = {step.status for step in steps}
        for status in LOUDEST:
            if status in found:
                return status
        if found <= {lifecycle.SKIPPED}:
            return lifecycle.SKIPPED
        if found <= lifecycle.STEP_PASSED:
            return lifecycle.SUCCEEDED
        begun = any(step.attempts.all() for step in steps)
        return lifecycle.RUNNING if begun and self.deployment.is_active else lifecycle.PENDING

    def window(self, steps: Iterable[Step]) -> float | None:
        """Seconds from the first begin to the last end of some steps; None before the first begin."""
        tries = [attempt for step in steps for attempt in step.attempts.all()]
        if not tries:
            return None
        began = min(attempt.started_at or attempt.created_at for attempt in tries)
        over = self.deployment.finished_at or self.now
        return max(((attempt.finished_at or over) - began).total_seconds() for attempt in tries)

    @property
    def verify_failed(self) -> bool:
        """The phase that verifies ended badly: the flow branches off to the emergency recovery."""
        return self.phase_status(Phase.VERIFY) in {lifecycle.FAILED, lifecycle.ERRORED, lifecycle.TIMED_OUT}


def load(deployment: Deployment, now: datetime, may_operate: bool) -> Run:
    """Read a deployment's steps with their attempts, files and last looks: four queries, however many there are."""
    files = Prefetch("files", AttemptFile.objects.defer("data").order_by("pk"))
    attempts = Attempt.objects.select_related("decided_by").prefetch_related(files).order_by("number")
    steps = list(deployment.steps.prefetch_related(Prefetch("attempts", attempts)))
    looks = {look.step_id: look for look in last_looks(deployment)}
    return Run(deployment, steps, planned_steps(deployment), now, may_operate, looks)


def planned_steps(deployment: Deployment) -> dict[str, PlannedStep]:
    """The plan's steps by their key."""
    entries = [PlannedStep.from_json(entry) for entry in deployment.plan.content["steps"]]
    return {step.key: step for step in entries}


def local(text: LocalText) -> str:
    """The text in the reader's language."""
    return text.in_language(get_language() or "ko")
