"""One request of a probe, sent from the controller."""

import asyncio
import errno
import ssl
from datetime import UTC, datetime
from time import perf_counter
from typing import Self
from urllib.parse import urlsplit

import httpx

from releases.probes.addresses import AddressRefused, Endpoint, Lookup, NameUnknown, Network, endpoint, look_up
from releases.probes.answers import BODY_LIMIT, Answer, Check, misses
from releases.probes.thread import in_daemon_thread

NO_WAY = {errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE}


class HttpProber:
    """Asks services over HTTP, each request on a connection of its own. Use as an async context manager.

    `allowed` are the private networks that may be asked beside the environment's own hosts.
    """

    def __init__(self, allowed: tuple[Network, ...] = (), lookup: Lookup = look_up) -> None:
        self._allowed = allowed
        self._lookup = lookup
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            timeout=None,  # noqa: S113 one limit for the whole request, in `ask`
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            headers={"User-Agent": "cloud-wiki-probe", "Accept-Encoding": "identity", "Connection": "close"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_details: object) -> None:
        await self._client.aclose()

    async def ask(self, check: Check) -> Answer:
        """Send one request and judge the answer. Never raises for what the service or the network does."""
        at, started = datetime.now(UTC), perf_counter()
        try:
            async with asyncio.timeout(check.timeout):
                ok, detail = await self._judge(check)
        except TimeoutError:
            ok, detail = False, f"timeout:{check.timeout:g}"
        except AddressRefused as refused:
            ok, detail = None, f"address:{refused}"
        except NameUnknown as unknown:
            ok, detail = (None, f"resolver:{unknown}") if unknown.temporary else (False, f"name:{unknown}")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            ok, detail = failure(error)
        return Answer(at, ok, (perf_counter() - started) * 1000, detail[:200])

    async def _judge(self, check: Check) -> tuple[bool, str]:
        place = await in_daemon_thread(
            lambda: endpoint(check.url, near=check.near, allowed=self._allowed, lookup=self._lookup)
        )
        request = self._request(check, place)
        response = await self._client.send(request, stream=True)
        try:
            if response.status_code != check.expected_status:
                return False, f"status:{response.status_code}"
            if not (check.expected_text or check.matches):
                return True, ""
            missing = misses(await _beginning(response), check.expected_text, check.matches)
            return not missing, missing
        finally:
            await response.aclose()

    def _request(self, check: Check, place: Endpoint) -> httpx.Request:
        address, headers, extensions = pinned(check.url, place)
        has_body = check.method != "GET"
        typed = {"Content-Type": check.content_type} if has_body else {}
        content = check.body.encode() if has_body else None
        return self._client.build_request(
            check.method, address, content=content, headers=headers | typed, extensions=extensions
        )


def pinned(url: str, place: Endpoint) -> tuple[str, dict[str, str], dict[str, str]]:
    """What asks for `url` at its checked address: the address to ask, headers, extensions of httpx."""
    parts = urlsplit(url)
    host = f"[{place.address}]" if ":" in place.address else place.address
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return f"{place.scheme}://{host}:{place.port}{path}", {"Host": parts.netloc}, {"sni_hostname": place.name}


async def _beginning(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= BODY_LIMIT:
            break
    return bytes(body[:BODY_LIMIT])


def failure(error: BaseException) -> tuple[bool | None, str]:
    """Tell our own trouble (not measured) from the service's."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return False, f"tls:{cause.reason or cause}"
        if isinstance(cause, OSError) and cause.errno in NO_WAY:
            return None, "network"
        if isinstance(cause, ConnectionRefusedError):
            return False, "refused"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return False, f"connect:{error}"
    return False, f"broken:{type(error).__name__}"
