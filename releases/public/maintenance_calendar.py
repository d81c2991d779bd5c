"""Planned work as a calendar that people subscribe to. Times are UTC, so that every program reads them alike."""

from datetime import UTC, timedelta
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import override
from icalendar import Calendar, Event

from releases.public import feeds
from releases.public.reader import Reader
from releases.public.snapshot import Notice, Snapshot

REFRESH: Final = timedelta(hours=1)
USUAL: Final = timedelta(minutes=30)  # of work whose end nobody said


def calendar(snapshot: Snapshot, reader: Reader) -> str:
    """Every announced work that has a time, also that of the past days."""
    with override(reader.language):
        found = Calendar()
        found.add("prodid", "-//Cloud Wiki//Announcements//EN")
        found.add("version", "2.0")
        found.add("method", "PUBLISH")
        found.add("x-wr-calname", _("%s: maintenance") % snapshot.name)
        found.add("refresh-interval", REFRESH, parameters={"value": "DURATION"})
        found.add("x-published-ttl", "PT1H")
        for one in sorted(snapshot.notices, key=lambda notice: notice.number):
            if one.starts_at is not None and not one.is_incident:
                found.add_component(_event(one, snapshot, reader))
        return str(found.to_ical(), "utf-8")


def _event(one: Notice, snapshot: Snapshot, reader: Reader) -> Event:
    """The plan until it is over, then the time that it took."""
    starts = one.began_at or one.starts_at
    assert starts is not None  # noqa: S101 - `calendar` leaves out what has no time
    planned = one.ends_at - one.starts_at if one.ends_at and one.starts_at else USUAL
    ends = one.ended_at or (starts + planned)
    event = Event()
    event.add("uid", f"{one.uid}@cloud-wiki")
    event.add("dtstamp", one.changed_at.astimezone(UTC))
    event.add("created", one.created_at.astimezone(UTC))
    event.add("last-modified", one.changed_at.astimezone(UTC))
    event.add("sequence", _changes(one))
    event.add("dtstart", starts.astimezone(UTC).replace(microsecond=0))
    event.add("dtend", max(ends, starts).astimezone(UTC).replace(microsecond=0))
    event.add("status", "CANCELLED" if one.state == "cancelled" else "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    event.add("summary", f"{snapshot.name}: {one.title.of(reader.language)}")
    if one.body.of(reader.language):
        event.add("description", one.body.of(reader.language))
    event.add("url", feeds.link_of(one, snapshot, reader))
    if one.services:
        event.add("categories", one.services)
    return event


def _changes(one: Notice) -> int:
    """A number that rises with each change: times move without a new wording, wordings follow within a second."""
    seconds = int((one.changed_at - one.created_at).total_seconds())
    return max(0, seconds) + max(0, len(one.updates) - 1)
