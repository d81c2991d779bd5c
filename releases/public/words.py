"""What the public page says of a state, in the reader's language. A shape stands beside each word."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.dateformat import format as format_date
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from releases.public.snapshot import Day, Notice, Service, Snapshot

# Shapes of releases/templatetags/icons.py.
SERVICE_SHAPES = {"up": "succeeded", "maintenance": "running", "down": "failed", "unmeasured": "pending"}
NOTICE_SHAPES = {"scheduled": "pending", "in_progress": "running", "verifying": "running", "done": "succeeded"}


@dataclass(frozen=True)
class Answer:
    """The one sentence on top: is it up? `code` is that of the worst service, or of an open incident."""

    code: str
    shape: str
    text: str
    short: str


def service_word(state: str) -> str:
    """The word of a service's state."""
    words: dict[str, Callable[[], str]] = {
        "up": lambda: _("working"),
        "maintenance": lambda: _("under maintenance"),
        "down": lambda: _("no answer"),
    }
    return words.get(state, lambda: _("not measured"))()


def state_word(notice: Notice, state: str = "") -> str:
    """The word of an announcement's state, or of one that it had; an incident has words of its own."""
    words: dict[str, Callable[[], str]] = {
        "scheduled": lambda: _("Scheduled"),
        "in_progress": lambda: _("In progress"),
        "verifying": lambda: _("Verifying"),
        "done": lambda: _("Done"),
        "cancelled": lambda: _("Cancelled"),
    }
    if notice.is_incident:
        words |= {"in_progress": lambda: _("Being handled"), "done": lambda: _("Resolved")}
    return words[state or notice.state]()


def kind_word(notice: Notice) -> str:
    """What it is about, in a reader's words."""
    words: dict[str, Callable[[], str]] = {
        "incident": lambda: _("Incident"),
        "rollback": lambda: _("Rollback"),
    }
    return words.get(notice.kind, lambda: _("Maintenance work"))()


def notice_shape(notice: Notice, state: str = "") -> str:
    """The shape of an announcement's state: an open incident is a failure, a rollback a warning."""
    state = state or notice.state
    if notice.is_incident and state in {"scheduled", "in_progress"}:
        return "failed"
    if notice.kind == "rollback" and state == "done":
        return "warning"
    return NOTICE_SHAPES.get(state, "cancelled")


def past_shape(notice: Notice, state: str) -> str:
    """The shape of a state that it left: nothing turns that is over."""
    shape = notice_shape(notice, state)
    return "pending" if shape == "running" else shape


def answer(snapshot: Snapshot) -> Answer:
    """The sentence on top of the page."""
    down = [service for service in snapshot.services if service.state == "down"]
    away = [service for service in snapshot.services if service.state == "maintenance"]
    if down:
        if len(down) == len(snapshot.services):
            return Answer("down", "failed", _("No service answers"), _("no answer"))
        return Answer("down", "failed", _("No answer: %s") % names(down), _("no answer"))
    if any(notice.is_incident and notice.state in {"scheduled", "in_progress"} for notice in snapshot.current):
        return Answer("incident", "failed", _("An incident is being handled"), _("incident"))
    if away:
        return Answer("maintenance", "running", _("Under maintenance: %s") % names(away), _("under maintenance"))
    if not any(service.state == "up" for service in snapshot.services):
        return Answer("unmeasured", "pending", _("Nothing is measured at the moment"), _("not measured"))
    if any(service.state == "unmeasured" for service in snapshot.services):
        return Answer("up", "succeeded", _("Every measured service works"), _("working"))
    return Answer("up", "succeeded", _("All services work"), _("working"))


def full_name(service: Service) -> str:
    """A service's name, with its environment where there are several."""
    return f"{service.name} ({service.environment})" if service.environment else service.name


def names(services: Iterable[Service]) -> str:
    """Names with commas in between."""
    return ", ".join(full_name(service) for service in services)


def is_korean() -> bool:
    """The active language."""
    return (get_language() or "ko").startswith("ko")


def day(moment: datetime, zone: str) -> str:
    """11월 25일(수), or Wed 25 Nov; with the year where it is another one than now in that zone."""
    local = moment.astimezone(ZoneInfo(zone))
    this_year = local.year == datetime.now(ZoneInfo(zone)).year
    if is_korean():
        return format_date(local, "n월 j일(D)" if this_year else "Y년 n월 j일(D)")
    return format_date(local, "D j M" if this_year else "D j M Y")


def minute(moment: datetime, zone: str) -> str:
    """02:05 in the zone."""
    return f"{moment.astimezone(ZoneInfo(zone)):%H:%M}"


def moment(at: datetime, zone: str) -> str:
    """Day and minute."""
    return f"{day(at, zone)} {minute(at, zone)}" if is_korean() else f"{day(at, zone)}, {minute(at, zone)}"


def span(start: datetime, end: datetime | None, zone: str) -> str:
    """From when to when; the day is said once where it is the same, an open end is left open."""
    if end is None:
        return f"{moment(start, zone)} –"
    same = start.astimezone(ZoneInfo(zone)).date() == end.astimezone(ZoneInfo(zone)).date()
    return f"{moment(start, zone)} – {minute(end, zone) if same else moment(end, zone)}"


def hours(start: datetime, end: datetime, zone: str) -> str:
    """From when to when, the day of the beginning being known: 02:07 – 02:14."""
    place = ZoneInfo(zone)
    if start.astimezone(place).date() != end.astimezone(place).date():
        return f"{minute(start, zone)} – {moment(end, zone)}"
    same = minute(start, zone) == minute(end, zone)
    return minute(start, zone) if same else f"{minute(start, zone)} – {minute(end, zone)}"


def zone_name(at: datetime, zone: str) -> str:
    """The zone as people know it and as computers do: KST, Asia/Seoul."""
    short = f"{at.astimezone(ZoneInfo(zone)):%Z}"
    return zone if short.startswith(("+", "-")) or short == zone else f"{short}, {zone}"


def length(seconds: float) -> str:
    """A duration in the two largest units that matter: 7 min 21 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return ngettext("%d second", "%d seconds", whole) % whole
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        text = ngettext("%d minute", "%d minutes", minutes) % minutes
        more = ngettext("%d second", "%d seconds", rest) % rest
        return f"{text} {more}" if rest else text
    hours, minutes = divmod(minutes, 60)
    text = ngettext("%d hour", "%d hours", hours) % hours
    more = ngettext("%d minute", "%d minutes", minutes) % minutes
    return f"{text} {more}" if minutes else text


def percent(share: float | None) -> str:
    """99.93%; a dash where nothing was measured."""
    return "–" if share is None else f"{share:.2f}%"


def day_text(one: Day) -> str:
    """What a day was like, in words."""
    parts = []
    if one.down:
        parts.append(_("no answer for %s") % length(one.down))
    if one.planned:
        parts.append(_("planned maintenance for %s") % length(one.planned))
    if not parts:
        parts.append({"up": _("working"), "down": _("no answer"), "planned": _("under maintenance")}.get(one.state, ""))
    return ", ".join(filter(None, parts)) or _("not measured")


def spoken(service: Service, days: Sequence[Day]) -> str:
    """A service's bars for who hears them."""
    counts = {state: sum(1 for one in days if one.state == state) for state in ("up", "planned", "down", "none")}
    told = [
        ngettext("%d day working", "%d days working", counts["up"]) % counts["up"],
        ngettext("%d day with planned maintenance", "%d days with planned maintenance", counts["planned"])
        % counts["planned"],
        ngettext("%d day with an outage", "%d days with an outage", counts["down"]) % counts["down"],
        ngettext("%d day not measured", "%d days not measured", counts["none"]) % counts["none"],
    ]
    head = _("%(service)s, the last 90 days: %(share)s") % {
        "service": full_name(service), "share": percent(service.uptime),
    }  # fmt: skip
    return f"{head}. {', '.join(told)}"
