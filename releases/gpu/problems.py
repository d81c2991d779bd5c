"""Turns a provider's refusal into one of our errors, without repeating a secret that it repeats."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from .errors import (
    EndpointGone,
    GpuError,
    KeyRefused,
    ProviderRefused,
    ProviderUnavailable,
    QuotaFull,
    RateLimited,
    UnknownModel,
)

HIDDEN = "***"
TEXT_LIMIT = 2000  # characters of a provider's own words that are shown
WAIT_UNSAID = 5.0  # seconds to wait when a 429 does not say how long
_QUOTA = re.compile(r"workers? quota(?:\s*\((\d+)\))?|quota (?:was )?(?:exceeded|reached)", re.IGNORECASE)
_MODEL = re.compile(r"\bmodel\b.{0,200}\bdoes not exist\b", re.IGNORECASE | re.DOTALL)
_PLAIN = re.compile(r"true|false|none|null|auto|\d{1,5}|\d*\.\d{1,4}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal in the provider's words: RFC 9457's members, or what an OpenAI-compatible server has instead."""

    title: str = ""
    detail: str = ""
    errors: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it in one line."""
        said = ". ".join(part.rstrip(".") for part in (self.title, self.detail) if part)
        listed = "; ".join(self.errors)
        return ": ".join(part for part in (said, listed) if part)[:TEXT_LIMIT]


def secrets_of(key: str, env: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """What no text may repeat, longest first: the key and values of variables.

    Plain switches and short numbers are no secrets, and hiding them would spoil every message with a number in it.
    """
    values = {value for value in (env or {}).values() if len(value) >= 4 and not _PLAIN.fullmatch(value)}
    return tuple(sorted({key, *values} - {""}, key=len, reverse=True))


def hide(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def read_problem(body: bytes, secrets: Iterable[str]) -> Problem:
    """What the body of a refusal says. A page of HTML says nothing."""
    try:
        said = json.loads(body)
    except ValueError:
        return Problem()
    if not isinstance(said, dict):
        return Problem(detail=hide(said, secrets)) if isinstance(said, str) else Problem()
    inner = said.get("error")
    if isinstance(inner, dict):
        said = {**said, **inner}
    elif isinstance(inner, str):
        said = {"detail": inner, **said}
    listed = said.get("errors")
    return Problem(
        title=hide(_text(said.get("title")), secrets),
        detail=hide(_text(said.get("detail") or said.get("message")), secrets),
        errors=tuple(hide(_text(entry), secrets) for entry in listed) if isinstance(listed, list) else (),
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def error_for(service: str, what: str, status: int, headers: Mapping[str, str], problem: Problem) -> GpuError:
    """The error that a reply with `status` (400 and above, or a redirect) is. `what`: what was asked for."""
    said = f"{service} refused to {what} ({status}): {problem.text or 'it did not say why'}"
    if status == 429:
        seconds = seconds_to_wait(headers)
        wait = WAIT_UNSAID if seconds is None else seconds
        return RateLimited(f"{service} was asked too often and wants to be left alone for {wait:g} s.", seconds=wait)
    if quota := _QUOTA.search(problem.text):
        return QuotaFull(said, quota=int(quota[1]) if quota[1] else None)
    if unknown_model(problem.text):  # which status RunPod's chat route gives a failed job is not documented
        return UnknownModel(said)
    if status >= 500:
        return ProviderUnavailable(
            f"{service} failed when asked to {what} ({status}): {problem.text or 'it did not say why'}",
            seconds=seconds_to_wait(headers) or 0,
        )
    if status == 401:
        return KeyRefused(f"{service} did not accept the API key when asked to {what}.")
    if status == 403:
        return KeyRefused(said, "Give the key the right to do this, or use one that has it.")
    if status == 404:
        return EndpointGone(said)
    return ProviderRefused(said, title=problem.title, detail=problem.detail, errors=problem.errors)


def unknown_model(text: str) -> bool:
    """Whether these are the words of a vLLM server that has not this model."""
    return bool(_MODEL.search(text))


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """Retry-After, as seconds or as a date; None without or when it cannot be read. Never below 0."""
    said = headers.get("Retry-After", headers.get("retry-after", "")).strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", said):
        return float(said)
    try:
        date = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
