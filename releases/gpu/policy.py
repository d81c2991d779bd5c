"""What a team allows an endpoint to be, what the provider allows, and what it can cost at worst. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from .nouns import EndpointSpec, Limits, Price, ScalingKind

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
    """`field` of the spec, or "" for the whole of it."""

    field: str
    message: str
    mend: str


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
    if left is None or spec.max_workers <= left:
        return []
    message = f"{spec.max_workers} workers more are too many: {limits.workers_allotted} of {limits.quota} are allotted."
    return [Problem("max_workers", message, "Lower the maximum of an endpoint kept in reserve, or retire it.")]


def _sound_workers(spec: EndpointSpec) -> Iterator[Problem]:
    if not 0 <= spec.min_workers <= spec.max_workers:
        message = f"The minimum of {spec.min_workers} workers does not fit the maximum of {spec.max_workers}."
        yield Problem("min_workers", message, "Set a minimum from 0 to the maximum; 0 lets it sleep.")
    if spec.max_workers < 1:
        yield Problem("max_workers", "Without a worker it never answers.", "Set a maximum of 1 or more.")
    if spec.scaling.kind is ScalingKind.QUEUE_DELAY and not 1 <= spec.idle_timeout <= LONGEST_IDLE:
        message = f"{spec.idle_timeout} s idle is outside of what the provider takes."
        yield Problem("idle_timeout", message, f"Set 1 to {LONGEST_IDLE} s.")
    yield from _sound_scaling(spec)


def _sound_scaling(spec: EndpointSpec) -> Iterator[Problem]:
    value = spec.scaling.value
    if spec.scaling.kind is ScalingKind.QUEUE_DELAY and not value >= SHORTEST_DELAY:
        yield Problem("scaling", f"A queue delay of {value:g} s is too short.", f"Set {SHORTEST_DELAY} s or more.")
    if spec.scaling.kind is ScalingKind.REQUEST_COUNT and (value < 1 or value != int(value)):
        yield Problem("scaling", f"{value:g} requests for a worker cannot be.", "Set a whole number from 1.")


def _sound_rest(spec: EndpointSpec) -> Iterator[Problem]:
    if not _pinned(spec.image):
        message = f"The image {spec.image or '(none)'} names no fixed version: workers may run different ones."
        yield Problem("image", message, "Name a tag other than latest, or a digest.")
    if not spec.pools:
        yield Problem("pools", "No pool of cards is named.", "Name at least one, such as AMPERE_24.")
    if spec.disk_gb < 1:
        yield Problem("disk_gb", "A worker needs a disk for its image and model.", "Set 1 GB or more.")
    if spec.execution_timeout < 1:
        message = "A request without a limit of time can cost without end."
        yield Problem("execution_timeout", message, "Set 1 s or more.")


def _pinned(image: str) -> bool:
    if "@sha256:" in image:
        return True
    _, colon, tag = image.rsplit("/", 1)[-1].partition(":")
    return bool(colon and tag and tag != "latest")


def _allowed_workers(spec: EndpointSpec, policy: Policy) -> Iterator[Problem]:
    if spec.max_workers > policy.max_workers:
        message = f"{spec.max_workers} workers are more than the {policy.max_workers} allowed."
        yield Problem("max_workers", message, f"Set {policy.max_workers} or fewer.")
    if spec.min_workers > 0 and not policy.allow_always_on:
        message = f"A minimum of {spec.min_workers} costs money day and night."
        yield Problem("min_workers", message, "Set 0: workers start with the first request.")
    if spec.idle_timeout > policy.idle_timeout and spec.scaling.kind is ScalingKind.QUEUE_DELAY:
        message = f"Workers would idle for {spec.idle_timeout} s at full price; {policy.idle_timeout} s are allowed."
        yield Problem("idle_timeout", message, f"Set {policy.idle_timeout} s or less.")


def _allowed_rest(spec: EndpointSpec, policy: Policy) -> Iterator[Problem]:
    if spec.execution_timeout > policy.execution_timeout:
        message = f"A request may take {spec.execution_timeout} s; {policy.execution_timeout} s are allowed."
        yield Problem("execution_timeout", message, f"Set {policy.execution_timeout} s or less.")
    if policy.pools and (other := [pool for pool in spec.pools if pool not in policy.pools]):
        message = f"Pools that are not allowed: {', '.join(other)}."
        yield Problem("pools", message, f"Use {', '.join(sorted(policy.pools))}.")


def _within_budget(spec: EndpointSpec, policy: Policy, price: Price) -> Iterator[Problem]:
    worst = worst_case(spec, price).per_day
    if policy.budget_per_day is not None and worst > policy.budget_per_day:
        message = f"At worst it costs {worst:.2f} USD a day; the budget is {policy.budget_per_day:.2f} USD."
        yield Problem("", message, "Allow fewer workers or cheaper cards, or have the budget raised.")
