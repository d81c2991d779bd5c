"""What the step wrapper's word on an ended script means for the step."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases import lifecycle
from releases.engine.attempts import Outcome
from releases.remote.steps import StepStatus
from releases.runbooks.plan import PlannedStep

_REFUSALS: Final = {
    "diskfull": gettext_lazy("The machine's disk is full, so it was not started. Free some space and run it again."),
    "corrupt": gettext_lazy("The step did not arrive whole, so it was not started. Run it again."),
    "removed": gettext_lazy("This attempt was cleaned up already. Run it again."),
}


def judge(status: StepStatus, planned: PlannedStep, explain: Callable[[int], str]) -> Outcome:
    """The outcome of a script whose end is known ("finished" or "refused")."""
    ended = _ended(status, planned, explain)
    if not status.disk_was_full:
        return ended
    said = _("The machine's disk was full while it ran, so its log may not be whole.")
    return replace(ended, reason=f"{ended.reason} {said}".strip())


def _ended(status: StepStatus, planned: PlannedStep, explain: Callable[[int], str]) -> Outcome:
    if status.state == "refused":
        return _refused(status.reason)
    if status.reason == "timeout":
        return timed_out(planned, status.exit_code)
    if status.reason == "silence":
        said = _("It printed nothing for %s s and was ended.") % planned.silence_timeout
        mend = _("If it may be silent for that long, raise its silence_timeout in the runbook.")
        return Outcome(lifecycle.TIMED_OUT, f"{said} {mend}", status.exit_code)
    if status.reason == "cancelled":
        return Outcome(lifecycle.CANCELLED, _("Cancelled; its processes were ended."), status.exit_code)
    if status.exit_code != 0:
        said = explain(status.exit_code or 0) or _("Exit code %s.") % status.exit_code
        return Outcome(lifecycle.FAILED, said, status.exit_code)
    return Outcome(lifecycle.SUCCEEDED, exit_code=0)


def timed_out(planned: PlannedStep, exit_code: int | None = None) -> Outcome:
    """The outcome of what took longer than its timeout."""
    said = _("It took longer than %s s and was ended.") % planned.timeout
    mend = _("If it needs that long, raise its timeout in the runbook.")
    return Outcome(lifecycle.TIMED_OUT, f"{said} {mend}", exit_code)


def _refused(reason: str) -> Outcome:
    if reason == "cancelled":
        return Outcome(lifecycle.CANCELLED, _("Cancelled before it began."))
    if reason.startswith("missing:"):
        tool = reason.partition(":")[2]
        said = _("%s is missing on the machine. Install it there (coreutils, util-linux, or BusyBox).") % tool
        return Outcome(lifecycle.ERRORED, said)
    said = str(_REFUSALS.get(reason) or _("The machine refused to start it: %s") % reason)
    return Outcome(lifecycle.ERRORED, said)
