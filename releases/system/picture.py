"""What PostgreSQL knows of the installation, in a fixed number of questions."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Greatest

from releases import lifecycle
from releases.engine import clock, reconcile
from releases.models import Attempt, AuditEvent, Deployment, Heartbeat, Lease
from releases.system import pulse

# A deployment may be without a driver for one period of the reconciler, and its message as long in the queue.
FORGOTTEN = timedelta(seconds=10)
OVERDUE = timedelta(seconds=15)  # the reconciler runs every 5 s


@dataclass(frozen=True)
class Worker:
    """A worker that reported lately. `driving`: the leases that its processes hold."""

    name: str
    processes: int
    at: datetime
    is_alive: bool
    driving: list[Lease]


@dataclass(frozen=True)
class Reconcile:
    """The last reconciliation: when, how many messages it sent, and whether the next one is overdue."""

    at: datetime
    sent: int
    is_overdue: bool


@dataclass(frozen=True)
class Picture:
    """The installation at `now` (database clock). Zombies: `undriven` deployments and `orphans` among attempts."""

    now: datetime
    workers: list[Worker]
    leases: list[Lease]
    reconcile: Reconcile | None
    undriven: list[Deployment]
    orphans: list[Attempt]
    waiting: list[Attempt] = field(default_factory=list)  # for a person: unknown ones and questions

    @property
    def zombies(self) -> int:
        """How much should be worked on and is not; must be 0."""
        return len(self.undriven) + len(self.orphans)


def take() -> Picture:
    """Look now."""
    now = clock.now()
    leases = list(Lease.objects.filter(until__gt=now).select_related(*_of("deployment")).order_by("pk"))
    hearts = {heart.name: heart for heart in Heartbeat.objects.order_by("name")}
    attempts = _open_attempts(now)
    return Picture(
        now=now,
        workers=_workers(hearts.values(), leases, now),
        leases=leases,
        reconcile=_reconcile(hearts.get(reconcile.HEARTBEAT), now),
        undriven=_undriven(now),
        orphans=[one for one in attempts if one.status in lifecycle.STEP_BUSY and one.is_forgotten],  # type: ignore[attr-defined]
        waiting=[one for one in attempts if one.status in {lifecycle.UNKNOWN, lifecycle.WAITING}],
    )


def _of(deployment: str) -> tuple[str, str]:
    """What is shown of a deployment, to be joined; `deployment` is the way to it."""
    return f"{deployment}__environment__project", f"{deployment}__release"


def _workers(hearts: Iterable[Heartbeat], leases: list[Lease], now: datetime) -> list[Worker]:
    found = []
    for heart in hearts:
        if heart.name.startswith(pulse.PREFIX):
            own = {f"{heart.detail['host']}:{process}" for process in heart.detail["processes"]}
            driving = [lease for lease in leases if lease.owner in own]
            is_alive = now - heart.at < pulse.SILENT
            found.append(Worker(heart.detail["worker"], len(own), heart.at, is_alive, driving))
    return found


def _reconcile(heart: Heartbeat | None, now: datetime) -> Reconcile | None:
    return Reconcile(heart.at, heart.detail["sent"], now - heart.at > OVERDUE) if heart else None


def _undriven(now: datetime) -> list[Deployment]:
    """Deployments that a worker should drive, without one for too long, oldest first."""
    rows = Deployment.objects.filter(reconcile.undriven(now), status__in=reconcile.DRIVEN)
    rows = rows.select_related("environment__project", "release").annotate(since=_left_alone("", "started_at"))
    return list(rows.filter(since__lt=now - FORGOTTEN).order_by("since"))  # type: ignore[misc]


def _open_attempts(now: datetime) -> list[Attempt]:
    """Attempts without an end, with `is_forgotten`: nobody has followed them for too long."""
    way = "step__deployment"
    # The condition of the index attempt_one_open, word by word: however long the history, few rows are read.
    rows = Attempt.objects.exclude(status__in=sorted(lifecycle.ATTEMPT_FINISHED)).select_related(
        "step", f"{way}__lease", *_of(way)
    )
    found: list[Attempt] = list(rows.annotate(since=_left_alone(f"{way}__", "started_at")).order_by("pk"))
    for attempt in found:
        lease = getattr(attempt.step.deployment, "lease", None)
        followed = lease is not None and lease.until is not None and lease.until >= now
        attempt.is_forgotten = not followed and attempt.since < now - FORGOTTEN  # type: ignore[attr-defined]
    return found


def _left_alone(way: str, began: str) -> Greatest:
    """Since when a deployment has been without a driver, if it is: its lease's end, or what a person last did to it.

    PostgreSQL's GREATEST passes over what is NULL.
    """
    last = AuditEvent.objects.filter(deployment=OuterRef(f"{way}pk")).order_by("-sequence").values("at")[:1]
    return Greatest(F(began), F(f"{way}lease__until"), F(f"{way}lease__freed_at"), Subquery(last))
