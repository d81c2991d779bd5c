"""The rail beside the steps: how the services answer, who watches, what happened."""

from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils.translation import gettext as _

from releases.audit import SYSTEM
from releases.logs import presence
from releases.models import AuditEvent, Deployment
from releases.probes.health import ServiceAnswers, service_answers
from releases.templatetags.figures import clock as as_clock
from releases.views import audit_words
from releases.views.run_state import Run

EVENTS: Final = 14
_SHAPES: Final = {"up": "succeeded", "down": "failed", "planned": "running", "unmeasured": "pending"}


def build(run: Run) -> dict[str, Any]:
    """Probes, people and activity of a deployment."""
    deployment = run.deployment
    return {
        "probes": [probe(answers, run.now) for answers in service_answers(deployment.environment, run.now)],
        "people": watching(deployment),
        "events": activity(run),
        "audit_url": reverse("releases:audit"),
    }


def probe(answers: ServiceAnswers, now: datetime) -> dict[str, Any]:
    """One service with its bars."""
    word = _word(answers, now)
    return {
        "name": answers.service.name,
        "address": _address(answers.probe.url) if answers.probe else "",
        "state": _SHAPES[answers.state],
        "word": word,
        "samples": answers.bars,
        "spoken": _("Last 5 minutes: %s") % word,
    }


def _address(url: str) -> str:
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else parts.hostname or ""
    except ValueError:
        port = parts.hostname or ""
    return f"{port}{parts.path.rstrip('/')}"


def _word(answers: ServiceAnswers, now: datetime) -> str:
    if answers.state == "up":
        return _("answers · %s ms") % round(answers.milliseconds or 0)
    if answers.state == "unmeasured":
        return answers.detail or _("not measured")
    lasting = as_clock(now - answers.since) if answers.since else ""
    if answers.state == "planned":
        return " ".join((_("planned maintenance"), lasting)).strip()
    return " ".join((_("no answer"), lasting)).strip()


def watching(deployment: Deployment) -> list[dict[str, str]]:
    """Who has the page open, each person once."""
    parts = {deployment.requested_by_id: _("asked for it"), deployment.started_by_id: _("started it")}
    return [
        {"name": viewer.name, "role": viewer.role, "note": parts.get(viewer.user_id, "")}
        for viewer in presence.watchers(deployment.pk)
    ]


def activity(run: Run) -> list[dict[str, Any]]:
    """The newest audit events of the deployment."""
    names = {str(step.pk): f"{step.number} {step.title()}" for step in run.steps}
    rows = AuditEvent.objects.filter(deployment=run.deployment.pk).order_by("-sequence")[:EVENTS]
    return [event_entry(event, names) for event in rows]


def event_entry(event: AuditEvent, names: dict[str, str]) -> dict[str, Any]:
    """One line of the activity; a step's event names the step in the reader's language."""
    if event.target_type == "step":
        event.target_name = names.get(event.target_id, event.target_name)
    return {
        "state": audit_words.state_of(event),
        "icon": audit_words.ICONS.get(event.action, "user"),
        "person": "" if event.actor_name == SYSTEM else event.actor_name,
        "text": audit_words.sentence(event),
        "moment": event.at,
    }
