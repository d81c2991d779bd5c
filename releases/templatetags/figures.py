"""Numbers as people read them: durations, sizes, digests, bars."""

from datetime import timedelta
from typing import Literal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

register = template.Library()

NOTHING = "–"

# A template hands over "" for a value that is not there.
type Seconds = float | timedelta | Literal[""] | None


@register.filter
def clock(seconds: Seconds) -> str:
    """Seconds (or a timedelta) as 8:00, and 1:02:03 from an hour on; nothing known is a dash."""
    if seconds is None or seconds == "":
        return NOTHING
    total = int(seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds))
    sign, total = ("-", -total) if total < 0 else ("", total)
    hours, minutes = divmod(total // 60, 60)
    if hours:
        return f"{sign}{hours}:{minutes:02}:{total % 60:02}"
    return f"{sign}{minutes}:{total % 60:02}"


@register.filter
def span(seconds: Seconds) -> str:
    """A duration of any length: as a clock up to an hour, then in hours, from two days on in days."""
    if seconds is None or seconds == "":
        return NOTHING
    total = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
    if total < 3600:
        return clock(total)
    return _("%s h") % f"{total / 3600:.1f}" if total < 2 * 86400 else _("%s d") % f"{total / 86400:.1f}"


@register.filter
def percent(fraction: float | Literal[""] | None) -> str:
    """A fraction as 12.5 %; nothing known is a dash."""
    return NOTHING if fraction is None or fraction == "" else f"{100 * fraction:.1f} %"


@register.filter
def long_clock(seconds: Seconds) -> str:
    """Seconds as 03:18, the form of the downtime clock, and 00:47:13 from an hour on."""
    text = clock(seconds)
    return text if text == NOTHING or text.startswith("-") else text.rjust(5, "0")


@register.filter(name="bytes")
def size(count: int | Literal[""] | None) -> str:
    """A count of bytes as 84.2 MB (powers of 1000, as disks and registries count)."""
    if count is None or count == "":
        return NOTHING
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


@register.filter
def short_digest(digest: str | None, length: int = 8) -> str:
    """The first characters of a digest or commit; "sha256:7c1e..." keeps its name: sha256:7c1e41d2…9b04."""
    if not digest:
        return NOTHING
    name, _, rest = digest.rpartition(":")
    if not name:
        return rest[:length]
    return f"{name}:{rest[:length]}…{rest[-4:]}" if len(rest) > length + 4 else digest


@register.filter
def milliseconds(seconds: Seconds) -> int:
    """Whole milliseconds, for a clock that goes on in the browser."""
    if seconds is None or seconds == "":
        return 0
    return round((seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)) * 1000)


@register.filter
def share(part: float | None, whole: float | None) -> float:
    """`part` of `whole` in percent, between 0 and 100."""
    if not part or not whole:
        return 0.0
    return round(min(100.0, max(0.0, 100.0 * float(part) / float(whole))), 1)


@register.simple_tag
def bar(part: float | None, whole: float | None, code: str = "", tick: float | None = None) -> SafeString:
    """A bar of `part` in `whole`; past `tick` (same unit) it turns amber, and the tick is drawn.

    Widths are SVG attributes, so that no style attribute is needed.
    """
    seconds, limit = float(part or 0), float(tick) if tick else 0.0
    calm = share(min(seconds, limit) if limit else seconds, whole)
    over = round(share(seconds, whole) - calm, 1) if limit and seconds > limit else 0.0
    more = format_html('<rect class="over" x="{}" width="{}" height="6"/>', calm, over) if over else ""
    line = format_html('<rect class="tick" x="{}" y="-1" width="1" height="8"/>', share(limit, whole)) if limit else ""
    return format_html(
        '<svg class="bar{}" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="6"/><rect class="fill" width="{}" height="6"/>{}{}</svg>',
        f" s-{code}" if code else "",
        calm,
        more,
        line,
    )


@register.simple_tag
def step_bar(elapsed: float | None, estimate: float | None, code: str) -> SafeString:
    """The bar of a step: the estimate stands at 62 %, the rest is room to run over."""
    whole = max(float(estimate or 0) / 0.62, float(elapsed or 0)) or 1.0
    return bar(elapsed, whole, code, estimate)


@register.filter
def tenth(seconds: Seconds) -> int:
    """The tenth of a second that the downtime clock shows after its point."""
    return milliseconds(seconds) // 100 % 10
