"""Icons and the look of a status: shape, then word, then colour."""

from dataclasses import dataclass

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

register = template.Library()

_OCTAGON = "M6.7 2h6.6L18 6.7v6.6L13.3 18H6.7L2 13.3V6.7z"
_DIAMOND = (
    '<path d="M10 1.4 18.6 10 10 18.6 1.4 10z" fill="none" stroke="currentColor" stroke-width="1.8"'
    ' stroke-dasharray="3.2 1.9"/>'
)
_RING = (
    '<circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-opacity=".3" stroke-width="2.5"/>'
    '<path class="spin" d="M10 3a7 7 0 0 1 7 7" fill="none" stroke="currentColor" stroke-width="2.5"'
    ' stroke-linecap="round"/>'
)
_DOTTED = (
    '<circle cx="10" cy="10" r="7.2" fill="none" stroke="currentColor" stroke-width="1.6"'
    ' stroke-dasharray="1.6 2.92" stroke-linecap="round"/>'
)
_CIRCLE = '<circle cx="10" cy="10" r="7.5" fill="none" stroke="currentColor" stroke-width="1.6"/>'

# Drawn in a box of 20 by 20. `currentColor` is the ink of the state, --surface the colour behind it.
SHAPES = {
    "pending": _DOTTED,
    "running": f'{_RING}<circle cx="10" cy="10" r="2.6" fill="currentColor"/>',
    "dispatching": f'{_RING}<path d="m8.6 7 3 3-3 3" fill="none" stroke="currentColor" stroke-width="1.8"/>',
    "cancelling": f'{_RING}<path d="M7.4 12.6l5.2-5.2" stroke="currentColor" stroke-width="2"/>',
    "waiting": (
        '<rect x="2" y="2" width="16" height="16" rx="4" fill="currentColor"/>'
        '<circle cx="10" cy="7.6" r="2.5" fill="var(--surface)"/>'
        '<path d="M5.4 15.2c.5-2.6 2.3-3.9 4.6-3.9s4.1 1.3 4.6 3.9z" fill="var(--surface)"/>'
    ),
    "succeeded": (
        '<circle cx="10" cy="10" r="8" fill="currentColor"/><path d="m6.4 10.3 2.5 2.5 4.8-5.2" fill="none"'
        ' stroke="var(--surface)" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/>'
    ),
    "failed": (
        f'<path d="{_OCTAGON}" fill="currentColor"/><path d="m7.2 7.2 5.6 5.6m0-5.6-5.6 5.6"'
        ' stroke="var(--surface)" stroke-width="2" stroke-linecap="round"/>'
    ),
    "errored": (
        '<path d="M10 2 18.8 17.5H1.2z" fill="currentColor"/>'
        '<path d="M10 8v4.2" stroke="var(--surface)" stroke-width="2" stroke-linecap="round"/>'
        '<circle cx="10" cy="15" r="1.1" fill="var(--surface)"/>'
    ),
    "timed_out": (
        f'<path d="{_OCTAGON}" fill="none" stroke="currentColor" stroke-width="1.7"/>'
        '<path d="M10 6v4.3l2.7 1.7" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"/>'
    ),
    "unknown": (
        f'{_DIAMOND}<path d="M8 8.2a2 2 0 1 1 2.9 1.8c-.6.3-.9.7-.9 1.3" fill="none" stroke="currentColor"'
        ' stroke-width="1.8" stroke-linecap="round"/><circle cx="10" cy="13.7" r="1.15" fill="currentColor"/>'
    ),
    "lost": f'{_DIAMOND}<path d="M6.5 10h2m3 0h2" stroke="currentColor" stroke-width="2" stroke-linecap="round"/>',
    "skipped": (
        f'{_CIRCLE}<path d="m6.5 7 3 3-3 3m4-6 3 3-3 3" fill="none" stroke="currentColor" stroke-width="1.5"'
        ' stroke-linecap="round" stroke-linejoin="round"/>'
    ),
    "cancelled": f'{_CIRCLE}<path d="M5 15 15 5" stroke="currentColor" stroke-width="1.7"/>',
    # Not states of a run: a branch that was not taken, and a warning.
    "off": (
        '<circle cx="10" cy="10" r="6" fill="none" stroke="currentColor" stroke-width="1.5" stroke-dasharray="3 3"/>'
    ),
    "warning": (
        '<path d="M10 2.6 18 16.8H2z" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linejoin="round"/>'
        '<path d="M10 8v3.8" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"/>'
        '<circle cx="10" cy="14.2" r="1" fill="currentColor"/>'
    ),
}
SHAPES["draft"] = SHAPES["pending"]

WORDS = {
    "draft": _("Draft"),
    "pending": _("Pending"),
    "dispatching": _("Dispatching"),
    "running": _("Running"),
    "waiting": _("Needs a person"),
    "lost": _("Lost"),
    "cancelling": _("Cancelling"),
    "succeeded": _("Succeeded"),
    "failed": _("Failed"),
    "errored": _("Errored"),
    "timed_out": _("Timed out"),
    "cancelled": _("Cancelled"),
    "unknown": _("Unknown"),
    "skipped": _("Skipped"),
    "off": "",
    "warning": _("Warning"),
}


@dataclass(frozen=True)
class Look:
    """How a status is shown."""

    code: str
    word: str
    shape: str


def look(code: str) -> Look:
    """Return the look of a status; one that we have no shape for is shown as unknown."""
    known = code if code in SHAPES else "unknown"
    return Look(known, str(WORDS[known]), SHAPES[known])


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """Draw the Lucide icon `name` from the sprite; it is decoration, so hidden from a screen reader."""
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        f"i {css}".strip(),
        static("icons.svg"),
        name,
    )


@register.simple_tag
def shape(code: str, x: int | None = None, y: int | None = None, size: int = 18) -> SafeString:
    """Draw the shape of a status alone; with `x` and `y`, placed inside another SVG at `size` units."""
    place = "" if x is None else format_html(' x="{}" y="{}" width="{}" height="{}"', x, y, size, size)
    seen = look(code)
    return format_html(
        '<svg class="g s-{}" viewBox="0 0 20 20" aria-hidden="true"{}>{}</svg>',
        seen.code,
        place,
        mark_safe(seen.shape),  # noqa: S308 - a constant of this file
    )


@register.simple_tag
def state(code: str, word: str = "") -> SafeString:
    """Shape and word of a status in its ink; `word` replaces the usual one."""
    seen = look(code)
    return format_html('<span class="s s-{}">{}{}</span>', seen.code, shape(code), word or seen.word)


@register.simple_tag
def badge(code: str, word: str = "", count: str = "") -> SafeString:
    """A status as a badge on its own tint, with a count such as "10 / 14" behind the word."""
    seen = look(code)
    figure = format_html('<span class="num">{}</span>', count) if count else ""
    return format_html('<span class="badge s-{}">{}{}{}</span>', seen.code, shape(code), word or seen.word, figure)


@register.filter
def state_word(code: str) -> str:
    """The word of a status in the reader's language."""
    return look(code).word
