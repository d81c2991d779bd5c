"""What channels are told of an announcement: its words, what happened, when."""

from datetime import datetime
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.models import Announcement, Event, Notice
from releases.models.choices import in_each_language
from releases.notices import outbox
from releases.notices.wording import moment

# What stands before the title.
MARKS: Final[dict[str, Promise]] = {
    Event.SCHEDULED: gettext_lazy("Scheduled"),
    Event.REMINDER: gettext_lazy("Soon"),
    Event.POSTPONED: gettext_lazy("Time changed"),
    Event.IN_PROGRESS: gettext_lazy("In progress"),
    Event.TROUBLE: gettext_lazy("Delayed"),
    Event.VERIFYING: gettext_lazy("Verifying"),
    Event.DONE: gettext_lazy("Done"),
    Event.CANCELLED: gettext_lazy("Cancelled"),
    Event.EDITED: gettext_lazy("Corrected"),
}


def tell(row: Announcement, event: str) -> Notice:
    """Put it into the outbox, in the current transaction."""
    subject = in_each_language(lambda: f"[{MARKS[event]}] {row.title()}")
    text = in_each_language(lambda: _text(row))
    return outbox.put(row.environment.project, event, subject, text, announcement=row)


def _text(row: Announcement) -> str:
    """In the active language, as Markdown: the text, then what and when."""
    facts = []
    if services := ", ".join(service.name for service in row.services.all()):
        facts.append(_("Services: %s") % services)
    if row.starts_at:
        facts.append(_("Planned: %s") % _span(row, row.starts_at, row.ends_at))
    if row.began_at:
        facts.append(_("As it was: %s") % _span(row, row.began_at, row.ended_at))
    lines = "\n".join(f"- {fact}" for fact in facts)
    return "\n\n".join(part for part in (row.body(), lines) if part)


def _span(row: Announcement, begin: datetime, end: datetime | None) -> str:
    first = moment(row, begin)
    return f"{first} – {moment(row, end)}" if end else f"{first} –"
