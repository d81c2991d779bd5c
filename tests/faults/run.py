"""One deployment of a slot, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults import observer
from tests.faults.rig import PATIENCE, until

if TYPE_CHECKING:
    from releases.models import Attempt, Deployment, Step
    from tests.faults.slot import Slot, Work


@dataclass
class Result:
    """What one run shows. Every problem is a sentence; none, and the run passed."""

    twice: int = 0
    lost: int = 0
    false_success: int = 0
    false_failure: int = 0
    unknown: int = 0
    reattach: list[float] = field(default_factory=list)  # seconds
    problems: list[str] = field(default_factory=list)

    def fail(self, kind: str, problem: str) -> None:
        """Count one of `kind` ("twice", "lost", "false_success", "false_failure"; "" for other faults)."""
        if kind:
            setattr(self, kind, getattr(self, kind) + 1)
        self.problems.append(problem)

    def check(self, holds: object, problem: str) -> None:
        """Note the problem unless it holds."""
        if not holds:
            self.fail("", problem)


def now() -> datetime:
    """The database's time (UTC)."""
    from releases.engine import clock

    return clock.now()


class Run:
    """`deployment` is the row as it was at the start; ask for its steps anew each time."""

    def __init__(self, slot: Slot, deployment: Deployment, works: Sequence[Work], marks: Path) -> None:
        self.slot, self.deployment, self.works, self.marks = slot, deployment, works, marks

    @property
    def pk(self) -> int:
        """Number of the deployment."""
        return int(self.deployment.pk)

    def start(self, digest: str = "") -> None:
        """Press start, having seen the plan with this digest (default: the newest). Raises EngineError."""
        from releases.audit import Actor
        from releases.engine import start

        user = self.slot.world.requester
        start.start(self.deployment, user, Actor(user), digest or self.deployment.plan.digest)

    def cancel(self) -> None:
        """Press cancel. Raises EngineError."""
        from releases.audit import Actor
        from releases.engine import decide
        from releases.models import Deployment

        decide.cancel(Deployment.objects.get(pk=self.pk), Actor(self.slot.world.requester))

    def retry(self) -> None:
        """Have its first step tried again. Raises EngineError."""
        from releases.audit import Actor
        from releases.engine import decide

        decide.retry(self.step(self.works[0].key), Actor(self.slot.world.requester))

    def rebuild(self) -> None:
        """Give the draft a plan of the rows as they are now."""
        from releases.audit import Actor
        from releases.engine import prepare

        prepare.rebuild(self.deployment, Actor(self.slot.world.requester))
        self.deployment.refresh_from_db()

    def twin(self) -> Run:
        """Another draft of the same plan, by which the host marks the same file."""
        return Run(self.slot, self.slot.world.draft(), self.works, self.marks)

    def shown(self) -> str:
        """The status that the API tells people."""
        from django.test import Client

        client = Client(SERVER_NAME="localhost")
        client.force_login(self.slot.world.requester)
        return str(client.get(f"/api/deployments/{self.pk}").json()["status"])

    def status(self) -> str:
        """Of the deployment, now."""
        from releases.models import Deployment

        return str(Deployment.objects.values_list("status", flat=True).get(pk=self.pk))

    def step(self, key: str = "work") -> Step:
        """The row of a step, now."""
        from releases.models import Step

        return Step.objects.get(deployment_id=self.pk, key=key)

    def attempts(self, key: str = "work") -> list[Attempt]:
        """The rows of its attempts, now."""
        from releases.models import Attempt

        return list(Attempt.objects.filter(step__deployment_id=self.pk, step__key=key).order_by("number"))

    def log(self, key: str = "work", number: int = 1) -> bytes:
        """The stored log of an attempt."""
        from releases.logs import store

        return b"".join(store.chunks(self.attempts(key)[number - 1].pk))

    def head(self, key: str = "work") -> bytes:
        """The command as it is shown at the head of the log."""
        from releases.actions.texts import shown

        (step,) = (step for step in self.deployment.plan.content["steps"] if step["key"] == key)
        return (shown(step["lines"]) + "\n").encode()

    def tail(self, key: str = "work") -> bytes:
        """The last 200 bytes of the stored log."""
        from releases.logs import store

        attempts = self.attempts(key)
        return store.read(attempts[-1].pk, max(0, attempts[-1].log_size - 200), 200) if attempts else b""

    def marked(self, key: str = "work") -> list[str]:
        """What the step marked on the host."""
        path = Path(f"{self.marks}-{key}")
        return path.read_text().splitlines() if path.exists() else []

    def times_begun(self, key: str = "work") -> int:
        """How often the host began the step."""
        return self.marked(key).count("begun")

    def until_begun(self, key: str = "work") -> None:
        """Wait until the host has begun it."""
        until(lambda: self.times_begun(key), what=f"{key} of #{self.pk} to begin")

    def until_over(self, seconds: float = PATIENCE) -> str:
        """Wait until the deployment rests; "" when it does not in time."""
        from releases import lifecycle

        rests = lifecycle.FINISHED | {lifecycle.UNKNOWN, lifecycle.WAITING}
        try:
            until(lambda: self.status() in rests, seconds)
        except TimeoutError:
            return ""
        return self.status()

    def driver(self) -> int:
        """The process that drives it; waits for one."""
        return until(lambda: observer.leases(self.pk), what=f"a driver of #{self.pk}")[-1].process

    def taken_after(self, moment: datetime) -> float | None:
        """Seconds from the moment (UTC) until a driver took the lease; None when none has yet."""
        later = [taken.at for taken in observer.leases(self.pk) if taken.at > moment]
        return (later[0] - moment).total_seconds() if later else None

    def judge(self, *, may_be_unknown: bool = False, statuses: Sequence[str] = ("succeeded", "failed")) -> Result:
        """What holds of every run, whatever was broken: see the class Result."""
        result = Result()
        status = self.until_over()
        if not status:
            result.fail("lost", f"#{self.pk} has not come to rest; it is {self.status()}")
        for work in self.works:
            self._judge_step(work, result, may_be_unknown)
        if status and status not in statuses and not (may_be_unknown and result.unknown):
            result.fail("", f"#{self.pk} is {status}")
        stolen = [taken for taken in observer.leases(self.pk) if taken.live]
        result.check(not stolen, f"#{self.pk}: a live lease was taken away {len(stolen)} times")
        return result

    def _judge_step(self, work: Work, result: Result, may_be_unknown: bool) -> None:
        from releases import lifecycle

        step, attempts, marks = self.step(work.key), self.attempts(work.key), self.marked(work.key)
        begun, ended = marks.count("begun"), [int(mark.split()[1]) for mark in marks if mark.startswith("ended")]
        name = f"#{self.pk} {work.key}"
        if begun > len(attempts):
            result.fail("twice", f"{name} began {begun} times in {len(attempts)} attempts")
        if step.status == lifecycle.SUCCEEDED and 0 not in ended:
            result.fail("false_success", f"{name} is called succeeded, but it marked {marks}")
        if step.status in {lifecycle.FAILED, lifecycle.ERRORED} and ended[-1:] == [0]:
            result.fail("false_failure", f"{name} is called {step.status} ({step.reason}), but it marked {marks}")
        if step.status == lifecycle.UNKNOWN:
            result.unknown += 1
            result.check(may_be_unknown, f"{name} is unknown: {step.reason}")
        if step.status in lifecycle.STEP_PASSED and attempts and not work.opaque:
            self._judge_log(work, result, name)

    def _judge_log(self, work: Work, result: Result, name: str) -> None:
        stored = self.log(work.key, len(self.attempts(work.key)))
        if work.printed() not in stored:
            result.fail("lost", f"{name}: {len(stored)} bytes are stored, not the {len(work.printed())} it printed")


def details(run: Run) -> dict[str, Any]:
    """For the report of a run that failed."""
    return {
        "deployment": run.pk,
        "status": run.status(),
        "steps": {step.key: (step.status, step.reason) for step in run.deployment.steps.all()},
        "leases": [(taken.owner, taken.token, taken.live) for taken in observer.leases(run.pk)],
    }
