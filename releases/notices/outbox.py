"""The outbox: what is to be told becomes rows in the caller's transaction; a worker sends them afterwards."""

from collections.abc import Mapping
from typing import Final

from django.db.models import QuerySet

from releases.models import Announcement, Channel, Delivery, Event, Notice, Project

# Events of announcements; any other event is for the team.
FOR_EVERYBODY: Final = frozenset(Event.values) - {Event.TEAM, Event.TEST}
_LONGEST: Final = 250


def put(
    project: Project,
    event: str,
    subject: Mapping[str, str],
    text: Mapping[str, str],
    link: str = "",
    announcement: Announcement | None = None,
) -> Notice:
    """Tell everybody who listens, after the transaction of the caller.

    `event`: one of Event, or another word for something the team wants to hear. `subject` and `text` (Markdown) hold
    "ko" and "en". `link`: a path of ours, or a whole address; of an announcement it is known.
    """
    notice = _notice(project, event, subject, text, link, announcement)
    channels = _listening(project, event, announcement)
    Delivery.objects.bulk_create(Delivery(notice=notice, channel=channel) for channel in channels)
    return notice


def put_to(channel: Channel, event: str, subject: Mapping[str, str], text: Mapping[str, str], link: str = "") -> Notice:
    """Tell one channel alone, whatever it listens to."""
    notice = _notice(channel.project, event, subject, text, link, None)
    Delivery.objects.create(notice=notice, channel=channel)
    return notice


def _notice(
    project: Project,
    event: str,
    subject: Mapping[str, str],
    text: Mapping[str, str],
    link: str,
    announcement: Announcement | None,
) -> Notice:
    return Notice.objects.create(
        project=project,
        announcement=announcement,
        event=event,
        subject_ko=" ".join(subject["ko"].split())[:_LONGEST],
        subject_en=" ".join(subject["en"].split())[:_LONGEST],
        text_ko=text["ko"],
        text_en=text["en"],
        link=link,
    )


def _listening(project: Project, event: str, announcement: Announcement | None) -> QuerySet[Channel]:
    """Users hear of announcements of production; the team of all that it chose."""
    heard_as = event if event in FOR_EVERYBODY else Event.TEAM.value
    rows = Channel.objects.filter(project=project, enabled=True, removed_at__isnull=True, events__contains=[heard_as])
    if event not in FOR_EVERYBODY or (announcement is not None and not announcement.environment.is_production):
        rows = rows.filter(audience=Channel.Audience.TEAM)
    return rows.order_by("pk")
