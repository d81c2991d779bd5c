"""Lines to copy into other pages."""

from django.utils.html import escape

from releases.public import address
from releases.public.reader import Reader
from releases.public.snapshot import Snapshot

BANNER_HEIGHT = 56  # px, for one line; two on a phone
FETCH = """const answer = await fetch("{status}");
const {{ status, text, services, current }} = await answer.json();
if (status !== "up") showNotice(text.{language});"""


def of(snapshot: Snapshot, reader: Reader, title: str) -> dict[str, str]:
    """The snippets by what they show: badge (HTML and Markdown), banner, state. `title` is read aloud."""
    page, badge, banner, status = (
        reader.base + address.of(name, snapshot.slug)
        for name in ("project_announcements", "public_badge", "public_banner", "public_status")
    )
    lang, said = f"?lang={reader.language}", escape(title)
    alt = title.replace("[", "(").replace("]", ")")
    return {
        "badge": f'<a href="{page}"><img src="{badge}{lang}" alt="{said}" height="20"></a>',
        "badge_markdown": f"[![{alt}]({badge}{lang})]({page})",
        "banner": f'<iframe src="{banner}{lang}" title="{said}" width="100%" height="{BANNER_HEIGHT}" loading="lazy"'
        ' style="border:0"></iframe>',
        "state": FETCH.format(status=status, language=reader.language),
    }
