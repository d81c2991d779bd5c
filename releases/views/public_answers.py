"""The answers of the public pages: language, caching, and what is said without a database."""

import hashlib
from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers

from releases.database import AWAY
from releases.public import pages
from releases.public.database import watch
from releases.public.reader import Reader, choose

SECONDS = 5  # for which a browser or a proxy may show an answer without asking again
OLD_SECONDS = 30  # and then, while it asks again
ERROR_SECONDS = 24 * 3600  # and then, while nothing answers


def reader_of(request: HttpRequest) -> Reader:
    """Language and address of who asks. Cookies are not looked at: an answer may be kept for others."""
    language, chosen = choose(request.GET.get("lang", ""), request.headers.get("Accept-Language", ""))
    return Reader(language, request.build_absolute_uri("/").rstrip("/"), chosen)


def answer(request: HttpRequest, body: bytes, content_type: str, reader: Reader) -> HttpResponse:
    """The body, or 304 where the reader has it already."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    full = HttpResponse(body, content_type=content_type)
    full["ETag"] = etag
    full["Content-Language"] = reader.language
    patch_vary_headers(full, ["Accept-Language"])
    patch_cache_control(
        full, public=True, max_age=SECONDS, stale_while_revalidate=OLD_SECONDS, stale_if_error=ERROR_SECONDS
    )
    return get_conditional_response(request, etag=etag, response=full) or full


def for_any_origin(response: HttpResponse) -> HttpResponse:
    """Let the scripts of every site read it. There are no credentials that they could send along."""
    response["Access-Control-Allow-Origin"] = "*"
    return response


def missing(slug: str, reader: Reader) -> HttpResponse:
    """503: no database, and nothing from before."""
    response = HttpResponse(pages.missing(slug, reader), status=503)
    response["Retry-After"] = "10"
    response["Cache-Control"] = "no-store"
    response["Content-Language"] = reader.language
    return response


def database_says[T](ask: Callable[[], T]) -> T | None:
    """What the database answers; None where it doesn't, without a long wait."""
    if not watch.asks():
        return None
    try:
        return ask()
    except AWAY:
        connection.close()
        watch.miss()
        return None
