"""The list of steps: phases, rows, and under each row its question, its commands and its logs."""

from itertools import groupby
from typing import Any, Final

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from releases import lifecycle
from releases.models import Attempt, Phase, Step
from releases.runbooks.plan import ALREADY_BACK, OTHER_SERVICE
from releases.templatetags.figures import size
from releases.templatetags.icons import state_word
from releases.views import unknown_context
from releases.views.run_state import HALTED, Run, local
from releases.views.unknown_words import in_words

BODY: Final = "releases/step_body.html"
OPEN: Final = HALTED | lifecycle.STEP_BUSY | {lifecycle.WAITING}
TICKING: Final = lifecycle.STEP_BUSY | {lifecycle.WAITING}
SKIPPED_BECAUSE: Final = {
    "schema_changed": gettext_lazy("the schema does not change"),
    "nginx_changed": gettext_lazy("the nginx configuration does not change"),
    ALREADY_BACK: gettext_lazy("this database was put back already"),
    OTHER_SERVICE: gettext_lazy("it is about another service"),
}


def skipped_because(reason: str) -> str:
    """Why a step is left out: a condition in words, or the words of a person."""
    return str(SKIPPED_BECAUSE.get(reason, reason))


def phases(run: Run) -> list[dict[str, Any]]:
    """The steps under the headings of their phases, in the order in which they run."""
    found = []
    for phase, group in groupby(run.steps, key=lambda step: step.phase):
        steps = list(group)
        first = run.rail.index(steps[0]) if steps[0] in run.rail else 0
        found.append(
            {
                "title": Phase(phase).label,
                "elapsed": run.window(steps),
                "estimate": sum(step.estimate for step in steps if step.status != lifecycle.SKIPPED),
                "down": first > 0,
                "down_todo": first > 0 and run.steps.index(steps[0]) > run.reached,
                "steps": [row(run, step) for step in steps],
            }
        )
    return found


def row(run: Run, step: Step) -> dict[str, Any]:
    """One step with everything under it."""
    attempts = list(step.attempts.all())
    return {
        "key": step.key,
        "number": step.number,
        "title": step.title(),
        "role": step.get_role_display(),
        "note": _note(run, step, attempts),
        "status": step.status,
        "elapsed": run.spent(step),
        "estimate": step.estimate,
        "ticking": step.status in TICKING,
        "open": step.status in OPEN,
        "opens_downtime": step.opens_downtime,
        "closes_downtime": step.closes_downtime,
        "irreversible": local(run.planned[step.key].irreversible) if step.key in run.planned else "",
        "down": _rail_place(run, step),
        "down_todo": run.steps.index(step) > run.reached,
        "attempts": _attempts_tag(attempts),
        "attempts_state": next((a.status for a in attempts if a.status != lifecycle.SUCCEEDED), ""),
        "skipped_because": skipped_because(step.reason) if step.status == lifecycle.SKIPPED else "",
        "body": BODY,
        "commands": run.planned[step.key].lines if step.key in run.planned else (),
        "tries": tries(step, attempts),
        "panes": [_pane(run, step, attempt) for attempt in reversed(attempts) if _has_log(step, attempt)],
        "looked": _looked(run, step),
        **_question(run, step, attempts),
    }


def _rail_place(run: Run, step: Step) -> str:
    if step not in run.rail:
        return ""
    if step == run.rail[0]:
        return "first"
    return "last" if step == run.rail[-1] else "middle"


def _attempts_tag(attempts: list[Attempt]) -> str:
    if len(attempts) < 2:
        return ""
    text = pgettext("attempt of a step", "#%(number)s %(state)s")
    return " · ".join(text % {"number": a.number, "state": state_word(a.status).lower()} for a in attempts)


def _note(run: Run, step: Step, attempts: list[Attempt]) -> str:
    """What is worth reading in the row: how far a transfer is, what was proved or last heard, else the plan's note."""
    newest = attempts[-1] if attempts else None
    if newest and newest.progress and newest.status in lifecycle.STEP_BUSY:
        done, total = newest.progress.get("done", 0), newest.progress.get("total", 0)
        return f"{100 * done // total if total else 0}% · {size(done)} / {size(total)}"
    if newest and newest.status == lifecycle.LOST and newest.last_seen_at:
        return _("last heard of at %s") % f"{run.deployment.environment.local(newest.last_seen_at):%H:%M:%S}"
    if newest and newest.status == lifecycle.SUCCEEDED and (said := evidence_note(newest.evidence)):
        return said
    if step.status == lifecycle.PENDING and step.retry_at:
        return _("is tried again at %s") % f"{run.deployment.environment.local(step.retry_at):%H:%M:%S}"
    planned = run.planned.get(step.key)
    if planned is None or step.opens_downtime or step.closes_downtime or step.status == lifecycle.SKIPPED:
        return ""
    return local(planned.note) or _alongside(run, step)


def _alongside(run: Run, step: Step) -> str:
    """Steps that wait for the same ones run side by side."""
    after = run.planned[step.key].after
    twins = [
        s.number
        for s in run.steps
        if s != step and s.key in run.planned and run.planned[s.key].after == after and after
    ]
    return _("together with %s") % ", ".join(twins) if twins else ""


def evidence_note(evidence: dict[str, Any]) -> str:
    """The proof of an action in a few words: size, digest, files sent, answers."""
    parts = []
    copies = evidence.get("backups") or evidence.get("artifacts")
    if isinstance(copies, list):
        parts.append(size(sum(int(entry.get("size", 0)) for entry in copies if isinstance(entry, dict))))
    elif "size" in evidence:
        parts.append(size(evidence["size"]))
    if evidence.get("files", 0) and int(evidence["files"]) > 1:
        counts = {"sent": evidence.get("files_sent", 0), "files": evidence["files"]}
        parts.append(_("%(sent)s of %(files)s files sent") % counts)
    if evidence.get("sha256") or (isinstance(copies, list) and copies):
        parts.append(_("SHA-256 checked"))
    answers = evidence.get("answers")
    if isinstance(answers, list) and answers:
        parts.append(" · ".join(f"{a.get('status')} {a.get('milliseconds', 0):.0f} ms" for a in answers))
    if "watched_seconds" in evidence:
        parts.append(_("watched for %s s") % evidence["watched_seconds"])
    return " · ".join(parts)


def tries(step: Step, attempts: list[Attempt]) -> list[dict[str, Any]]:
    """What was tried, the newest first. Where a panel tells why the newest ended, its line does not repeat it."""
    found = [_try(attempt) for attempt in reversed(attempts)]
    if found and step.status in HALTED:
        found[0]["reason"] = ""
    return found


def _try(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "status": attempt.status,
        "at": attempt.started_at or attempt.created_at,
        "host": attempt.host_name,
        "exit_code": attempt.exit_code,
        "reason": in_words(attempt.reason),
        "person": str(attempt.decided_by) if attempt.decided_by else "",
        "note": attempt.note,
        "files": [
            {"name": file.name, "size": file.size, "url": reverse("releases:attempt_file", args=[file.pk])}
            for file in attempt.files.all()
        ],
    }


def _has_log(step: Step, attempt: Attempt) -> bool:
    return step.action != "manual" or attempt.log_size > 0


def _pane(run: Run, step: Step, attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": attempt.pk,
        "number": attempt.number,
        "step_key": step.key,
        "step_title": step.title(),
        "host": attempt.host_name,
        "total_lines": attempt.log_lines,
        "zone": run.deployment.environment.zone,
        "lines_url": reverse("releases:log_lines", args=[attempt.pk]),
        "raw_url": reverse("releases:log_raw", args=[attempt.pk]),
    }


def _looked(run: Run, step: Step) -> dict[str, Any] | None:
    """What was seen while the outcome was unknown, once it is decided; before, the panel shows it."""
    found = run.looks.get(step.pk)
    return unknown_context.seen(found) if found and step.status != lifecycle.UNKNOWN else None


def _question(run: Run, step: Step, attempts: list[Attempt]) -> dict[str, Any]:
    """What a person is asked about this step, if anything."""
    asked = {"step_key": step.key, "version": attempts[-1].pk if attempts else "", "may_decide": run.may_operate}
    if step.status == lifecycle.UNKNOWN and attempts:
        return {"unknown": asked | unknown_context.panel(run, step, attempts[-1])}
    if step.status == lifecycle.WAITING and attempts:
        return {"manual": asked | _manual(run, step)}
    if step.status in lifecycle.STEP_STOPPED:
        return {"failed": asked | _failed(run, step)}
    return {}


def _manual(run: Run, step: Step) -> dict[str, Any]:
    parameters = run.planned[step.key].parameters if step.key in run.planned else {}
    texts = parameters.get("instructions") or {}
    said = texts if isinstance(texts, str) else _in_language(texts)
    return {
        "heading": _("Do this, then say how it went."),
        "instructions": said,
        "url": reverse("releases:confirm", args=[step.pk]),
        "needs_note": False,
        "takes_file": bool(parameters.get("allow_file")),
    }


def _in_language(texts: dict[str, str]) -> str:
    from releases.runbooks.model import LocalText

    return local(LocalText(texts.get("ko", ""), texts.get("en", "")))


_HEADINGS: Final = {
    lifecycle.FAILED: gettext_lazy("This step failed and stopped the deployment. Nothing more runs."),
    lifecycle.TIMED_OUT: gettext_lazy("This step took too long and was ended. Nothing more runs."),
    lifecycle.ERRORED: gettext_lazy("Cloud Wiki could not do this step. Nothing more runs."),
    lifecycle.CANCELLED: gettext_lazy("This step was cancelled. Nothing more runs."),
}


def _failed(run: Run, step: Step) -> dict[str, Any]:
    stopped = run.deployment.status in lifecycle.STOPPED
    mend = _("Look at the log, fix the cause, then try again. The run goes on from this step.")
    if not stopped:
        mend = _("Other steps are coming to their end; then this one can be tried again.")
    return {
        "state": step.status,
        "heading": _HEADINGS[step.status] if stopped else _("This step stopped the deployment."),
        "detail": in_words(step.reason),
        "mend": mend if run.may_operate or not stopped else "",
        "retry_url": reverse("releases:retry", args=[step.pk]),
        "skip_url": reverse("releases:skip", args=[step.pk]),
        "may_decide": run.may_operate and stopped,
    }
