"""Finding things: in every kind of row that the reader may see, the nearest first."""

import re
from typing import Any, Final

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.core.paginator import Paginator
from django.db.models import Case, FloatField, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from releases.models import User
from releases.models.text_index import document, words
from releases.permissions import member_required, signed_in
from releases.views.search_sources import SOURCES, Source

LONGEST: Final = 100  # characters of a question
MOST_WORDS: Final = 8
FIRST: Final = 5  # of each kind, before one asks for the rest
PAGE: Final = 50
RANKED: Final = 500  # the newest rows that fit are ranked; older ones are not looked at
AROUND: Final = 90  # characters on each side of what was found
# What is no word to a reader of a snippet: live blocks, fences, targets of links, bullets, lines of tables.
_MARKS: Final = re.compile(
    r"\{\{\s*live:[^}]*\}\}|^[>\s]*```.*$|\]\([^)\s]*\)|^\s*(?:[-+*]|\d+\.)\s+(?:\[[ xX]\])?|-{3,}|[\[\]*`#>|]+|\s+",
    re.M,
)


@require_GET
@member_required
def search(request: HttpRequest) -> HttpResponse:
    """The answer to `?q=`: the first of every kind, or with `?kind=` all of one, page by page."""
    user, asked = signed_in(request), " ".join(request.GET.get("q", "").replace("\0", " ").split())[:LONGEST]
    wanted = next((source for source in SOURCES if source.key == request.GET.get("kind")), None)
    context: dict[str, Any] = {"asked": asked, "kind": wanted, "groups": [], "section": "search"}
    if asked and wanted:
        page = Paginator(ranked(wanted, user, asked), PAGE).get_page(request.GET.get("page"))
        context |= {"page_obj": page, "groups": [_group(wanted, list(page), asked, more=False)]}
    elif asked:
        found = ((source, list(ranked(source, user, asked)[: FIRST + 1])) for source in SOURCES)
        context["groups"] = [_group(source, rows[:FIRST], asked, len(rows) > FIRST) for source, rows in found if rows]
    return render(request, "releases/search.html", context)


def ranked(source: Source, user: User, asked: str) -> QuerySet[Any]:
    """The rows of one kind in which every word stands, the nearest first."""
    rows = source.rows(user)
    fits = rows.filter(source.only) if source.only is not None else rows
    query = SearchQuery(asked, config="english", search_type="websearch")
    text = Q()
    for word in asked.split()[:MOST_WORDS]:
        text &= Q(piece__has_piece=word)
    number = asked.removeprefix("#")
    if source.key == "deployments" and number.isascii() and number.isdigit() and len(number) < 16:
        fits, text = rows, text | Q(pk=int(number))
    fits = fits.annotate(piece=document(*source.fields), words=words(*source.fields)).filter(text | Q(words=query))
    newest = fits.order_by("-pk").values("pk")[:RANKED]
    weight = SearchRank(words(*source.fields), query) + _in_heading(source, asked)
    found: QuerySet[Any] = rows.filter(pk__in=newest).annotate(weight=weight).order_by("-weight", "-pk")
    return found


def _in_heading(source: Source, asked: str) -> Any:
    """1 where the whole question stands in the title of the row, else 0."""
    if not source.heading:
        return Value(0.0, FloatField())
    condition = Q()
    for field in source.heading:
        condition |= Q(**{f"{field}__icontains": asked})
    return Case(When(condition, then=Value(1.0)), default=Value(0.0), output_field=FloatField())


def _group(source: Source, rows: list[Any], asked: str, more: bool) -> dict[str, Any]:
    entries = [
        {
            "title": marked(source.title(row), asked),
            "address": source.address(row),
            "snippet": snippet(source.texts(row), asked),
        }
        for row in rows
    ]
    return {"key": source.key, "label": source.label, "entries": entries, "more": more}


def snippet(texts: tuple[str, ...], asked: str) -> SafeString:
    """The place of the first text where a word was found, with the words marked; everything else is escaped."""
    plain = [" ".join(_MARKS.sub(" ", text).split()) for text in texts]
    pattern = _pattern(asked)
    for text in plain:
        found = pattern.search(text)
        if found:
            first, last = max(0, found.start() - AROUND), found.end() + AROUND
            before, after = "… " if first else "", " …" if last < len(text) else ""
            return format_html("{}{}{}", before, marked(text[first:last], asked), after)
    beginning = next((text for text in plain if text), "")
    return format_html("{}{}", beginning[: 2 * AROUND], " …" if len(beginning) > 2 * AROUND else "")


def marked(text: str, asked: str) -> SafeString:
    """The text, escaped, with each word that was asked for in <mark>."""
    parts = _pattern(asked).split(text)
    return format_html_join(
        "", "{}", ((format_html("<mark>{}</mark>", part) if place % 2 else part,) for place, part in enumerate(parts))
    )


def _pattern(asked: str) -> re.Pattern[str]:
    """The words of a question, and in English their beginnings: "deployments" marks "deployment"."""
    pieces = {word.strip('"') for word in asked.split()[:MOST_WORDS]} - {""}
    stems = {re.sub(r"(?:ies|es|s|ed|ing)$", "", word) for word in pieces if word.isascii() and len(word) > 4}
    longest_first = sorted(pieces | {stem for stem in stems if len(stem) > 3}, key=len, reverse=True)
    return re.compile("(" + "|".join(map(re.escape, longest_first or ["(?!)"])) + ")", re.I)
