"""Moments in the zone of an environment, always absolute, with the relative time beside it."""

from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from django import template
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

register = template.Library()

NOTHING = "–"


class Zoned(Protocol):
    """Anything with a time zone name, such as an Environment."""

    zone: str


def _local(moment: datetime, where: Zoned | str | None) -> datetime:
    name = where if isinstance(where, str) else getattr(where, "zone", "")
    return moment.astimezone(ZoneInfo(name) if name else timezone.get_current_timezone())


def _day(local: datetime) -> str:
    date = local.strftime("%m-%d" if local.year == timezone.now().astimezone(local.tzinfo).year else "%Y-%m-%d")
    weekday = format_date(local, "D")
    return f"{date}({weekday})" if (get_language() or "").startswith("ko") else f"{weekday} {date}"


def relative(moment: datetime) -> str:
    """How long ago or how long until `moment`, in the largest whole unit."""
    seconds = int((moment - timezone.now()).total_seconds())
    ahead, seconds = seconds > 0, abs(seconds)
    if seconds < 5:
        return _("just now")
    units = ((86400, _("%d d")), (3600, _("%d h")), (60, _("%d min")), (1, _("%d s")))
    span = next(text % (seconds // length) for length, text in units if seconds >= length)
    return (_("in %s") if ahead else _("%s ago")) % span


def _tag(moment: datetime, local: datetime, text: str) -> SafeString:
    full = f"{_day(local)} {local:%H:%M:%S %Z}"
    return format_html(
        '<time class="num" datetime="{}" title="{} · {}">{}</time>',
        local.isoformat(timespec="seconds"),
        full,
        relative(moment),
        text,
    )


@register.filter
def when(moment: datetime | None, where: Zoned | str | None = None) -> str:
    """The moment in full with the relative time: 11-25(수) 02:00:03 KST · 3분 전."""
    if not moment:
        return NOTHING
    local = _local(moment, where)
    return _tag(moment, local, f"{_day(local)} {local:%H:%M:%S %Z} · {relative(moment)}")


@register.filter
def at(moment: datetime | None, where: Zoned | str | None = None) -> str:
    """Day and minute, 11-25(수) 02:00; the rest is in the title."""
    if not moment:
        return NOTHING
    local = _local(moment, where)
    return _tag(moment, local, f"{_day(local)} {local:%H:%M}")


@register.filter
def minute(moment: datetime | None, where: Zoned | str | None = None) -> str:
    """The time to the minute, 02:13, for the end of a span whose day was said; the day is in the title."""
    if not moment:
        return NOTHING
    local = _local(moment, where)
    return _tag(moment, local, f"{local:%H:%M}")


@register.filter
def time_of_day(moment: datetime | None, where: Zoned | str | None = None) -> str:
    """The time to the second, 02:13:53; the day is in the title."""
    if not moment:
        return NOTHING
    local = _local(moment, where)
    return _tag(moment, local, f"{local:%H:%M:%S}")


@register.filter
def epoch(moment: datetime) -> int:
    """Milliseconds since 1970, for a clock that goes on in the browser."""
    return round(moment.timestamp() * 1000)


@register.filter
def ago(moment: datetime | None, where: Zoned | str | None = None) -> str:
    """The relative time, 3분 전; the moment itself is in the title."""
    if not moment:
        return NOTHING
    return _tag(moment, _local(moment, where), relative(moment))
