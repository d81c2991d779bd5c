"""A snapshot as pages. No request, no session, no database: the same bytes for everybody with the same language."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import override

from releases.public import address, snippets, words
from releases.public.reader import Reader
from releases.public.snapshot import Day, Episode, Notice, Service, Snapshot

BANNER_AHEAD: Final = timedelta(hours=24)  # how early the banner tells of planned work
STAGES: Final = ("scheduled", "in_progress", "verifying", "done")


def page(snapshot: Snapshot, reader: Reader, is_late: bool = False) -> str:
    """The public page of a project."""
    with override(reader.language):
        context = _common(snapshot, reader, is_late, "project_announcements", snapshot.slug) | {
            "answer": words.answer(snapshot),
            "current": [notice(one, snapshot, reader) for one in snapshot.current],
            "services": [_service(one) for one in snapshot.services],
            "past": _past(snapshot, reader),
        }
        return render_to_string("public/page.html", context)


def permalink(snapshot: Snapshot, one: Notice, reader: Reader, is_late: bool = False) -> str:
    """The page of one announcement."""
    with override(reader.language):
        context = _common(snapshot, reader, is_late, "public_announcement", snapshot.slug, one.number)
        return render_to_string("public/announcement.html", context | {"notice": notice(one, snapshot, reader)})


def embed(snapshot: Snapshot, reader: Reader, is_late: bool = False) -> str:
    """What to copy into other pages."""
    with override(reader.language):
        context = _common(snapshot, reader, is_late, "public_embed", snapshot.slug)
        title = _("%s: service status") % snapshot.name
        return render_to_string(
            "public/embed.html", context | {"title": title, "copy": snippets.of(snapshot, reader, title)}
        )


def banner(snapshot: Snapshot, reader: Reader, is_late: bool = False) -> str:
    """One line for a frame in another page; nothing to see where there is nothing to say."""
    with override(reader.language):
        context = _common(snapshot, reader, is_late, "public_banner", snapshot.slug)
        return render_to_string(
            "public/banner.html", context | {"base": reader.base, "banner": _banner(snapshot, reader)}
        )


def missing(slug: str, reader: Reader) -> str:
    """The page while the database does not answer and there is no state from before."""
    with override(reader.language):
        return render_to_string("public/missing.html", {"slug": slug, "reader": reader})


def index(projects: Iterable[tuple[str, str]], reader: Reader) -> str:
    """The list of projects with a public page: short name and name."""
    with override(reader.language):
        context = {"projects": list(projects), "reader": reader, "here": address.of("announcements")}
        return render_to_string("public/index.html", context)


def _common(snapshot: Snapshot, reader: Reader, is_late: bool, name: str, *arguments: object) -> dict[str, Any]:
    checked, zone = snapshot.checked_at, snapshot.zone
    today = datetime.now(ZoneInfo(zone)).date() == checked.astimezone(ZoneInfo(zone)).date()
    return {
        "state": snapshot,
        "reader": reader,
        "here": address.of(name, *arguments),
        "is_late": is_late,
        # Nobody knows on which day a file is read.
        "as_of": words.minute(checked, zone) if today and not reader.is_kept else words.moment(checked, zone),
        "zone": words.zone_name(checked, zone),
    }


def notice(one: Notice, snapshot: Snapshot, reader: Reader) -> dict[str, Any]:
    """An announcement for the templates."""
    language = reader.language
    return {
        "number": one.number,
        "kind": words.kind_word(one),
        "word": words.state_word(one),
        "shape": words.notice_shape(one),
        "title": one.title.of(language),
        "body": one.body.of(language),
        "is_scheduled": one.state == "scheduled",
        "stages": _stages(one),
        "facts": _facts(one),
        "starts_at": one.starts_at if one.state == "scheduled" else None,
        "posted": words.moment(one.created_at, one.zone),
        "updates": _updates(one, language),
        "link": address.of("public_announcement", snapshot.slug, one.number) + reader.query,
    }


def _stages(one: Notice) -> list[dict[str, Any]]:
    if one.state == "cancelled":
        return []
    stages = STAGES[1:] if one.is_incident else STAGES
    state = "in_progress" if one.is_incident and one.state == "scheduled" else one.state
    reached = stages.index(state)
    return [
        {"word": words.state_word(one, stage), "is_current": n == reached, "is_past": n < reached}
        for n, stage in enumerate(stages)
    ]


def _facts(one: Notice) -> list[dict[str, str]]:
    """What was planned, what was marked and what was measured stay three figures."""
    lines = []
    if one.starts_at and not one.is_incident:
        zone = words.zone_name(one.starts_at, one.zone)
        lines.append({"name": _("Planned"), "text": words.span(one.starts_at, one.ends_at, one.zone), "note": zone})
    began = one.began_at or (one.starts_at if one.is_incident else None)
    if began:
        taken = words.length((one.ended_at - began).total_seconds()) if one.ended_at else _("not over yet")
        lines.append({"name": _("As it was"), "text": words.span(began, one.ended_at, one.zone), "note": taken})
    if one.no_answer is not None:
        lines.append({"name": _("Without an answer, measured"), "text": words.length(one.no_answer), "note": ""})
    if one.services:
        lines.append({"name": _("Services concerned"), "text": ", ".join(one.services), "note": ""})
    return lines


def _updates(one: Notice, language: str) -> list[dict[str, Any]]:
    """The timeline, the newest first; of an announcement that never changed there is none."""
    if len(one.updates) < 2 and not one.is_incident:
        return []
    title = one.title.of(language)
    return [
        {
            "word": words.state_word(one, update.state),
            "shape": words.notice_shape(one, update.state) if place == 0 else words.past_shape(one, update.state),
            "title": "" if update.title.of(language) == title else update.title.of(language),
            "body": update.body.of(language),
            "iso": update.at.isoformat(timespec="seconds"),
            "when": words.moment(update.at, one.zone),
        }
        for place, update in enumerate(one.updates)
    ]


def _service(one: Service) -> dict[str, Any]:
    return {
        "name": words.full_name(one),
        "state": words.SERVICE_SHAPES[one.state],
        "word": words.service_word(one.state),
        "share": words.percent(one.uptime),
        "was_measured": any(day.state != "none" for day in one.days),
        "days": [day.state for day in one.days],
        "said": [f"{_date(day.date)}: {words.day_text(day)}" for day in one.days],
        "spoken": words.spoken(one, one.days),
        "rows": _rows(one.days),
    }


def _rows(days: Iterable[Day]) -> list[dict[str, str]]:
    """The table behind the bars, the newest first: days alike in a row are one line."""
    found: list[dict[str, str]] = []
    for text, group in groupby(reversed(list(days)), key=words.day_text):
        alike = [day.date for day in group]
        first, last = _date(alike[-1]), _date(alike[0])
        found.append({"days": first if len(alike) == 1 else f"{first} – {last}", "text": text})
    return found


def _date(day: date) -> str:
    return words.day(datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo("UTC")), "UTC")


def _past(snapshot: Snapshot, reader: Reader) -> list[dict[str, Any]]:
    """What was before, by day."""
    entries: list[tuple[datetime, str, dict[str, Any]]] = []
    for one in snapshot.past:
        entries.append((one.placed_at, one.zone, notice(one, snapshot, reader) | {"brief": _brief(one)}))
    for episode in snapshot.episodes:
        entries.append((episode.began_at, episode.zone, _episode(episode)))
    entries.sort(key=lambda entry: entry[0], reverse=True)
    return [
        {"day": day, "entries": [entry for _at, _zone, entry in group]}
        for day, group in groupby(entries, key=lambda entry: words.day(entry[0], entry[1]))
    ]


def _brief(one: Notice) -> str:
    """How long it took, on the day under whose heading it stands; its own page tells what was planned."""
    parts = []
    if one.began_at and one.ended_at:
        parts.append(_took(one.began_at, one.ended_at, one.zone))
    elif one.state == "done" and one.starts_at and one.ends_at:
        parts.append(words.hours(one.starts_at, one.ends_at, one.zone))
    if one.services:
        parts.append(", ".join(one.services))
    return " · ".join(parts)


def _took(began: datetime, ended: datetime, zone: str) -> str:
    return f"{words.hours(began, ended, zone)} ({words.length((ended - began).total_seconds())})"


def _episode(episode: Episode) -> dict[str, Any]:
    over, began = episode.ended_at, episode.began_at
    open_end = _("not over yet")
    since = f"{words.minute(began, episode.zone)} – ({open_end})"
    return {
        "title": _("No answer: %s") % ", ".join(episode.services),
        "shape": "failed",
        "word": _("Outage") if over else _("no answer"),
        "brief": _took(began, over, episode.zone) if over else since,
    }


def _banner(snapshot: Snapshot, reader: Reader) -> dict[str, str] | None:
    """An outage or an incident, work that is under way, or work of the next day; the weightiest alone."""
    answer = words.answer(snapshot)
    soon = snapshot.checked_at + BANNER_AHEAD
    for one in snapshot.current:
        is_due = one.state != "scheduled" or (one.starts_at is not None and one.starts_at <= soon)
        if is_due and (one.is_incident or answer.code not in {"down", "incident"}):
            text = one.title.of(reader.language)
            when = words.span(one.starts_at, one.ends_at, one.zone) if one.starts_at and not one.is_incident else ""
            return {"shape": words.notice_shape(one), "word": words.state_word(one), "text": text, "when": when}
    if answer.code in {"down", "incident", "maintenance"}:
        return {"shape": answer.shape, "word": answer.short, "text": answer.text, "when": ""}
    return None
