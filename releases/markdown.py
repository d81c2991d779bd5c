"""Markdown that people wrote, as HTML that may stand in a page or a mail.

CommonMark with tables and strikethrough. Raw HTML is shown as text, not passed on; what is left goes through a list
of allowed elements. Images are left out, since one from elsewhere tells its owner who reads the page.
"""

from functools import lru_cache
from typing import Final

import nh3
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt

_TAGS: Final = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES: Final = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES: Final = {"http", "https", "mailto"}


def render(text: str) -> SafeString:
    """The text as clean HTML."""
    html = nh3.clean(
        _parser().render(text),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="nofollow noopener",
    )
    return SafeString(html)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
