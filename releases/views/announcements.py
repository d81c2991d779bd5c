"""The public pages: what users of a project's services read. No login, no session; nothing else of the project shows.

They outlive the database: see releases/public.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.csp import CSP
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_safe

from releases.public import address, current, facts, pages, shelf
from releases.public.database import watch
from releases.public.formats import FORMATS
from releases.views.public_answers import answer, database_says, for_any_origin, missing, reader_of

# Other sites may show the banner in a frame; that is all that is opened.
IN_FRAMES: Final[Mapping[str, Any]] = settings.SECURE_CSP | {
    "frame-ancestors": ["*"],
    "script-src": [CSP.NONE],
    "connect-src": [CSP.NONE],
}


@require_safe
def announcements(request: HttpRequest) -> HttpResponse:
    """The projects that have a public page; straight to it where there is one only."""
    reader = reader_of(request)
    rows = database_says(lambda: list(facts.public_projects().values_list("slug", "name")))
    if rows is None:  # what is on the shelf had a page when the database was last heard of
        states = [(slug, shelf.read(slug)) for slug in shelf.slugs()]
        rows = [(slug, state.name) for slug, state in states if state is not None]
    if len(rows) == 1:
        return HttpResponseRedirect(address.of("project_announcements", rows[0][0]) + reader.query)
    return answer(request, pages.index(rows, reader).encode(), "text/html; charset=utf-8", reader)


def _shown(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """One of FORMATS of the project's state."""
    reader, form = reader_of(request), FORMATS[name]
    try:
        edition = current.edition(slug)
    except current.NoPage as error:
        raise Http404 from error
    except current.NoState:
        return missing(slug, reader)
    body = edition.made((name, reader), lambda: form.make(edition.snapshot, reader, edition.is_late).encode())
    return answer(request, body, form.content_type, reader)


@require_safe
def project_announcements(request: HttpRequest, slug: str) -> HttpResponse:
    """How the services are, what is announced for production, what was before."""
    return _shown(request, slug, "page")


@require_safe
def announcement(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """One announcement with its updates; an old one needs the database."""
    reader = reader_of(request)
    try:
        edition = current.edition(slug)
    except current.NoPage as error:
        raise Http404 from error
    except current.NoState:
        return missing(slug, reader)
    one = edition.snapshot.notice(number)
    one = one or database_says(lambda: facts.one_notice(slug, number))
    if one is None and watch.is_away:
        return missing(slug, reader)
    if one is None:
        raise Http404
    html = pages.permalink(edition.snapshot, one, reader, edition.is_late)
    return answer(request, html.encode(), "text/html; charset=utf-8", reader)


@require_safe
def public_embed(request: HttpRequest, slug: str) -> HttpResponse:
    """What a team copies into its own pages."""
    return _shown(request, slug, "embed")


@require_safe
@xframe_options_exempt
@csp_override(IN_FRAMES)
def public_banner(request: HttpRequest, slug: str) -> HttpResponse:
    """One line for a frame on any site."""
    return _shown(request, slug, "banner")


@require_safe
def public_badge(request: HttpRequest, slug: str) -> HttpResponse:
    """The state as a small picture."""
    return _shown(request, slug, "badge")


@require_safe
def public_atom(request: HttpRequest, slug: str) -> HttpResponse:
    """The announcements as an Atom feed."""
    return _shown(request, slug, "atom")


@require_safe
def public_json_feed(request: HttpRequest, slug: str) -> HttpResponse:
    """The announcements as a JSON Feed, for the pages of any site."""
    return for_any_origin(_shown(request, slug, "json_feed"))


@require_safe
def public_calendar(request: HttpRequest, slug: str) -> HttpResponse:
    """Planned work as a calendar to subscribe to."""
    return _shown(request, slug, "calendar")


@require_safe
def public_status(request: HttpRequest, slug: str) -> HttpResponse:
    """The state as JSON, for the pages of any site."""
    return for_any_origin(_shown(request, slug, "status"))
