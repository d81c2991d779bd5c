"""Everything that a state is made into: its name, its type, and who makes it."""

from collections.abc import Callable
from typing import Final, NamedTuple

from releases.public import badge, feeds, maintenance_calendar, pages, status
from releases.public.reader import Reader
from releases.public.snapshot import Snapshot


class Format(NamedTuple):
    """`file`: what it is called on the shelf, after the language. `in_both`: one file tells both languages."""

    content_type: str
    file: str
    make: Callable[[Snapshot, Reader, bool], str]
    in_both: bool = False


FORMATS: Final[dict[str, Format]] = {
    "page": Format("text/html; charset=utf-8", "html", pages.page),
    "embed": Format("text/html; charset=utf-8", "embed.html", pages.embed),
    "banner": Format("text/html; charset=utf-8", "banner.html", pages.banner),
    "badge": Format("image/svg+xml", "badge.svg", badge.badge),
    "atom": Format(
        "application/atom+xml; charset=utf-8", "atom.xml", lambda state, reader, late: feeds.atom(state, reader)
    ),
    "json_feed": Format(
        "application/feed+json; charset=utf-8", "feed.json", lambda state, reader, late: feeds.json_feed(state, reader)
    ),
    "calendar": Format(
        "text/calendar; charset=utf-8",
        "calendar.ics",
        lambda state, reader, late: maintenance_calendar.calendar(state, reader),
    ),
    "status": Format("application/json; charset=utf-8", "status.json", status.status, in_both=True),
}
