"""What our Markdown knows beside CommonMark: live blocks, links to pages, boxes to tick, `<br>`."""

import re
from typing import Final
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

LIVE: Final = re.compile(r"\{\{\s*live:\s*([a-z][a-z0-9_]{0,59})\s*(?:,\s*written:\s*(\d{1,6})\s*)?\}\}\s*$")
_PAGE: Final = re.compile(r"\[\[([^\[\]\n|]{1,200})(?:\|([^\[\]\n|]{1,200}))?\]\]")
_BREAK: Final = re.compile(r"<br\s*/?>", re.I)
_BOX: Final = re.compile(r"\[([ xX])\]\s+")


def add(markdown: MarkdownIt) -> None:
    """Teach a parser our rules."""
    markdown.block.ruler.before("fence", "live", _live, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    markdown.inline.ruler.before("link", "page_link", _page_link)
    markdown.inline.ruler.before("html_inline", "line_break", _line_break)
    markdown.core.ruler.push("tasks", _tasks)
    markdown.core.ruler.push("page_addresses", _page_addresses)


def marker(name: str, written: int = 0) -> str:
    """The line that stands for a live block."""
    return f"{{{{live: {name}, written: {written}}}}}" if written else f"{{{{live: {name}}}}}"


def _live(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """`{{live: name}}` on a line of its own, outside of lists and quotes."""
    if state.level > 0 or state.is_code_block(first):
        return False
    found = LIVE.match(state.src[state.bMarks[first] + state.tShift[first] : state.eMarks[first]])
    if found is None:
        return False
    if not silent:
        state.line = first + 1
        token = state.push("live", "", 0)
        token.map = [first, state.line]
        token.meta = {"name": found[1], "written": int(found[2] or 0)}
    return True


def _page_link(state: StateInline, silent: bool) -> bool:
    """`[[Page]]` and `[[Page|words]]`."""
    found = _PAGE.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        token = state.push("page_link", "", 0)
        token.content, token.meta = (found[2] or found[1]).strip(), {"page": found[1].strip()}
    state.pos = found.end()
    return True


def _line_break(state: StateInline, silent: bool) -> bool:
    found = _BREAK.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True


def _tasks(state: StateCore) -> None:
    """`- [ ] words` becomes a box that says whether it is ticked."""
    for number in range(2, len(state.tokens)):
        inline = state.tokens[number]
        if (
            inline.type != "inline"
            or [t.type for t in state.tokens[number - 2 : number]] != _ITEM
            or not inline.children
        ):
            continue
        found = _BOX.match(inline.children[0].content) if inline.children[0].type == "text" else None
        if found:
            inline.children[0].content = inline.children[0].content[found.end() :]
            inline.children.insert(0, Token("task", "", 0, meta={"done": found[1] != " "}))


_ITEM: Final = ["list_item_open", "paragraph_open"]


def _page_addresses(state: StateCore) -> None:
    """`[words](page:name)` becomes a link to a page."""
    for inline in state.tokens:
        if inline.type != "inline" or not inline.children:
            continue
        kept: list[Token] = []
        inside: Token | None = None
        for child in inline.children:
            target = str(child.attrGet("href") or "") if child.type == "link_open" else ""
            if target.startswith("page:"):
                inside = Token("page_link", "", 0, meta={"page": unquote(target[5:])})
                kept.append(inside)
            elif inside is not None and child.type == "link_close":
                inside = None
            elif inside is not None:
                inside.content += child.content
            else:
                kept.append(child)
        inline.children = kept
