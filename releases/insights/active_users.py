"""Asking an address for the count of monthly active users, under the same guard as health checks."""

import json
from time import monotonic
from typing import Any, Final

import httpx
from django.conf import settings
from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.jsonpath import JSONPath
from jsonpath_ng.parser import JsonPathParser

from releases.models import ActiveUsersSource, Host
from releases.models.insights import MOST_USERS
from releases.probes.addresses import AddressRefused, Endpoint, NameUnknown, endpoint, parse_networks
from releases.probes.http import failure, pinned

SECONDS: Final = 10.0  # for the whole of it
LARGEST: Final = 1_000_000  # bytes of an answer


class NotRead(Exception):
    """No count came of it. `str()` is a code for `probes.answers.explain`, or one of those here."""


def read(source: ActiveUsersSource) -> int:
    """The count that the address answers with now. Raises NotRead."""
    near = Host.objects.filter(environment__project=source.project_id).values_list("address", flat=True)
    try:
        place = endpoint(source.url, near=frozenset(near), allowed=parse_networks(settings.PROBE_ALLOWED_NETWORKS))
        body = _body(source.url, place)
    except AddressRefused as refused:
        raise NotRead(f"address:{refused}") from refused
    except NameUnknown as unknown:
        raise NotRead(f"{'resolver' if unknown.temporary else 'name'}:{unknown}") from unknown
    except httpx.TimeoutException as error:
        raise NotRead(f"timeout:{SECONDS:g}") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise NotRead(failure(error)[1]) from error
    return count_in(body, source.path)


def parsed(path: str) -> JSONPath:
    """A JSON path that leads to one place. Raises NotRead where it is none."""
    if ".." in path:  # looks everywhere, again and again: a small text could keep a worker busy
        raise NotRead(f"path:{path}")
    try:
        return JsonPathParser().parse(path)
    except (JSONPathError, RecursionError, AttributeError, TypeError, ValueError) as error:
        raise NotRead(f"path:{path}") from error


def count_in(body: bytes, path: str) -> int:
    """The whole number that a JSON text has at a path. Raises NotRead."""
    try:
        found = [match.value for match in parsed(path).find(json.loads(body))]
    except (ValueError, RecursionError) as error:
        raise NotRead("json") from error
    except (AssertionError, AttributeError, LookupError, TypeError) as error:  # such as the parent of the whole
        raise NotRead(f"path:{path}") from error
    if not found:
        raise NotRead(f"nowhere:{path}")
    return _whole(found[0])


def _whole(value: Any) -> int:
    # In JSON's own letters: a zero byte or half a character in the answer could not be kept.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= MOST_USERS or value != int(value):
        raise NotRead(f"number:{json.dumps(value)[:60]}")
    return int(value)


def _body(url: str, place: Endpoint) -> bytes:
    """Raises what httpx raises, and NotRead."""
    end = monotonic() + SECONDS
    address, headers, extensions = pinned(url, place)
    headers |= {"Accept": "application/json", "User-Agent": "cloud-wiki", "Accept-Encoding": "identity"}
    with (
        httpx.Client(follow_redirects=False, trust_env=False, timeout=SECONDS) as client,
        client.stream("GET", address, headers=headers, extensions=extensions) as response,
    ):
        if response.status_code != 200:
            raise NotRead(f"status:{response.status_code}")
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > LARGEST:
                raise NotRead(f"large:{LARGEST // 1000}")
            if monotonic() > end:
                raise NotRead(f"timeout:{SECONDS:g}")
    return bytes(body)
