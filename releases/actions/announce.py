"""Telling the team and the users: one announcement a deployment, each of its wordings kept."""

from django.utils.translation import gettext as _

from releases.actions.base import DirectAction, StepContext
from releases.audit import Actor
from releases.notices import states
from releases.notices.shipped import Words


class Announce(DirectAction):
    """Posts or updates the deployment's announcement on the public page; channels are told of it."""

    kind = "announce"

    def run(self, context: StepContext) -> None:
        deployment = context.deployment
        announcement = states.of_run(
            deployment, context.parameters["state"], _words(context), Actor(deployment.started_by)
        )
        for title in dict.fromkeys((announcement.title_ko, announcement.title_en)):
            context.say(title)
        context.say(_("Posted: %s") % announcement.get_state_display())
        context.evidence["announcement"] = announcement.pk
        context.evidence["state"] = announcement.state


def _words(context: StepContext) -> Words | None:
    """What the runbook says; None where it leaves the words to the project."""
    title, message = context.parameters.get("title") or {}, context.parameters.get("message") or {}
    ko, en = title.get("ko", ""), title.get("en", "")
    if not ko and not en:
        return None
    return Words(
        (ko or en)[:200],
        (en or ko)[:200],
        message.get("ko", "") or message.get("en", ""),
        message.get("en", "") or message.get("ko", ""),
    )
