"""The panel of a step whose outcome nobody knows: what is known, what a look shows, then the question."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from releases import lifecycle
from releases.logs import store
from releases.logs.ansi import to_text
from releases.models import Attempt, Look, LookEnding, Step
from releases.views.run_state import Run
from releases.views.unknown_words import in_words

LAST_LINES = 6


def panel(run: Run, step: Step, attempt: Attempt) -> dict[str, Any]:
    """What is known stands before the question."""
    planned = run.planned.get(step.key)
    return {
        "facts": [{"label": label, "text": text} for label, text in _facts(run, step, attempt) if text],
        "lines": [to_text(line.data) for line in _last_lines(attempt)],
        "look": look(run, step, attempt),
        "url": reverse("releases:resolve", args=[step.pk]),
        "idempotent": bool(planned and planned.idempotent),
    }


def _facts(run: Run, step: Step, attempt: Attempt) -> list[tuple[str, str]]:
    environment, planned = run.deployment.environment, run.planned.get(step.key)
    seen = attempt.last_seen_at or attempt.started_at
    again = (
        _("Running it again is safe: the step is written so that twice is as good as once.")
        if planned and planned.idempotent
        else _("The runbook does not say that running it twice is safe. Look first.")
    )
    return [
        (_("Why it is not known"), in_words(attempt.reason) or _("How it ended was never told.")),
        (_("Ran on"), attempt.host_name or _("the controller")),
        (_("Last seen"), f"{environment.local(seen):%H:%M:%S}" if seen else ""),
        (_("Until then"), _("Later steps wait, and the environment stays held by this deployment.")),
        (_("Safe choice"), again),
        (_("Log"), "" if attempt.log_lines else _("It printed nothing.")),
    ]


def _last_lines(attempt: Attempt) -> list[store.Line]:
    return store.tail_lines(attempt.pk, LAST_LINES) if attempt.log_lines else []


def look(run: Run, step: Step, attempt: Attempt | None) -> dict[str, Any]:
    """The probe command, who looked last and what was seen; its button while the outcome is unknown."""
    planned, last = run.planned.get(step.key), run.looks.get(step.pk)
    commands = planned.asides.get("probe", ()) if planned else ()
    asks = step.status == lifecycle.UNKNOWN and run.may_operate and bool(commands)
    return {
        "commands": commands,
        "place": (attempt.host_name if attempt else "") or _("the controller"),
        "url": reverse("releases:look", args=[step.pk]) if asks else "",
        "busy": last is not None and last.ended_at is None,
        "busy_for": (run.now - last.asked_at).total_seconds() if last else 0,
        "last": seen(last) if last else None,
    }


def seen(found: Look) -> dict[str, Any]:
    """One look as everybody sees it. An exit code has no colour here: it says nothing of the step's own end."""
    return {
        "person": str(found.asked_by),
        "at": found.ended_at or found.asked_at,
        "host": found.host_name,
        "ended": found.ended_at is not None,
        "exit_code": found.exit_code,
        "seconds": found.seconds,
        "output": found.output.rstrip("\n"),
        "is_cut": found.is_cut,
        "state": _STATES.get(found.ending, ""),
        "word": found.get_ending_display() if found.ending in _STATES else "",
        "problem": found.problem,
    }


_STATES = {
    LookEnding.UNREACHABLE.value: lifecycle.LOST,
    LookEnding.TIMED_OUT.value: "warning",
    LookEnding.IMPOSSIBLE.value: "warning",
}
