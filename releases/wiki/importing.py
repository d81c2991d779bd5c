"""A Markdown document as a tree of pages: split by its headings, word for word, known tables replaced by live ones."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from markdown_it.token import Token

from releases.wiki import markup, rules
from releases.wiki.addresses import slug_of, unused
from releases.wiki.tables import Known, known_block

DEEPEST = 5  # headings of a lower level stay in the text of their page
FALLBACK: Final = "document"
_NUMBER: Final = re.compile(r"(\d+(?:\.\d+)*)\.?(?=\s)")


@dataclass
class Replaced:
    """One table, list or drawing that a live block stands for now."""

    block: str
    heading: str
    lines: int


@dataclass
class Draft:
    """A page to be made. `written` is the document's own text, `text` the same with live blocks."""

    title: str
    slug: str
    parent: str = ""
    position: int = 0
    kind: str = "page"
    written: str = ""
    text: str = ""
    title_en: str = ""
    body_en: str = ""
    replaced: list[Replaced] = field(default_factory=list)


@dataclass
class _Section:
    level: int
    number: str
    title: str
    first: int  # line of the heading
    body: int  # line behind it
    plain: bool  # the heading is words alone
    last: int = 0
    slug: str = ""


def split(text: str, english: Mapping[str, tuple[str, str]] | None = None, name: str = FALLBACK) -> list[Draft]:
    """The pages of a document in its order. `english` gives title and text by the Korean title.

    What stands before the first heading becomes a page called `name`.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    tokens = markup.parser().parse("\n".join(lines), {"find": markup.nowhere})
    sections = _sections(tokens, lines, name)
    drafts: list[Draft] = []
    taken: set[str] = set()
    for section in sections:
        section.slug = unused(slug_of(section.title) or "page", taken)
        taken.add(section.slug)
        above = _above(section, sections[: len(drafts)])
        draft = Draft(section.title, section.slug, parent=above.slug if above else "", position=len(drafts))
        heading = [] if section.plain else [_words_of_heading(lines[section.first]), ""]
        body = lines[section.body : section.last]
        draft.written = _trimmed([*heading, *body])
        draft.text = _with_live_blocks(draft, section)
        draft.kind = "architecture" if "아키텍처" in section.title else "page"
        draft.title_en, draft.body_en = (english or {}).get(section.title, ("", ""))
        drafts.append(draft)
    return drafts


def _sections(tokens: Sequence[Token], lines: list[str], name: str) -> list[_Section]:
    found = [
        _Section(
            level=int(opening.tag[1:]),
            number=_number_of(markup.plain(inline)),
            title=markup.plain(inline)[:200] or name,
            first=opening.map[0],
            body=opening.map[1],
            plain=markup.plain(inline) == inline.content.strip(),
        )
        for opening, inline in pairwise(tokens)
        if opening.type == "heading_open" and opening.level == 0 and opening.map and int(opening.tag[1:]) <= DEEPEST
    ]
    start = found[0].first if found else len(lines)
    if "\n".join(lines[:start]).strip():
        found.insert(0, _Section(1, "", name, 0, 0, plain=True))
    for section, after in zip(found, [*found[1:], None], strict=True):
        section.last = after.first if after else len(lines)
    return found


def _number_of(title: str) -> str:
    found = _NUMBER.match(title)
    return found[1] if found else ""


def _above(section: _Section, before: Sequence[_Section]) -> _Section | None:
    """What a page stands below: the page whose number begins its own (2 for 2.3), else the next heading up."""
    for other in reversed(before):
        if section.number and other.number and section.number.startswith(f"{other.number}."):
            return other
        if other.level < section.level and not _is_part(other, section):
            return other
    return None


def _is_part(other: _Section, section: _Section) -> bool:
    """Both are numbered parts: only a number that begins the other's says which stands below which."""
    return bool(section.number and other.number and "." in section.number and "." in other.number)


def _words_of_heading(line: str) -> str:
    return line.lstrip("#").strip()


def _trimmed(lines: Sequence[str]) -> str:
    return "\n".join(lines).strip("\n") + "\n" if any(line.strip() for line in lines) else ""


def _with_live_blocks(draft: Draft, section: _Section) -> str:
    """The text with each known table, list or drawing replaced by the marker of its live block."""
    lines = draft.written.split("\n")
    tokens = markup.parser().parse(draft.written, {"find": markup.nowhere})
    heading, changes = section.title, []
    for place, token in enumerate(tokens):
        if token.level or not token.map:
            continue
        if token.type == "heading_open":
            heading = markup.plain(tokens[place + 1])
        known = known_block(tokens, place, section.number, heading)
        if known is not None:
            last = _swallowed(lines, token.map[1], known)
            changes.append((token.map[0], last, known.block))
            draft.replaced.append(Replaced(known.block, heading, last - token.map[0]))
    for first, last, block in reversed(changes):
        before = [""] if first and lines[first - 1].strip() else []
        after = [""] if last < len(lines) and lines[last].strip() else []
        lines[first:last] = [*before, rules.marker(block, written=1), *after]
    return "\n".join(lines)


def _swallowed(lines: Sequence[str], last: int, known: Known) -> int:
    """Where the replaced part ends: written totals behind a procedure are computed, too, so they go with it."""
    end = last
    while end < len(lines) and not lines[end].strip():
        end += 1
    if not known.with_totals or end == len(lines) or not lines[end].startswith("**예상 총"):
        return last
    while end < len(lines) and lines[end].strip():
        end += 1
    return end
