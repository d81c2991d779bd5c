"""Performing one attempt: from the committed row to its outcome.

Runs in a thread of the driver. A script is launched at most once under the step wrapper and followed from
the byte where the stored log ends; whatever breaks on the way (the connection, the database, this worker)
only means that somebody follows it again.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.utils.translation import gettext as _

from releases import lifecycle
from releases.actions import registry
from releases.actions.base import ActionError, DirectAction, ScriptAction, StepContext
from releases.actions.shell import in_place
from releases.engine import attempts
from releases.engine.attempts import Outcome, Retries
from releases.engine.machines import Machines
from releases.logs.store import LogWriter
from releases.models import Attempt, Deployment
from releases.models.lease import Fenced
from releases.remote.errors import RemoteError
from releases.remote.steps import StepClient, StepScript, StepStatus
from releases.remote.transport import Transport
from releases.runbooks.placeholders import CompiledScript
from releases.runbooks.plan import PlannedStep

UNREACHABLE_LIMIT = 600.0  # seconds without contact after which a person is asked
GRACE = 10  # seconds between TERM and KILL when a step is cancelled
TAIL = 8192  # bytes of log kept for the explanation of a failure
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Run:
    """What the attempts of one driver share."""

    deployment: Deployment
    token: int
    machines: Machines
    secrets: Mapping[str, str]
    values: Mapping[str, str]
    let_go: Callable[[], bool]  # the lease is lost, or this worker hands over
    cancelled: Callable[[], bool]

    @property
    def fence(self) -> str:
        """Name of the lock on each machine that refuses older drivers."""
        return f"environment-{self.deployment.environment_id}"


class Performance:
    """One attempt being performed. `fresh`: made by this driver, so nothing of it was ever sent."""

    def __init__(self, run: Run, attempt: Attempt, planned: PlannedStep, fresh: bool) -> None:
        self.run, self.attempt, self.planned, self.fresh = run, attempt, planned, fresh
        self.launched = threading.Event()
        self.action = registry.find(planned.action)
        self.tail = b""
        self.received = 0
        self.contact_since: float | None = None
        self._writer: LogWriter | None = None
        self.context = StepContext(
            deployment=run.deployment,
            attempt=attempt,
            planned=planned,
            values=run.values,
            transport=lambda: run.machines.transport(planned.runs_on),
            write=self._write,
            stop=self._stop,
            progress=self._progress,
        )

    @property
    def direct(self) -> bool:
        """It works inside this worker, so handing it over means beginning it anew."""
        return isinstance(self.action, DirectAction)

    @property
    def runs(self) -> bool:
        """It is known to run: it printed something, or its machine has been listened to for a second."""
        since = self.contact_since
        return since is not None and (self.launched.is_set() or time.monotonic() - since > 1.0)

    def perform(self) -> None:
        """Bring the attempt to its end and keep the outcome; returns early when another driver shall go on.

        Raises Fenced when another driver has the lease already.
        """
        try:
            outcome = self._patiently(self._followed)
            if outcome is not None:
                self._patiently(lambda: self._finish(outcome))
        finally:
            if self._writer is not None:
                self._writer.abandon()
            connection.close()

    def _followed(self) -> Outcome | None:
        """The outcome, with the log stored whole; or what there is of it, for the next driver to go on."""
        outcome = self._outcome()
        if self._writer is not None:
            if outcome is None:
                self._writer.flush()
            else:
                self._writer.close()
        return outcome

    def _finish(self, outcome: Outcome) -> None:
        kept = replace(outcome, evidence={**self.context.evidence, **outcome.evidence})
        retry = self.planned.retry
        attempts.finish(self.attempt, self.run.token, kept, Retries(retry.attempts, retry.delay))

    def _patiently[T](self, work: Callable[[], T]) -> T | None:
        """Do `work`; while the database is away, wait and go on from what is stored. None when told to let go."""
        while True:
            try:
                return work()
            except (OperationalError, InterfaceError) as error:
                log.warning("database away", attempt=self.attempt.pk, error=str(error))
                connection.close()
                if self._writer is not None:
                    self._writer.abandon()
                    self._writer = None
                if self._pause(1.0):
                    return None
                self._reload()

    def _reload(self) -> None:
        try:
            self.attempt.refresh_from_db()
        except (OperationalError, InterfaceError):
            connection.close()

    def _outcome(self) -> Outcome | None:
        self._open_log()
        try:
            if isinstance(self.action, ScriptAction):
                return self._script(self.action)
            if isinstance(self.action, DirectAction):
                return self._direct(self.action)
            return Outcome(lifecycle.ERRORED, _("No worker can do a step of the kind %s.") % self.planned.action)
        except ActionError as error:
            return Outcome(lifecycle.FAILED, str(error))
        except RemoteError as error:
            return Outcome(lifecycle.ERRORED, f"{error} {error.mend}".strip())
        except (Fenced, OperationalError, InterfaceError):
            raise
        except Exception as error:
            # Our own fault must end as "errored" with a sentence, never as a step that runs for ever.
            log.exception("step errored", attempt=self.attempt.pk)
            return Outcome(lifecycle.ERRORED, f"{type(error).__name__}: {error}")

    def _direct(self, action: DirectAction) -> Outcome | None:
        self.contact_since = time.monotonic()
        self.launched.set()
        action.run(self.context)
        if self.run.cancelled():
            return Outcome(lifecycle.CANCELLED, _("Cancelled while it ran."))
        return None if self.run.let_go() else Outcome(lifecycle.SUCCEEDED)

    def _script(self, action: ScriptAction) -> Outcome | None:
        status = self._follow(self._step_script(action))
        if status is None:
            return None
        return self._judge(action, status)

    def _step_script(self, action: ScriptAction) -> StepScript:
        script = action.script(self.context)
        return self._wrapped(self.attempt.remote_id, script.text, script.parameters, script.secrets)

    def _wrapped(
        self, name: str, text: str, parameters: Mapping[str, str], secrets: tuple[str, ...], timeout: int | None = None
    ) -> StepScript:
        return StepScript(
            attempt=name,
            text=text.encode(),
            parameters=parameters,
            secrets={secret: self.run.secrets[secret] for secret in secrets},
            lock=self.run.fence,
            token=self.run.token,
            timeout=timeout or self.planned.timeout,
            silence_timeout=self.planned.silence_timeout,
            grace=GRACE,
        )

    def _follow(self, script: StepScript) -> StepStatus | None:
        """Launch and follow until the script ended; None when another driver shall go on."""
        last_contact, delay = time.monotonic(), 0.25
        while True:
            transport: Transport | None = None
            try:
                transport = self.context.transport()
                client = self.run.machines.client(self.planned.runs_on)
                status = self._contact(client, script)
                if status is not None or self.run.let_go():
                    return status
                last_contact, delay = time.monotonic(), 0.25
            except RemoteError as error:
                self.contact_since = None
                self.run.machines.drop(self.planned.runs_on, transport)
                if transport is None and self.fresh and not self.launched.is_set():
                    raise  # nothing of this attempt was ever sent: say why, plainly
                if time.monotonic() - last_contact > UNREACHABLE_LIMIT:
                    return StepStatus("unknown", None, "unreachable", self.received, None)
                self._lost(f"{error} {error.mend}".strip())
                if self._pause(delay):
                    return None
                delay = min(delay * 2, 15.0)

    def _contact(self, client: StepClient, script: StepScript) -> StepStatus | None:
        """One connection's worth of following; None when it has to be followed again."""
        self.fresh, self.contact_since = False, time.monotonic()
        if not self.run.cancelled():
            status = client.launch_and_follow(script, self.received, self._write, self._stop)
        else:
            status = client.status(script.attempt)
        if status.state == "fenced":
            raise Fenced(status.reason)
        if self.run.cancelled() and status.state in {"claimed", "starting", "running"}:
            client.cancel(script.attempt, GRACE, script.lock, script.token)
            status = client.follow(script.attempt, self.received, self._write, self.run.let_go)
        if self.run.cancelled() and status.state == "absent":
            return StepStatus("finished", None, "cancelled", 0, None)
        if status.state == "absent":
            return StepStatus("unknown", None, status.reason or "vanished", self.received, None)
        return status if status.state in {"finished", "unknown", "refused"} else None

    def _judge(self, action: ScriptAction, status: StepStatus) -> Outcome:
        """What the wrapper's word means for the step."""
        if status.state == "unknown":
            return self._unknown(status)
        if status.state == "refused" and status.reason == "cancelled":
            return Outcome(lifecycle.CANCELLED, _("Cancelled before it began."))
        if status.state == "refused":
            return Outcome(lifecycle.ERRORED, _("The machine refused to start it: %s") % status.reason)
        if status.reason in {"timeout", "silence"}:
            words = {
                "timeout": _("It took longer than %s s and was ended.") % self.planned.timeout,
                "silence": _("It printed nothing for %s s and was ended.") % self.planned.silence_timeout,
            }
            return Outcome(lifecycle.TIMED_OUT, words[status.reason], status.exit_code)
        if status.reason == "cancelled":
            return Outcome(lifecycle.CANCELLED, _("Cancelled; its processes were ended."), status.exit_code)
        if status.exit_code != 0:
            said = action.explain(status.exit_code or 0, self.tail)
            return Outcome(lifecycle.FAILED, said or _("Exit code %s.") % status.exit_code, status.exit_code)
        action.succeeded(self.context)
        return Outcome(lifecycle.SUCCEEDED, exit_code=0)

    def _unknown(self, status: StepStatus) -> Outcome:
        """Let a check command decide, where the runbook has one; else a person must."""
        check = self.planned.scripts.get("check")
        if check is not None and status.reason != "unreachable":
            proved = self._check(check)
            if proved is True:
                return Outcome(lifecycle.SUCCEEDED, _("Its outcome was not known; its check found the effect there."))
            if proved is False and self.planned.idempotent:
                reason = _("Its outcome was not known; its check found no effect, so it runs again.")
                return Outcome(lifecycle.FAILED, reason, again=True)
        return Outcome(lifecycle.UNKNOWN, status.reason)

    def _check(self, check: CompiledScript) -> bool | None:
        """Run the step's check command: is the effect there? None when that can't be known either."""
        name = f"{self.attempt.remote_id}-check-{self.run.token}"
        checking = in_place(self.context, check)
        script = self._wrapped(name, checking.text, checking.parameters, checking.secrets, timeout=60)
        client = self.run.machines.client(self.planned.runs_on)
        status = client.launch_and_follow(script, 0, lambda data: None, self.run.let_go)
        return status.exit_code == 0 if status.state == "finished" and not status.reason else None

    def _open_log(self) -> None:
        self.received = self.attempt.source_offset
        self._writer = LogWriter(
            self.attempt, self.run.deployment.pk, self.run.token, secrets=tuple(self.run.secrets.values())
        )

    def _write(self, data: bytes) -> None:
        self.launched.set()
        self.received += len(data)
        self.tail = (self.tail + data)[-TAIL:]
        if self._writer is not None:
            self._writer.write(data)

    def _stop(self) -> bool:
        return self.run.let_go() or self.run.cancelled()

    def _progress(self, done: int, total: int) -> None:
        attempts.show_progress(self.attempt.pk, self.run.deployment.pk, self.run.token, done, total)

    def _lost(self, reason: str) -> None:
        if self.attempt.status != lifecycle.LOST:
            attempts.show_lost(self.attempt, self.run.token, reason)

    def _pause(self, seconds: float) -> bool:
        """Wait, but not past an order to let go; true when there is one."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.run.let_go():
                return True
            time.sleep(0.05)
        return self.run.let_go()
