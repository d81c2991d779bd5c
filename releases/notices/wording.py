"""Placeholders of announcements, filled in; the words of a kind and stage that a project uses."""

import math
from datetime import datetime
from typing import Final

from django.utils import translation
from django.utils.dateformat import format as format_date
from django.utils.functional import Promise
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from releases.models import Announcement, Project, Service, Wording
from releases.models.choices import LANGUAGES
from releases.notices.shipped import SHIPPED, Words
from releases.runbooks import placeholders

# What may stand in braces, with what a person reads about it.
PLACEHOLDERS: Final[dict[str, Promise]] = {
    "project": _("name of the project"),
    "environment": _("name of the environment"),
    "kind": _("what it is about"),
    "state": _("where it stands"),
    "version": _("version of the release; empty without a deployment"),
    "services": _("services concerned"),
    "starts_at": _("planned beginning"),
    "ends_at": _("planned end"),
    "downtime_minutes": _("planned minutes from beginning to end"),
}
NOTHING: Final = "–"
TITLE_LENGTH: Final = 200


def check(text: str) -> None:
    """Raise PlaceholderError, with the mend, unless every placeholder is one of ours."""
    placeholders.substitute(text, dict.fromkeys(PLACEHOLDERS, ""))


def words_of(project: Project, kind: str, stage: str) -> Words:
    """The project's words for it, as written; the shipped ones where it has none of its own."""
    row = Wording.objects.filter(project=project, kind=kind, stage=stage).first()
    return Words(row.title_ko, row.title_en, row.body_ko, row.body_en) if row else SHIPPED[kind, stage]


def filled(words: Words, row: Announcement, services: list[Service] | None = None) -> Words:
    """The words with every placeholder filled in from the announcement as it is in memory.

    `services`: those concerned, of a row that is not stored yet. Raises PlaceholderError.
    """
    concerned = list(row.services.all()) if services is None else services
    ko, en = (values(row, concerned, language) for language in LANGUAGES)
    return Words(
        Truncator(placeholders.substitute(words.title_ko, ko)).chars(TITLE_LENGTH),
        Truncator(placeholders.substitute(words.title_en, en)).chars(TITLE_LENGTH),
        placeholders.substitute(words.body_ko, ko),
        placeholders.substitute(words.body_en, en),
    )


def of_kind(row: Announcement, stage: str, services: list[Service] | None = None) -> Words:
    """The words of its kind for a stage, filled in. A project's own were checked when they were saved."""
    return filled(words_of(row.environment.project, row.kind, stage), row, services)


def values(row: Announcement, services: list[Service], language: str) -> dict[str, str]:
    """The value of each placeholder in a language."""
    with translation.override(language):
        return {
            "project": row.environment.project.name,
            "environment": row.environment.name,
            "kind": row.get_kind_display(),
            "state": row.get_state_display(),
            "version": row.deployment.release.version if row.deployment else "",
            "services": ", ".join(service.name for service in services),
            "starts_at": moment(row, row.starts_at),
            "ends_at": moment(row, row.ends_at),
            "downtime_minutes": str(minutes(row)) if row.starts_at and row.ends_at else NOTHING,
        }


def moment(row: Announcement, when: datetime | None) -> str:
    """A moment in the environment's zone and the active language: 2026-11-25(수) 02:00 KST."""
    if when is None:
        return NOTHING
    local = row.environment.local(when)
    return f"{local:%Y-%m-%d}({format_date(local, 'D')}) {local:%H:%M %Z}"


def minutes(row: Announcement) -> int:
    """The planned minutes from beginning to end, rounded up."""
    if not row.starts_at or not row.ends_at:
        return 0
    return math.ceil((row.ends_at - row.starts_at).total_seconds() / 60)
