"""The badge: two fields, the name and the word of the state, as an SVG that needs no fonts of ours."""

import unicodedata

from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import override

from releases.public import words
from releases.public.reader import Reader
from releases.public.snapshot import Snapshot

# White text on each has a contrast of at least 4.5.
FILLS = {"up": "#0b6e4f", "maintenance": "#1259a7", "down": "#a61b1b", "incident": "#a61b1b", "unmeasured": "#555b66"}
PADDING = 8  # units on each side of a text


def badge(snapshot: Snapshot, reader: Reader, is_late: bool = False) -> str:
    """The badge; while the database is away it says of when its word is."""
    with override(reader.language):
        answer = words.answer(snapshot)
        word = answer.short
        if is_late:
            time = words.moment if reader.is_kept else words.minute
            word = _("%(word)s, as of %(time)s") % {"word": word, "time": time(snapshot.checked_at, snapshot.zone)}
        left, right = width(snapshot.name), width(word)
        context = {
            "name": snapshot.name,
            "word": word,
            "fill": FILLS["unmeasured"] if is_late else FILLS[answer.code],
            "left": left,
            "right": right,
            "split": left + 2 * PADDING,
            "second": left + 3 * PADDING,
            "whole": left + right + 4 * PADDING,
            "padding": PADDING,
        }
        return render_to_string("public/badge.svg", context)


def width(text: str) -> int:
    """About how wide 11 px of a sans-serif font is; the drawing fits the text to it."""
    wide = sum(1 for letter in text if unicodedata.east_asian_width(letter) in {"W", "F"})
    return 11 * wide + round(6.4 * (len(text) - wide))
