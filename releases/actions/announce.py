"""Telling the team and the users: one announcement a deployment, each of its wordings kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from releases import audit
from releases.actions.base import DirectAction, StepContext
from releases.audit import Actor
from releases.models import Announcement, AnnouncementRevision, Deployment
from releases.public import publish
from releases.runbooks.plan import PlannedStep


@dataclass(frozen=True)
class Wording:
    """What an announcement says and what it announces."""

    state: str
    title_ko: str
    title_en: str
    body_ko: str
    body_en: str


class Announce(DirectAction):
    """Posts or updates the deployment's announcement on the public page."""

    kind = "announce"

    def run(self, context: StepContext) -> None:
        wording = _wording(context)
        announcement = post(context.deployment, wording)
        for title in dict.fromkeys(filter(None, (wording.title_ko, wording.title_en))):
            context.say(title)
        context.say(_("Posted: %s") % announcement.get_state_display())
        context.evidence["announcement"] = announcement.pk
        context.evidence["state"] = announcement.state


def post(deployment: Deployment, wording: Wording) -> Announcement:
    """Make or update the announcement. Saying the same again changes nothing and adds no revision."""
    with transaction.atomic():
        # The deployment's row is the lock: two posts at once make one announcement.
        Deployment.objects.select_for_update(of=("self",), no_key=True).get(pk=deployment.pk)
        announcement = Announcement.objects.filter(deployment=deployment).first()
        if announcement is None:
            starts_at, ends_at = planned_times(deployment)
            announcement = Announcement(
                environment=deployment.environment, deployment=deployment, starts_at=starts_at, ends_at=ends_at
            )
        elif _as_wording(announcement) == wording:
            return announcement
        for name, value in vars(wording).items():
            setattr(announcement, name, value)
        announcement.save()
        author = deployment.started_by
        AnnouncementRevision.objects.create(announcement=announcement, created_by=author, **vars(wording))
        publish.soon(deployment.environment.project)
        audit.record(Actor(author), "announcement.post", deployment, state=wording.state, title=wording.title_ko)
    return announcement


def planned_times(deployment: Deployment) -> tuple[datetime, datetime]:
    """When the service is planned to be away: the estimates before and within the downtime, from the start.

    Without a downtime: the whole deployment.
    """
    began = deployment.started_at or timezone.now()
    steps = [PlannedStep.from_json(entry) for entry in deployment.plan.content["steps"]]
    running = [step for step in steps if not step.skipped_because]
    opens = next((index for index, step in enumerate(running) if step.opens_downtime), None)
    if opens is None:
        return began, began + timedelta(seconds=deployment.plan.estimate)
    starts_at = began + timedelta(seconds=sum(step.estimate for step in running[:opens]))
    return starts_at, starts_at + timedelta(seconds=deployment.plan.downtime_estimate)


def _wording(context: StepContext) -> Wording:
    title, message = context.parameters["title"], context.parameters.get("message") or {}
    ko, en = title.get("ko", ""), title.get("en", "")
    return Wording(
        state=context.parameters["state"],
        title_ko=(ko or en)[:200],
        title_en=(en or ko)[:200],
        body_ko=message.get("ko", "") or message.get("en", ""),
        body_en=message.get("en", "") or message.get("ko", ""),
    )


def _as_wording(row: Announcement) -> Wording:
    return Wording(row.state, row.title_ko, row.title_en, row.body_ko, row.body_en)
