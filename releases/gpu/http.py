"""The one place that sends requests to a provider: key, limits of time, retries, errors.

A request is repeated only where that cannot do something twice. Redirects are never followed: the key would go along.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

import httpx

from .errors import AddressUntrusted, GpuError, KeyRefused, ProviderUnavailable, RateLimited
from .patience import Deadline
from .problems import error_for, read_problem, secrets_of

CONNECT_LIMIT = 10.0  # seconds
READ_LIMIT = 30.0  # seconds without a byte
ANSWER_LIMIT = 24 * 1024 * 1024  # bytes; the biggest answer of a job is 20 MB
FIRST_PAUSE = 0.5  # seconds before the first retry; doubled each time
LONGEST_PAUSE = 20.0
_KEY = re.compile(r"[!-~]*")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Retry(Enum):
    ALWAYS = "always"  # doing it twice is the same as once
    NOT_DONE = "not done"  # only when it surely was not done: refused with 429, or never sent
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Request:
    """`what` completes "RunPod refused to ...". `env`: values in the body that no error may repeat."""

    method: str
    url: str
    what: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retry: Retry = Retry.ALWAYS
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    quiet: float | None = None  # seconds without a byte after which it counts as lost; None: as for all


class Http:
    """Connections to one service with one key. Threads may share it.

    `service`: its name in messages. `quiet`: seconds without a byte after which an answer counts as lost.
    """

    def __init__(self, service: str, key: str, quiet: float = READ_LIMIT) -> None:
        self._quiet = quiet
        self.service = service
        self._key = key = key.strip()
        if not _KEY.fullmatch(key):
            raise KeyRefused(f"The key of {service} has characters that no key has.")
        self._client = httpx.Client(
            follow_redirects=False,
            headers={"User-Agent": "cloud-wiki"} | ({"Authorization": f"Bearer {key}"} if key else {}),
            mounts={f"all://{host}": None for host in LOOPBACK},  # what is on this machine is behind no proxy
        )

    def close(self) -> None:
        self._client.close()

    def ask(self, request: Request, deadline: Deadline) -> Any:
        """The answer's JSON, numbers with a point as Decimal; None when it is empty.

        Retries as `request.retry` allows until the deadline. Raises the last error, and Stopped.
        """
        attempt = 0
        while True:
            deadline.check()
            try:
                return self._once(request, deadline)
            except (RateLimited, ProviderUnavailable) as error:
                pause = pause_before(attempt, error.seconds)
                if not may_repeat(request.retry, error) or pause >= deadline.left:
                    raise
                deadline.pause(pause)
                attempt += 1

    def _once(self, request: Request, deadline: Deadline) -> Any:
        with self.stream(request, deadline) as response:
            body = self._read(response, request, deadline)
        if not body:
            return None
        try:
            return json.loads(body, parse_float=Decimal)
        except ValueError:
            raise ProviderUnavailable(f"{self.service} did not answer in JSON when asked to {request.what}.") from None

    @contextmanager
    def stream(self, request: Request, deadline: Deadline) -> Iterator[httpx.Response]:
        """The answer before its body was read. Raises what a refusal or a broken connection is."""
        try:
            with self._client.stream(
                request.method,
                request.url,
                params=dict(request.query) or None,
                json=request.body,
                headers=dict(request.headers),
                timeout=_limits(self._quiet if request.quiet is None else request.quiet, deadline),
            ) as response:
                if not response.is_success:
                    raise self._refusal(response, request, deadline)
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise self._lost(request, error, sent=False) from None  # its words may hold the key
        except httpx.HTTPError as error:
            raise self._lost(request, error, sent=True) from None
        except httpx.InvalidURL:
            raise AddressUntrusted(f"{self.service} has an address that is none.") from None

    def _refusal(self, response: httpx.Response, request: Request, deadline: Deadline) -> GpuError:
        problem = read_problem(self._read(response, request, deadline), secrets_of(self._key, request.env))
        return error_for(self.service, request.what, response.status_code, response.headers, problem)

    def _read(self, response: httpx.Response, request: Request, deadline: Deadline) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > ANSWER_LIMIT:
                raise ProviderUnavailable(f"{self.service} sent far too much when asked to {request.what}.")
            if deadline.passed:  # a byte now and then would keep us for ever
                raise ProviderUnavailable(f"{self.service} did not finish its answer when asked to {request.what}.")
        return bytes(body)

    def _lost(self, request: Request, error: httpx.HTTPError, sent: bool) -> ProviderUnavailable:
        reason = "no answer in time" if isinstance(error, httpx.TimeoutException) else type(error).__name__
        return ProviderUnavailable(f"{self.service} could not be asked to {request.what}: {reason}.", sent=sent)


def _limits(quiet: float, deadline: Deadline) -> httpx.Timeout:
    left = max(deadline.left, 0.1)
    quiet = min(quiet, left)
    return httpx.Timeout(connect=min(CONNECT_LIMIT, left), read=quiet, write=quiet, pool=quiet)


def may_repeat(retry: Retry, error: RateLimited | ProviderUnavailable) -> bool:
    if retry is Retry.ALWAYS:
        return True
    return retry is Retry.NOT_DONE and (isinstance(error, RateLimited) or not error.sent)


def pause_before(attempt: int, asked_for: float = 0.0) -> float:
    """Seconds before the retry after attempt 0, 1, ...: doubling, each a little different, not less than asked for."""
    pause: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt, 10))
    jitter = random.uniform(0.5, 1.0)  # noqa: S311 spreads callers, hides nothing
    return asked_for + pause * (jitter - 0.5) if asked_for else pause * jitter


def safe_address(address: str, plain: bool = False) -> str:
    """The address without a slash at its end. Raises AddressUntrusted unless a key may go there.

    That is HTTPS, this machine, or anything when `plain`: tests and a network of one's own.
    """
    parts = urlsplit(address)
    here = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise AddressUntrusted(f"{address} is no address of a web service.")
    if parts.scheme == "http" and not here and not plain:
        raise AddressUntrusted(f"{address} would send the API key unencrypted.")
    return address.rstrip("/")


def belongs_to(url: str, base: str) -> bool:
    """Whether `url` is at the same scheme and port as `base`, on its host or below it."""
    one, other = urlsplit(url), urlsplit(base)
    mine, theirs = one.hostname or "", other.hostname or "-"
    same_place = one.scheme == other.scheme and one.port == other.port
    return same_place and (mine == theirs or mine.endswith("." + theirs))
