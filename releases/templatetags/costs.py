"""Money, planned ranges and the state of a headroom rule, as people read them."""

from decimal import Decimal
from math import ceil
from typing import Final, Literal

from django import template
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.insights import capacity_parts, headroom
from releases.insights.scenarios import Difference
from releases.templatetags.icons import badge, state

register = template.Library()

NOTHING: Final = "–"
# Of each state: the shape and ink of a status that looks like it, and its own word.
STATES: Final[dict[str, tuple[str, Promise]]] = {
    headroom.OK: ("succeeded", gettext_lazy("OK")),
    headroom.CLOSE: ("warning", gettext_lazy("Near the limit")),
    headroom.OVER: ("failed", gettext_lazy("Over")),
    headroom.UNKNOWN: ("unknown", gettext_lazy("Not known")),
    headroom.NONE: ("off", gettext_lazy("Does not apply")),
}
_BASES: Final[dict[str, Promise]] = {
    capacity_parts.PSS: gettext_lazy("its share (PSS)"),
    capacity_parts.PARTS: gettext_lazy("own memory, and the largest shared part once"),
    capacity_parts.RESIDENT: gettext_lazy("resident (RSS), shared memory counted in each process"),
}


@register.filter
def money(amount: Decimal | None) -> str:
    """With two decimals and thousands apart; what is under a cent keeps up to six. "–" where it is not known."""
    if amount is None:
        return NOTHING
    return f"{amount:,.6f}".rstrip("0") if 0 < abs(amount) < Decimal("0.01") else f"{amount:,.2f}"


@register.filter
def list_price(amount: Decimal | None) -> str:
    """A price of a unit: all its digits, at least two decimals."""
    if amount is None:
        return NOTHING
    whole, _point, rest = f"{amount:,.8f}".partition(".")
    return f"{whole}.{rest.rstrip('0'):0<2}"


@register.filter
def plain(number: Decimal | None) -> str:
    """A quantity without zeros behind it."""
    if number is None:
        return NOTHING
    return f"{number:,.4f}".rstrip("0").rstrip(".")


@register.filter
def more_or_less(difference: Difference | None) -> str:
    """A difference with its sign: +12.00, −3.00, or +20.00 to +30.00."""
    if difference is None:
        return NOTHING
    low, high = (f"{amount:+,.2f}".replace("-", "−") for amount in (difference.low, difference.high))
    return _("%(low)s to %(high)s") % {"low": low, "high": high} if difference.is_range else low


@register.simple_tag
def span(low: object, high: object, unit: str = "") -> str:
    """A planned range: 100–200 MB, 5 %, or a dash where nothing was planned."""
    if low is None or low == "":
        return NOTHING
    text = f"{low:,}" if high is None or high == "" or high == low else f"{low:,}–{high:,}"
    return f"{text} {unit}".rstrip()


@register.filter
def percent(value: float | Literal[""] | None) -> str:
    """One decimal under ten, none above; "–" where it is not known."""
    if value is None or value == "":
        return NOTHING
    return f"{value:.1f} %" if value < 10 else f"{value:.0f} %"


@register.filter
def figure(rule: headroom.Rule) -> str:
    """The number of a rule about headroom in its own unit, milliseconds rounded up; "–" where it is not known."""
    if rule.value is None or rule.unit == headroom.PERCENT:
        return percent(rule.value)
    return f"{ceil(rule.value):,} {rule.unit}"


@register.filter
def gigabytes(count: float | Literal[""] | None) -> str:
    """Bytes as MB under one GB (10^9), as GB with one decimal above."""
    if count is None or count == "":
        return NOTHING
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


@register.simple_tag
def headroom_state(code: str) -> SafeString:
    """Shape and word of a rule's state."""
    look, word = STATES[code]
    return state(look, str(word))


@register.simple_tag
def headroom_badge(code: str) -> SafeString:
    """The same on its own tint."""
    look, word = STATES[code]
    return badge(look, str(word))


@register.filter
def basis_word(basis: str) -> str:
    """How a component's memory was reckoned."""
    return str(_BASES.get(basis, basis))
