"""Driving a deployment: which step is next, and what the whole has come to.

One worker at a time drives a deployment, under a lease. A driver works for a slice of time, then hands over
to the next message; whatever happens to it, the rows say where the next one goes on.
"""

import os
import socket
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress

import structlog
from django.db import connection
from django.db.models.functions import Now

from releases import lifecycle
from releases.database import AWAY
from releases.engine import attempts, conclude, handover, plan_secrets, wake
from releases.engine.crew import Crew
from releases.engine.errors import Conflict
from releases.engine.leasing import LeaseKeeper
from releases.engine.machines import Machines
from releases.engine.order import next_steps
from releases.engine.perform import Performance
from releases.engine.reconcile import DRIVEN
from releases.engine.run import Run
from releases.models import Attempt, Deployment, Step, lease
from releases.remote import faults
from releases.runbooks.plan import PlannedStep

SLICE_SECONDS = 240.0  # well under the broker's visibility timeout
LOOK_SECONDS = 0.3  # how soon a cancel is noticed
AWAY_SECONDS = 1.0  # between two tries to reach a database that is away
PARALLEL = 8  # steps side by side
log = structlog.get_logger(__name__)


def drive(deployment_id: int, *, redelivered: bool = False) -> None:
    """Drive for a slice if nobody else does, then ask for the next slice where one is needed.

    `redelivered`: the message was another worker's, which died with it; what it held is free when its lease is over.
    """
    owner = f"{socket.gethostname()}:{os.getpid()}"
    token = lease.take(deployment_id, owner)
    if token is None:
        if redelivered:
            wake.send("drive", deployment_id, delay=lease.remaining(deployment_id))
        return
    faults.subject.set(str(deployment_id))
    try:
        with LeaseKeeper(deployment_id, token) as keeper:
            Driver(deployment_id, token, keeper).drive()
    except lease.Fenced:
        log.info("another driver took over", deployment=deployment_id, token=token)
    except AWAY as error:
        log.warning("database away; the reconciler goes on", deployment=deployment_id, error=str(error))
        connection.close()
        return
    lease.release(deployment_id, token)
    # A person may have decided something between the last look and the release.
    if Deployment.objects.filter(pk=deployment_id, status__in=DRIVEN).exists():
        wake.send("drive", deployment_id)
        if handover.wanted():
            # The broker gives one more message to this worker, which returns it only when it has ended.
            wake.send("drive", deployment_id)


class Driver:
    """One slice of driving one deployment."""

    def __init__(self, deployment_id: int, token: int, keeper: LeaseKeeper) -> None:
        self.deployment = Deployment.objects.select_related("environment__project", "plan", "release__project").get(
            pk=deployment_id
        )
        self.token, self.keeper = token, keeper
        self.planned = {entry["key"]: PlannedStep.from_json(entry) for entry in self.deployment.plan.content["steps"]}
        self.machines = Machines(self.deployment.environment, self.deployment.plan.content["hosts"])
        self.performing: dict[str, tuple[Performance, Future[None]]] = {}
        self.cancelled = self.deployment.status == lifecycle.CANCELLING
        self.ends = time.monotonic() + SLICE_SECONDS
        opened, trouble = plan_secrets.opened(self.deployment.environment)
        self.run = Run(
            deployment=self.deployment,
            token=token,
            machines=self.machines,
            secrets=opened,
            values=self.deployment.plan.content["values"],
            let_go=self._let_go,
            cancelled=lambda: self.cancelled,
            changed=plan_secrets.changed(self.deployment),
            trouble=trouble,
        )

    def drive(self) -> None:
        """Start what is ready, follow what runs, until the deployment rests or the slice is over."""
        crew = Crew(PARALLEL, self.deployment.pk)
        try:
            while not self._let_go():
                try:
                    if self._takes_a_turn(crew):
                        return
                except AWAY as error:
                    # To leave would mean to wait for the steps that run, and to overlook a cancel until they end.
                    log.warning("database away", deployment=self.deployment.pk, error=str(error))
                    connection.close()
                    handover.pause(AWAY_SECONDS)
        finally:
            crew.leave()
            self.machines.close()

    def _takes_a_turn(self, crew: Crew) -> bool:
        """Look, do what is due, wait a moment; true when the deployment rests. Safe to do again from the rows."""
        steps = self._look()
        if self.deployment.status not in DRIVEN:
            return True
        self._perform_what_is_due(crew, steps)
        if self.performing:
            self._wait()
        elif not self._retry_is_due(steps):
            faults.fault_point("before_conclude")
            return conclude.conclude(self.deployment, self.token)
        else:
            handover.pause(LOOK_SECONDS)
        return False

    def _look(self) -> list[Step]:
        """Read the rows as they are now; finished performances are put away."""
        for key, (_performance, future) in list(self.performing.items()):
            if future.done():
                del self.performing[key]
                future.result()
        rows = Deployment.objects.filter(pk=self.deployment.pk)
        self.deployment.status, self.deployment.cancel_requested_at, self.now = rows.values_list(
            "status", "cancel_requested_at", Now()
        ).get()
        self.cancelled = self.deployment.status == lifecycle.CANCELLING
        steps = list(self.deployment.steps.all())
        for step in steps:
            step.deployment = self.deployment
        return steps

    def _perform_what_is_due(self, crew: Crew, steps: list[Step]) -> None:
        for step in steps:
            if step.status in lifecycle.STEP_BUSY and step.key not in self.performing:
                self._perform(crew, self._open_attempt(step), fresh=False)
        if self.cancelled:
            return
        for step in next_steps(steps, self._after(), self.now):
            if step.key in self.performing:
                continue
            planned = self.planned[step.key]
            host = self.machines.host(planned.runs_on)
            if planned.action == "manual":
                attempts.begin(step, self.token, None, lifecycle.WAITING)
                continue
            attempt = attempts.begin(step, self.token, host)
            faults.fault_point("after_begin")
            self._perform(crew, attempt, fresh=True)

    def _perform(self, crew: Crew, attempt: Attempt, fresh: bool) -> None:
        performance = Performance(self.run, attempt, self.planned[attempt.step.key], fresh)
        self.performing[attempt.step.key] = (performance, crew.submit(performance.perform))

    def _wait(self) -> None:
        """Wait for the end of a step, or until it is time to look for a cancel."""
        wait([future for _performance, future in self.performing.values()], LOOK_SECONDS, FIRST_COMPLETED)
        for performance, future in self.performing.values():
            shown = attempts.is_shown(performance.attempt, performance.trouble)
            if performance.runs and not future.done() and not shown:
                # It may end at this very moment, in its own thread: then there is nothing to show.
                with suppress(Conflict, lifecycle.ForbiddenTransition):
                    attempts.show_running(performance.attempt, self.token, performance.trouble)

    def _open_attempt(self, step: Step) -> Attempt:
        attempt = step.attempts.exclude(status__in=lifecycle.ATTEMPT_FINISHED).get()
        attempt.step = step
        return attempt

    def _after(self) -> Mapping[str, tuple[str, ...]]:
        return {key: planned.after for key, planned in self.planned.items()}

    def _retry_is_due(self, steps: list[Step]) -> bool:
        """A step waits for its automatic retry, and nothing else forbids to go on."""
        if self.cancelled or any(step.status in lifecycle.STEP_STOPPED | {lifecycle.UNKNOWN} for step in steps):
            return False
        return any(step.status == lifecycle.PENDING and step.retry_at is not None for step in steps)

    def _let_go(self) -> bool:
        """The lease is lost, the worker stops, or the slice is over (an upload may end its work first)."""
        if self.keeper.lost.is_set() or handover.wanted():
            return True
        # Asked from the threads of the steps too, while the driver's own adds steps and puts them away: hence the copy.
        return time.monotonic() > self.ends and not any(p.direct for p, _future in list(self.performing.values()))
