"""What a team allows an endpoint to be, what the provider allows, and what it can cost at worst. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from .nouns import EndpointSpec, Facts, Limits, Price, ScalingKind

HOURS_A_DAY = 24
LONGEST_IDLE = 3600  # seconds, RunPod's own limit
SHORTEST_DELAY = 0.5  # seconds of queue delay, RunPod's own limit


@dataclass(frozen=True, slots=True)
class Policy:
    """`budget_per_day`: USD that one endpoint may cost at worst, None for no limit. `pools` empty: any."""

    max_workers: int = 2
    idle_timeout: int = 60  # seconds
    execution_timeout: int = 600  # seconds
    pools: frozenset[str] = frozenset()
    budget_per_day: Decimal | None = None
    allow_always_on: bool = False  # a minimum above 0


@dataclass(frozen=True, slots=True)
class Problem:
    """`field` of the spec, or "" for the whole of it.

    `code` names the rule for upper layers, which translate by it; `facts` are what its sentences hold.
    """

    field: str
    code: str
    facts: Facts
    message: str
    mend: str


# Of each code: what is wrong, and what to do about it.
SENTENCES: Final = {
    "no_room": (
        "There is no room for workers: %(wanted)d more are wanted, and %(allotted)d of %(quota)d are allotted.",
        "Lower the maximum of an endpoint kept in reserve, or retire it.",
    ),
    "minimum_unfit": (
        "The minimum of %(minimum)d workers does not fit the maximum of %(maximum)d.",
        "Set a minimum from 0 to the maximum; 0 lets it sleep.",
    ),
    "no_worker": ("Without a worker it never answers.", "Set a maximum of 1 or more."),
    "idle_impossible": ("%(seconds)d s idle is outside of what the provider takes.", "Set 1 to %(longest)d s."),
    "delay_too_short": ("A queue delay of %(seconds)s s is too short.", "Set %(shortest)s s or more."),
    "requests_impossible": ("%(requests)s requests for a worker cannot be.", "Set a whole number from 1."),
    "no_image": ("No image is named.", "Name one with a tag other than latest, or with a digest."),
    "image_not_fixed": (
        "The image %(image)s names no fixed version: workers may run different ones.",
        "Name a tag other than latest, or a digest.",
    ),
    "no_pool": ("No pool of cards is named.", "Name at least one, such as AMPERE_24."),
    "no_disk": ("A worker needs a disk for its image and model.", "Set 1 GB or more."),
    "no_time_limit": ("A request without a limit of time can cost without end.", "Set 1 s or more."),
    "too_many_workers": ("%(maximum)d workers are more than the %(allowed)d allowed.", "Set %(allowed)d or fewer."),
    "always_on": (
        "A minimum of %(minimum)d costs money day and night.",
        "Set 0: workers start with the first request.",
    ),
    "idle_too_long": (
        "Workers would idle for %(seconds)d s at full price; %(allowed)d s are allowed.",
        "Set %(allowed)d s or less.",
    ),
    "request_too_long": (
        "A request may take %(seconds)d s; %(allowed)d s are allowed.",
        "Set %(allowed)d s or less.",
    ),
    "pools_not_allowed": ("Pools that are not allowed: %(pools)s.", "Use %(allowed)s."),
    "over_budget": (
        "At worst it costs %(worst).2f USD a day; the budget is %(budget).2f USD.",
        "Allow fewer workers or cheaper cards, or have the budget raised.",
    ),
}


@dataclass(frozen=True, slots=True)
class WorstCase:
    """USD if every allowed worker runs all the time."""

    per_hour: Decimal
    per_day: Decimal


def worst_case(spec: EndpointSpec, price: Price) -> WorstCase:
    per_hour = price.per_hour * spec.max_workers
    return WorstCase(per_hour, per_hour * HOURS_A_DAY)


def check(spec: EndpointSpec, policy: Policy, price: Price | None = None) -> list[Problem]:
    """All that is wrong with it, empty if nothing is. Without a price the budget is not looked at."""
    return [
        *_sound_workers(spec),
        *_sound_rest(spec),
        *_allowed_workers(spec, policy),
        *_allowed_rest(spec, policy),
        *(_within_budget(spec, policy, price) if price else ()),
    ]


def check_quota(spec: EndpointSpec, limits: Limits) -> list[Problem]:
    """Whether the account has room for one more such endpoint. Nothing is said when its quota is not known."""
    left = limits.workers_left
    if limits.quota is None or left is None or spec.max_workers <= left:
        return []
    facts = {"wanted": spec.max_workers, "allotted": limits.workers_allotted, "quota": limits.quota}
    return [_problem("max_workers", "no_room", **facts)]


def _problem(field: str, code: str, **facts: int | Decimal | str) -> Problem:
    message, mend = SENTENCES[code]
    return Problem(field, code, facts, message % facts, mend % facts)


def _sound_workers(spec: EndpointSpec) -> Iterator[Problem]:
    if not 0 <= spec.min_workers <= spec.max_workers:
        yield _problem("min_workers", "minimum_unfit", minimum=spec.min_workers, maximum=spec.max_workers)
    if spec.max_workers < 1:
        yield _problem("max_workers", "no_worker")
    if spec.scaling.kind is ScalingKind.QUEUE_DELAY and not 1 <= spec.idle_timeout <= LONGEST_IDLE:
        yield _problem("idle_timeout", "idle_impossible", seconds=spec.idle_timeout, longest=LONGEST_IDLE)
    yield from _sound_scaling(spec)


def _sound_scaling(spec: EndpointSpec) -> Iterator[Problem]:
    value = spec.scaling.value
    if spec.scaling.kind is ScalingKind.QUEUE_DELAY and not value >= SHORTEST_DELAY:
        yield _problem("scaling", "delay_too_short", seconds=f"{value:g}", shortest=f"{SHORTEST_DELAY:g}")
    if spec.scaling.kind is ScalingKind.REQUEST_COUNT and (value < 1 or value != int(value)):
        yield _problem("scaling", "requests_impossible", requests=f"{value:g}")


def _sound_rest(spec: EndpointSpec) -> Iterator[Problem]:
    if not spec.image:
        yield _problem("image", "no_image")
    elif not _pinned(spec.image):
        yield _problem("image", "image_not_fixed", image=spec.image)
    if not spec.pools:
        yield _problem("pools", "no_pool")
    if spec.disk_gb < 1:
        yield _problem("disk_gb", "no_disk")
    if spec.execution_timeout < 1:
        yield _problem("execution_timeout", "no_time_limit")


def _pinned(image: str) -> bool:
    if "@sha256:" in image:
        return True
    _, colon, tag = image.rsplit("/", 1)[-1].partition(":")
    return bool(colon and tag and tag != "latest")


def _allowed_workers(spec: EndpointSpec, policy: Policy) -> Iterator[Problem]:
    if spec.max_workers > policy.max_workers:
        yield _problem("max_workers", "too_many_workers", maximum=spec.max_workers, allowed=policy.max_workers)
    if spec.min_workers > 0 and not policy.allow_always_on:
        yield _problem("min_workers", "always_on", minimum=spec.min_workers)
    if spec.idle_timeout > policy.idle_timeout and spec.scaling.kind is ScalingKind.QUEUE_DELAY:
        yield _problem("idle_timeout", "idle_too_long", seconds=spec.idle_timeout, allowed=policy.idle_timeout)


def _allowed_rest(spec: EndpointSpec, policy: Policy) -> Iterator[Problem]:
    if spec.execution_timeout > policy.execution_timeout:
        seconds, allowed = spec.execution_timeout, policy.execution_timeout
        yield _problem("execution_timeout", "request_too_long", seconds=seconds, allowed=allowed)
    if policy.pools and (other := [pool for pool in spec.pools if pool not in policy.pools]):
        named = {"pools": ", ".join(other), "allowed": ", ".join(sorted(policy.pools))}
        yield _problem("pools", "pools_not_allowed", **named)


def _within_budget(spec: EndpointSpec, policy: Policy, price: Price) -> Iterator[Problem]:
    worst = worst_case(spec, price).per_day
    if policy.budget_per_day is not None and worst > policy.budget_per_day:
        yield _problem("", "over_budget", worst=worst, budget=policy.budget_per_day)
