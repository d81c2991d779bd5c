"""From the Markdown of a page to the pieces that a template shows: safe HTML, and live blocks between it.

There is no raw HTML: what a writer types as a tag is shown as text, but for `<br>`. nh3 stands behind the renderer as a
second guard, so that a fault of the first shows nothing it should not.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import nh3
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from releases.wiki import rules
from releases.wiki.addresses import slug_of

TAGS: Final = {
    *(
        "p",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "li",
        "blockquote",
        "pre",
        "code",
        "em",
        "strong",
        "s",
        "br",
        "hr",
    ),
    *("a", "table", "thead", "tbody", "tr", "th", "td", "div", "span"),
}
CLASSES: Final = {
    "div": {"scroll-x"},
    "table": {"tbl"},
    "pre": {"code"},
    "span": {"vh", "task", "done", "picture", "missing"},
    "a": {"link"},
    "th": {"r"},
    "td": {"r"},
    "ol": set(),
}
ATTRIBUTES: Final = {
    "a": {"href", "title"},
    "div": {"tabindex", "role", "aria-label"},
    "span": {"aria-hidden"},
    "ol": {"start"},
    **{f"h{level}": {"id"} for level in range(2, 7)},
}

# Of a reference (a title, or the short name in `page:name`) the address and the title; None where there is no page.
type Find = Callable[[str], tuple[str, str] | None]


@dataclass(frozen=True)
class Heading:
    """An entry of the table of contents."""

    level: int
    anchor: str
    text: str


@dataclass(frozen=True)
class Piece:
    """A part of a page: HTML, or the name of a live block with the revision that holds the table as written (or 0)."""

    html: str = ""  # safe: it went through `clean`
    live: str = ""
    written: int = 0


@dataclass
class Rendered:
    """A page's text, ready to be shown."""

    pieces: list[Piece] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)


def nowhere(_reference: str) -> None:
    """A `Find` that knows no page."""


def render(text: str, find: Find = nowhere) -> Rendered:
    """Render Markdown (CommonMark, tables, task lists, strikethrough, `[[Page]]`, `{{live: name}}`)."""
    env: dict[str, Any] = {"find": find}
    tokens = parser().parse(text, env)
    found = Rendered(headings=_settle_headings(tokens))
    gathered: list[Token] = []
    for token in tokens:
        if token.type != "live":
            gathered.append(token)
            continue
        _flush(found, gathered, env)
        found.pieces.append(Piece(live=token.meta["name"], written=token.meta["written"]))
    _flush(found, gathered, env)
    return found


def live_names(text: str) -> list[str]:
    """The names of the live blocks of a text, in order."""
    return [token.meta["name"] for token in parser().parse(text, {"find": nowhere}) if token.type == "live"]


def parser() -> MarkdownIt:
    """The parser of pages. Made anew: it keeps state while it parses."""
    made = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable(["table", "strikethrough"])
    rules.add(made)
    return made


def _flush(found: Rendered, gathered: list[Token], env: dict[str, Any]) -> None:
    if gathered:
        html = str(_MARKDOWN_RENDERER.render(gathered, parser().options, env))
        found.pieces.append(Piece(html=clean(html)))
        gathered.clear()


def clean(html: str) -> SafeString:
    """The HTML without anything but what this file lists."""
    safe = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        allowed_classes=CLASSES,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )
    return mark_safe(safe)  # noqa: S308 - cleaned a line above


def _settle_headings(tokens: list[Token]) -> list[Heading]:
    """Give each heading an anchor and a level under the page's title, without a gap: 2, then 3, whatever was typed."""
    found: list[Heading] = []
    typed: list[int] = []
    used: set[str] = set()
    for opening, inline, closing in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opening.type != "heading_open":
            continue
        own = int(opening.tag[1:])
        while typed and typed[-1] >= own:
            typed.pop()
        typed.append(own)
        level = min(6, len(typed) + 1)
        text = plain(inline)
        anchor = _unused(slug_of(text) or "part", used)
        opening.tag = closing.tag = f"h{level}"
        opening.attrSet("id", anchor)
        found.append(Heading(level, anchor, text))
    return found


def plain(inline: Token) -> str:
    """The words of a line without its marks."""
    return "".join(
        child.content if child.type in {"text", "code_inline", "page_link"} else " "
        for child in inline.children or []
        if child.type in {"text", "code_inline", "softbreak", "hardbreak", "page_link"}
    ).strip()


def _unused(anchor: str, used: set[str]) -> str:
    made, number = f"h-{anchor}", 1
    while made in used:
        number += 1
        made = f"h-{anchor}-{number}"
    used.add(made)
    return made


class _Renderer(RendererHTML):
    """CommonMark's renderer with our tables, code, links, pictures and boxes."""

    def table_open(self, tokens: Any, idx: int, options: Any, env: Any) -> str:
        return format_html(
            '<div class="scroll-x" tabindex="0" role="group" aria-label="{}"><table class="tbl">', _("Table")
        )

    def table_close(self, tokens: Any, idx: int, options: Any, env: Any) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Any, idx: int, options: Any, env: Any) -> str:
        return f"<th{_right(tokens[idx])}>"

    def td_open(self, tokens: Any, idx: int, options: Any, env: Any) -> str:
        return f"<td{_right(tokens[idx])}>"

    def fence(self, tokens: Any, idx: int, options: Any, env: Any) -> str:
        language = tokens[idx].info.split(" ")[0]
        said = format_html('<span class="vh">{}</span>', _("A drawing, in words:")) if language == "mermaid" else ""
        return format_html('{}<pre class="code"><code>{}</code></pre>\n', said, tokens[idx].content)

    def code_block(self, tokens: Any, idx: int, options: Any, env: Any) -> str:
        return format_html('<pre class="code"><code>{}</code></pre>\n', tokens[idx].content)

    def image(self, tokens: Any, idx: int, options: Any, env: Any) -> str:
        """A picture from elsewhere is not fetched: its words stand for it."""
        return format_html('<span class="picture">{}</span>', _("Picture: %s") % (plain(tokens[idx]) or "?"))

    def task(self, tokens: Any, idx: int, options: Any, env: Any) -> str:
        done = tokens[idx].meta["done"]
        return format_html(
            '<span class="{}" aria-hidden="true">{}</span><span class="vh">{}</span> ',
            "task done" if done else "task",
            "☑" if done else "☐",
            _("done:") if done else _("not done:"),
        )

    def page_link(self, tokens: Any, idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        found = env["find"](token.meta["page"])
        if found is None:
            return format_html('<span class="missing">{}</span> ({})', token.content, _("no such page"))
        return format_html('<a class="link" href="{}">{}</a>', found[0], token.content or found[1])

    def link_open(self, tokens: Any, idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        target = str(token.attrGet("href") or "")
        token.meta["shown"] = bool(re.match(r"(?:https?:|mailto:|/(?!/)|#)", target))
        env.setdefault("links", []).append((token.meta["shown"], target))
        return format_html('<a class="link" href="{}">', target) if token.meta["shown"] else ""

    def link_close(self, tokens: Any, idx: int, options: Any, env: Any) -> str:
        """A path that leads nowhere here, such as into a repository, stands behind its words."""
        shown, target = env["links"].pop()
        return "</a>" if shown else format_html(" (<code>{}</code>)", target)


def _right(token: Token) -> str:
    return ' class="r"' if "right" in str(token.attrGet("style") or "") else ""


_MARKDOWN_RENDERER: Final = _Renderer()
