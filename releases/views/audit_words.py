"""What each audited action is called on screen."""

from collections.abc import Iterable
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from releases.models import AuditEvent, Step
from releases.views import (
    cost_audit_words,
    gpu_audit_words,
    insight_audit_words,
    notice_audit_words,
    risk_words,
    wiki_audit_words,
)
from releases.views.unknown_words import in_words

# action -> (sentence, state or icon). Actions of steps and deployments carry their status's shape.
WORDS: Final[dict[str, Promise]] = {
    "deployment.prepare": _("prepared the deployment"),
    "deployment.approve": _("approved the plan"),
    "deployment.withdraw": _("withdrew the approval"),
    "deployment.start": _("started the deployment"),
    "deployment.start_emergency": _("started the rollback in an emergency, without approvals"),
    "recovery.ask": _("asked for an emergency rollback"),
    "recovery.rule": _("A rule of the environment was broken: emergency rollback"),
    "recovery.refuse": _("said no to the emergency rollback"),
    "recovery.hurry": _("let the emergency rollback start at once"),
    "recovery.refused": _("The rule does not hold any more: no emergency rollback"),
    "recovery.impossible": _("The emergency rollback could not start"),
    "recovery.clear": _("let the rules and the release go on after an automatic rollback"),
    "deployment.cancel": _("asked to cancel the deployment"),
    "deployment.succeeded": _("The deployment succeeded"),
    "deployment.failed": _("The deployment failed"),
    "deployment.errored": _("The deployment stopped by a system error"),
    "deployment.cancelled": _("The deployment was cancelled"),
    "deployment.waiting": _("The deployment waits for a person"),
    "deployment.unknown": _("The outcome of a step is unknown"),
    "plan.rebuild": _("made a new plan; ticks and approvals are void"),
    "checklist.tick": _("ticked a box"),
    "checklist.untick": _("took a tick back"),
    "checklist.prove": _("ran a check"),
    "step.start": _("began"),
    "step.succeeded": _("succeeded"),
    "step.failed": _("failed"),
    "step.errored": _("stopped by a system error"),
    "step.timed_out": _("took too long"),
    "step.cancelled": _("was cancelled"),
    "step.unknown": _("has an unknown outcome"),
    "step.lost": _("can't be reached; still trying"),
    "step.retry": _("is tried again"),
    "step.skip": _("is skipped"),
    "step.confirm": _("was answered"),
    "step.look": _("was looked at"),
    "step.resolve": _("was decided by a person"),
    "environment.lock": _("locked the environment"),
    "environment.unlock": _("unlocked the environment"),
    "environment.take_over": _("took over the lock"),
    "environment.change": _("changed the environment's settings"),
    "environment.create": _("added an environment"),
    "variable.set": _("set a variable"),
    "variable.delete": _("removed a variable"),
    "window.add": _("added a deploy window"),
    "window.remove": _("removed a deploy window"),
    "probe.set": _("set a health check"),
    "host.create": _("added a host"),
    "host.change": _("changed a host"),
    "host.pin": _("pinned the host key"),
    "host.unpin": _("took back the pinned host key"),
    "host.key_changed": _("The host showed another key than the pinned one"),
    "release.create": _("made a release"),
    "release.change": _("changed a release"),
    "artifact.register": _("registered an artifact"),
    "runbook.create": _("added a runbook"),
    "runbook.save": _("saved a new version of the runbook"),
    "backup.prove": _("asked for a proof of a backup"),
    "backup.proved": _("tried to restore a backup elsewhere"),
    "backup.return": _("asked to send a copy of a backup back to its host"),
    "backup.returned": _("sent a copy of a backup back to its host"),
    "backup.order": _("ordered backups"),
    "backup.taken": _("took a backup outside of a deployment"),
    "backup.remove": _("removed a backup"),
    "backup.erase": _("The bytes of a removed backup are gone"),
    "compatibility.set": _("said whether two services work together"),
    "kept_database.remove": _("gave up a database that a restore kept"),
    "kept_database.drop": _("A database that a restore kept was dropped"),
    **gpu_audit_words.WORDS,
    **wiki_audit_words.WORDS,
    **insight_audit_words.WORDS,
    **notice_audit_words.WORDS,
    **cost_audit_words.WORDS,
    **risk_words.AUDIT,
    "admin.add": _("added in the admin"),
    "admin.change": _("changed in the admin"),
    "admin.delete": _("removed in the admin"),
    "user.change": _("changed their settings"),
    "runbook.read": _("has read the runbook"),
    "onboarding.close": _("put the list for the first deployment away"),
    "user.login": _("logged in"),
    "user.logout": _("logged out"),
}
ICONS: Final = {
    "deployment.approve": "check",
    "environment.lock": "lock",
    "environment.unlock": "lock-open",
    "environment.take_over": "lock",
    "host.pin": "server",
    "step.look": "eye",
}


def name_steps(events: Iterable[AuditEvent]) -> None:
    """Steps by their title in the reader's language; what is stored, and hashed, stays as it is."""
    of_steps = [event for event in events if event.target_type == "step"]
    titles = {str(step.pk): step for step in Step.objects.filter(pk__in={event.target_id for event in of_steps})}
    for event in of_steps:
        if step := titles.get(event.target_id):
            event.target_name = f"{step.number} {step.title()}"


def sentence(event: AuditEvent) -> str:
    """One line about the event, without the name of who did it."""
    words = str(WORDS.get(event.action, event.action))
    subject = event.target_name if event.target_type != "deployment" else ""
    reason = in_words(event.detail.get("reason", "")) if isinstance(event.detail, dict) else ""
    # A step is the subject of its sentence ("10 began"); anything else is what the person did it to.
    said = f"{subject} {words}" if event.target_type == "step" else f"{words} · {subject}" if subject else words
    if event.action == "environment.take_over":
        said = f"{said} ({event.detail['held_by']} → {event.detail['taken_by']})"
    return f"{said}: {reason}" if reason else said


def state_of(event: AuditEvent) -> str:
    """The status whose shape stands beside the event; "" when an icon does."""
    family, _dot, verb = event.action.partition(".")
    if family not in {"deployment", "step"}:
        return ""
    known = {"succeeded", "failed", "errored", "timed_out", "cancelled", "unknown", "lost", "waiting"}
    return verb if verb in known else {"start": "running", "skip": "skipped"}.get(verb, "")
