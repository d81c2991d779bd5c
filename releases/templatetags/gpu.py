"""How the state of a GPU endpoint is shown: shape, then word, then colour."""

from decimal import Decimal
from typing import Final

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from releases.actions import gpu_words
from releases.gpu.nouns import Phase
from releases.models import EndpointState
from releases.templatetags.icons import SHAPES

register = template.Library()

_CIRCLE = '<circle cx="10" cy="10" r="7.2" fill="none" stroke="currentColor" stroke-width="1.7"/>'
_LINE = 'fill="none" stroke="currentColor" stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round"'
# Of each state: the class that gives its ink (static/css), and its shape in a box of 20 by 20.
LOOKS: Final[dict[str, tuple[str, str]]] = {
    EndpointState.CREATING: ("running", SHAPES["dispatching"]),
    EndpointState.TESTING: ("running", SHAPES["running"]),
    EndpointState.STANDBY: ("pending", f'{_CIRCLE}<path d="M8 7v6M12 7v6" {_LINE}/>'),
    EndpointState.ACTIVE: (
        "succeeded",
        '<circle cx="10" cy="10" r="8" fill="currentColor"/>'
        '<path d="M10.9 4.8 6.6 11h3l-.8 4.2 4.6-6.4h-3.1z" fill="var(--surface)"/>',
    ),
    EndpointState.RETAINED: ("pending", f'{_CIRCLE}<path d="M6.8 10a3.2 3.2 0 1 0 1-2.3M7 6.2v1.9h1.9" {_LINE}/>'),
    EndpointState.RETIRING: ("waiting", f'{_CIRCLE}<path d="M6.5 10h7" {_LINE}/>'),
    EndpointState.RETIRED: ("cancelled", SHAPES["cancelled"]),
    EndpointState.FAILED: ("failed", SHAPES["failed"]),
}


@register.simple_tag
def gpu_state(code: str, css: str = "s") -> SafeString:
    """Shape and word of a state in its ink; `css` "badge" puts it on its own tint."""
    ink, shape = LOOKS[code]
    return format_html(
        '<span class="{} s-{}"><svg class="g s-{}" viewBox="0 0 20 20" aria-hidden="true">{}</svg>{}</span>',
        css,
        ink,
        ink,
        mark_safe(shape),  # noqa: S308 - a constant of this file
        EndpointState(code).label,
    )


@register.filter
def phase_word(code: str) -> str:
    """What an endpoint is up to, in a word or two; "" for one that was not looked at."""
    return gpu_words.phase(Phase(code)) if code in {phase.value for phase in Phase} else ""


@register.filter
def usd(amount: Decimal | None) -> str:
    """USD with cents; below a cent with four digits, so that little is not nothing. "–" where it is not known."""
    if amount is None:
        return "–"
    return f"{amount:,.4f}" if 0 < amount < Decimal("0.01") else f"{amount:,.2f}"
