"""The nouns in which providers of graphics cards are told: what an endpoint shall be, is, does and costs.

Times are seconds, money is USD as Decimal, dates are aware.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

# What was seen, by name: numbers, and now and then a text. Fills a sentence in any language.
Facts = Mapping[str, int | float | Decimal | str]


class ScalingKind(StrEnum):
    QUEUE_DELAY = "QUEUE_DELAY"  # another worker when a request waits longer than so many seconds
    REQUEST_COUNT = "REQUEST_COUNT"  # one worker for so many requests


class FlashBoot(StrEnum):
    OFF = "OFF"
    ON = "FLASHBOOT"
    PRIORITY = "PRIORITY_FLASHBOOT"


@dataclass(frozen=True, slots=True)
class Scaling:
    """`value`: seconds in the queue (0.5 or more), or requests for one worker (a whole number from 1)."""

    kind: ScalingKind
    value: float


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """What an endpoint shall be. Every field is sent: the defaults of API, console and documentation differ.

    `env` never appears in the representation. `idle_timeout` counts only when scaling by queue delay.
    """

    name: str
    image: str
    env: Mapping[str, str] = field(repr=False)
    pools: tuple[str, ...]
    disk_gb: int
    max_workers: int
    idle_timeout: int  # s
    execution_timeout: int  # s, for one request
    scaling: Scaling
    min_workers: int = 0
    excluded_types: tuple[str, ...] = ()  # cards of the pools that must not be used
    min_cuda: str = ""  # "13.0"; "" for any
    gpu_count: int = 1  # cards of one worker
    flashboot: FlashBoot = FlashBoot.ON


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as the provider shows it. `urls`: run, runSync, status, cancel, purgeQueue, health and more.

    What a reply left out is "", 0 or empty in `spec`.
    """

    id: str
    name: str
    spec: EndpointSpec
    urls: Mapping[str, str]
    created: datetime | None


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker. `status` as the provider says it: RUNNING, IDLE, INITIALIZING, THROTTLED, UNHEALTHY.

    `stale`: it still runs an older version of the endpoint. `card`: "" until it has one.
    """

    id: str
    status: str
    stale: bool
    card: str


@dataclass(frozen=True, slots=True)
class Workers:
    """How many there are in each state, and which. `version`: of the endpoint's settings, None if not said."""

    running: int = 0
    idle: int = 0
    initializing: int = 0
    throttled: int = 0
    unhealthy: int = 0
    total: int = 0
    version: int | None = None
    members: tuple[Worker, ...] = ()

    @property
    def ready(self) -> int:
        return self.running + self.idle

    @property
    def billed(self) -> int:
        """Workers that may cost money just now; whether starting does is documented both ways, so it counts."""
        return self.running + self.idle + self.initializing


@dataclass(frozen=True, slots=True)
class Health:
    """An endpoint's jobs: waiting, being done; done and failed since it was created."""

    in_queue: int = 0
    in_progress: int = 0
    completed: int = 0
    failed: int = 0

    @property
    def open(self) -> int:
        return self.in_queue + self.in_progress


class Phase(StrEnum):
    READY = "ready"
    COLD = "cold"  # a worker starts
    ASLEEP = "asleep"  # no worker and nothing to do: the first request wakes one
    STOPPED = "stopped"  # no worker may start: the maximum is 0
    CAPACITY = "capacity"  # no card is free
    CRASH_LOOP = "crash_loop"
    BROKEN_IMAGE = "broken_image"  # workers look ready and take no job
    DOWN = "down"  # does not answer, or not with this model


@dataclass(frozen=True, slots=True)
class Readiness:
    """`reason` says what was seen, `advice` what to do about it. Only a probe proves that it really answers.

    `code` names the reason for upper layers, which translate by it; `facts` are what its sentence holds.
    """

    phase: Phase
    code: str
    facts: Facts
    reason: str
    advice: str

    @property
    def hopeless(self) -> bool:
        """Waiting will not help."""
        return self.phase in (Phase.CRASH_LOOP, Phase.BROKEN_IMAGE, Phase.STOPPED)


@dataclass(frozen=True, slots=True)
class Card:
    """A card that a spec may get. `per_hour`: USD for one. `availability`: NONE, LOW, MEDIUM, HIGH; "" if not said."""

    id: str
    pool: str
    per_hour: Decimal
    availability: str


@dataclass(frozen=True, slots=True)
class Price:
    """List price of one worker in USD an hour, on the dearest card it may get. Discounts are not in it."""

    per_hour: Decimal
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """Workers that all endpoints of the account may have together. `quota` is None when nobody knows it."""

    workers_allotted: int  # sum of the maxima of all endpoints
    quota: int | None

    @property
    def workers_left(self) -> int | None:
        return None if self.quota is None else max(0, self.quota - self.workers_allotted)


@dataclass(frozen=True, slots=True)
class Spend:
    """What was billed in USD. The provider widens the window to whole hours: `since` and `until` are what it took."""

    since: datetime
    until: datetime
    total: Decimal
    gpu: Decimal
    disk: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Job:
    """A request in the queue. `delay` and `execution`: seconds waited and worked, None until said.

    `status`: IN_QUEUE, IN_PROGRESS, RUNNING, COMPLETED, FAILED, CANCELLED, TIMED_OUT.
    """

    id: str
    status: str
    delay: float | None = None
    execution: float | None = None
    worker: str = ""
    error: str = ""

    @property
    def ended(self) -> bool:
        return self.status in ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")


class Way(StrEnum):
    QUEUE = "queue"  # as a job: its id is known, it can be cancelled, it carries its own limits of time
    CHAT = "chat"  # the route that the product's users take


@dataclass(frozen=True, slots=True)
class Question:
    """One request of a probe. `max_tokens` is always sent: without it answers are cut after a few words.

    `execution_timeout` and `time_to_live` (waiting and work together) are seconds and go along as the job's policy;
    the chat route knows no policy and no id to cancel: there the endpoint's own timeout is what bounds the cost.
    `payload`: a job's input in place of the chat, for a handler with a language of its own; always by the queue.
    """

    model: str
    text: str
    max_tokens: int = 64
    execution_timeout: float = 60
    time_to_live: float = 900
    way: Way = Way.QUEUE
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What came of it. `text` is the model's answer; `error` says why there is none. `seconds` as we measured."""

    text: str
    error: str
    seconds: float
    cut: bool = False  # it ended at max_tokens
    model: str = ""
    job: Job | None = None

    @property
    def ok(self) -> bool:
        return bool(self.text) and not self.error


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a worker's log. Hand `id` to `logs` again to go on behind it."""

    id: str
    text: str
    source: str = ""  # container or system


@dataclass(frozen=True, slots=True)
class Stopping:
    """What is left after spending was stopped. `problems`: what did not work, in words of our errors."""

    forbidden: bool  # the maximum is 0, which was read back
    workers_left: int | None  # None: could not be looked at
    jobs_left: int | None
    problems: tuple[str, ...]

    @property
    def done(self) -> bool:
        """No worker is left, which was seen, and none can come."""
        return self.forbidden and self.workers_left == 0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider has. A method that needs what is False raises NotSupported."""

    create: bool  # also delete and list
    scaling: bool  # also workers and stop_spending
    queue: bool  # also cancel and purge
    logs: bool
    billing: bool  # price, limits and spend
