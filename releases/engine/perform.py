"""Performing one attempt: from the committed row to its outcome.

Runs in a thread of the driver. A script is launched at most once under the step wrapper and followed from the byte
where the stored log ends; what breaks on the way (connection, database, worker) only means that it is followed again.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

import structlog
from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from releases import lifecycle
from releases.actions import registry
from releases.actions.base import ActionError, DirectAction, NotApproved, ScriptAction, StepContext
from releases.actions.remote_words import told
from releases.actions.shell import in_place
from releases.database import AWAY
from releases.engine import attempts, clock, verdict
from releases.engine.attempts import Outcome, Retries
from releases.engine.contact import Contact, OutOfContact, pause
from releases.engine.keepable import keepable
from releases.engine.run import Run
from releases.logs import store
from releases.logs.masking import StreamMasker
from releases.logs.store import LogWriter
from releases.models import Attempt
from releases.models.lease import Fenced
from releases.remote.errors import RemoteError
from releases.remote.faults import fault_point
from releases.remote.steps import ACTIVE, StepClient, StepScript, StepStatus
from releases.runbooks.placeholders import CompiledScript
from releases.runbooks.plan import PlannedStep

TAIL = 8192  # bytes of log kept for the explanation of a failure
log = structlog.get_logger(__name__)


class Performance:
    """One attempt being performed. `fresh`: made by this driver, so nothing of it was ever sent."""

    def __init__(self, run: Run, attempt: Attempt, planned: PlannedStep, fresh: bool) -> None:
        self.run, self.attempt, self.planned = run, attempt, planned
        self.launched = threading.Event()
        self.action = registry.find(planned.action)
        self.contact = Contact(run, attempt, planned.runs_on, fresh=fresh, detached=not self.direct)
        self.tail, self.received = b"", 0
        self.trouble = attempt.reason if attempt.status == lifecycle.RUNNING else ""  # once there it stays
        # What was seen to run is never launched again, even where nothing of it is left on the machine.
        self._seen = attempt.last_seen_at is not None or attempt.source_offset > 0
        self._writer: LogWriter | None = None
        self._tells = 0.0  # when the page is next told of progress (monotonic)
        self._ends, self._late = math.inf, False  # when the timeout of what works in this worker is over (monotonic)
        self.context = StepContext(
            deployment=run.deployment,
            attempt=attempt,
            planned=planned,
            values=run.values,
            transport=self.contact.transport,
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
        since = self.contact.since
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
        secrets = self.run.secrets.values()
        evidence = keepable({**self.context.evidence, **outcome.evidence}, secrets)
        kept = replace(outcome, reason=keepable(outcome.reason, secrets), evidence=evidence)
        retry = self.planned.retry
        fault_point("before_finish")
        digest = (self._writer.raw_sha256 if self._writer else None) or ""
        attempts.finish(self.attempt, self.run.token, kept, Retries(retry.attempts, retry.delay), digest)
        fault_point("after_finish")

    def _patiently[T](self, work: Callable[[], T]) -> T | None:
        """Do `work`; while the database is away, wait and go on from what is stored. None when told to let go."""
        while True:
            try:
                return work()
            except AWAY as error:
                log.warning("database away", attempt=self.attempt.pk, error=str(error))
                connection.close()
                if self._writer is not None:
                    self._writer.abandon()
                    self._writer = None
                if pause(1.0, self.run.let_go):
                    return None
                with suppress(*AWAY):  # the next try notices, too
                    self.attempt.refresh_from_db()

    def _outcome(self) -> Outcome | None:
        if self.run.trouble:
            return self._ours(self.run.trouble)
        self._open_log()
        try:
            if isinstance(self.action, ScriptAction):
                return self._script(self.action)
            if isinstance(self.action, DirectAction):
                return self._direct(self.action)
            return Outcome(lifecycle.ERRORED, _("No worker can do a step of the kind %s.") % self.planned.action)
        except ActionError as error:
            return Outcome(lifecycle.FAILED, str(error))
        except NotApproved as error:
            return self._ours(str(error))
        except OutOfContact as error:
            return Outcome(lifecycle.UNKNOWN, str(error))
        except RemoteError as error:
            return Outcome(lifecycle.ERRORED, told(error))
        except (Fenced, *AWAY):
            raise
        except Exception as error:
            # Our own fault must end the step with a sentence, never leave it running for ever.
            log.exception("step errored", attempt=self.attempt.pk)
            said = f"{type(error).__name__}: {error}"
            return Outcome(lifecycle.ERRORED, said) if self.direct else self._ours(said)

    def _ours(self, reason: str) -> Outcome:
        """It can't go on, and not for what it does: errored, or unknown where it may be at work already."""
        return Outcome(lifecycle.UNKNOWN if self.contact.sent else lifecycle.ERRORED, reason)

    def _direct(self, action: DirectAction) -> Outcome | None:
        def work() -> bool:
            if not self._stop():
                self.launched.set()
                action.run(self.context)
            return True

        begun = self.attempt.started_at or self.attempt.created_at
        self._ends = time.monotonic() + self.planned.timeout - (clock.now() - begun).total_seconds()
        self.contact.keep(work)
        if self.run.cancelled():
            return Outcome(lifecycle.CANCELLED, _("Cancelled while it ran."))
        if self._late:
            return verdict.timed_out(self.planned)
        return None if self.run.let_go() else Outcome(lifecycle.SUCCEEDED)

    def _script(self, action: ScriptAction) -> Outcome | None:
        script = None if self._seen else self._step_script(action)
        status = self.contact.keep(lambda: self._follow(script))
        if status is None:
            return None
        if status.state == "unknown":
            return self._unknown(status)
        ended = verdict.judge(status, self.planned, lambda code: action.explain(code, self._shown_tail()))
        if ended.status != lifecycle.SUCCEEDED:
            return ended
        return ended if self.contact.keep(lambda: self._collect(action)) else None

    def _shown_tail(self) -> bytes:
        return StreamMasker(self.run.secrets.values()).mask(self.tail)

    def _collect(self, action: ScriptAction) -> bool:
        action.succeeded(self.context)
        return True

    def _step_script(self, action: ScriptAction) -> StepScript:
        script = action.script(self.context)
        return self._wrapped(self.attempt.remote_id, script.text, script.parameters, script.secrets)

    def _wrapped(
        self, name: str, text: str, parameters: Mapping[str, str], secrets: tuple[str, ...], timeout: int | None = None
    ) -> StepScript:
        changed = [secret for secret in secrets if secret in self.run.changed]
        if changed:
            sentence = _("The secret %s was changed after the approval. Make a new deployment.")
            raise NotApproved(sentence % ", ".join(changed))
        return StepScript(
            attempt=name,
            text=text.encode(),
            parameters=parameters,
            secrets={secret: self.run.secrets[secret] for secret in secrets},
            lock=self.run.fence,
            token=self.run.token,
            timeout=timeout or self.planned.timeout,
            silence_timeout=self.planned.silence_timeout,
            grace=self.planned.grace,
            log_cap=settings.LOG_CAP,
        )

    def _follow(self, script: StepScript | None) -> StepStatus | None:
        """Launch (with a script) and follow while the connection holds; None when it has to be followed again."""
        client, name = self._client(), self.attempt.remote_id
        if self.run.cancelled():
            status = client.status(name)
        elif script is not None:
            status = client.launch_and_follow(script, self.received, self._write, self._stop, self._heard)
        else:
            status = client.follow(name, self.received, self._write, self._stop, self._heard)
        if self.run.cancelled() and (status.state in ACTIVE or (status.state == "absent" and script is not None)):
            # Also where nothing is there yet: a launch of an earlier driver may still be on its way.
            status = self._cancel(client, name)
        if status.state == "fenced":
            raise Fenced(status.reason)
        if status.state == "absent":
            if self.run.cancelled() and script is not None:
                return StepStatus("finished", None, "cancelled", 0, None)
            return StepStatus("unknown", None, status.reason or "vanished", self.received, None)
        return status if status.state in {"finished", "unknown", "refused"} else None

    def _cancel(self, client: StepClient, name: str) -> StepStatus:
        """End its processes, and keep what they still print."""
        status = client.cancel(name, self.planned.grace, self.run.fence, self.run.token)
        if status.state == "fenced":
            return status
        return client.follow(name, self.received, self._write, self.run.let_go)

    def _client(self) -> StepClient:
        self.contact.transport()
        return self.run.machines.client(self.planned.runs_on, self.contact.hear)

    def _unknown(self, status: StepStatus) -> Outcome | None:
        """Let a check command decide, where the runbook has one; else a person must."""
        check = self.planned.scripts.get("check")
        if check is not None:
            checked = self.contact.keep(lambda: self._check(check))
            if checked is None:
                return None
            known = checked.state == "finished" and not checked.reason
            if known and checked.exit_code == 0:
                return Outcome(lifecycle.SUCCEEDED, _("Its outcome was not known; its check found the effect there."))
            if known and self.planned.idempotent:
                reason = _("Its outcome was not known; its check found no effect, so it runs again.")
                return Outcome(lifecycle.FAILED, reason, again=True)
        return Outcome(lifecycle.UNKNOWN, status.reason)

    def _check(self, check: CompiledScript) -> StepStatus | None:
        """Run the step's check command: is the effect there? None when told to let go."""
        name = f"{self.attempt.remote_id}-check-{self.run.token}"
        checking = in_place(self.run.deployment, self.planned.runs_on, check)
        script = self._wrapped(name, checking.text, checking.parameters, checking.secrets, timeout=60)
        status = self._client().launch_and_follow(script, 0, lambda data: None, self.run.let_go)
        return None if self.run.let_go() else status

    def _open_log(self) -> None:
        self.received, stored = self.attempt.source_offset, self.attempt.log_size
        # What an earlier driver stored explains a failure too.
        self.tail = store.read(self.attempt.pk, max(0, stored - TAIL), TAIL) if stored else b""
        self._writer = LogWriter(
            self.attempt, self.run.deployment.pk, self.run.token, secrets=tuple(self.run.secrets.values())
        )

    def _write(self, data: bytes) -> None:
        self.launched.set()
        self.contact.hear()
        self.received += len(data)
        self.tail = (self.tail + data)[-TAIL:]
        if self._writer is not None:
            self._writer.write(data)

    def _heard(self, reason: str) -> None:
        self.trouble = reason or self.trouble

    def _stop(self) -> bool:
        self._late = self._late or time.monotonic() > self._ends
        return self._late or self.run.let_go() or self.run.cancelled()

    def _progress(self, done: int, total: int) -> None:
        if time.monotonic() >= self._tells:
            self._tells = time.monotonic() + attempts.PAGE_SECONDS
            attempts.show_progress(self.attempt.pk, self.run.deployment.pk, self.run.token, done, total)
