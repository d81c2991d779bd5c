"""The watch over what GPU endpoints cost: each minute the workers of every endpoint, times their price, and the rules.

Accounts are looked at side by side, each for a bounded time, so that a slow provider delays no other. An endpoint is
looked at by one worker at a time. A look that fails changes nothing but the account's problem; the next one comes.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import override

from releases.actions import gpu_words
from releases.audit import THE_SYSTEM
from releases.endpoints import accounts, alarms, specs, stopping
from releases.engine import clock, gpu_asking, gpu_gone, gpu_orphans, gpu_rules, gpu_tending, handover
from releases.engine.gpu_claims import Claim
from releases.engine.gpu_rules import Look
from releases.gpu import readiness
from releases.gpu.errors import EndpointGone, GpuError, Stopped
from releases.gpu.provider import Provider
from releases.models import EndpointOrder, GpuAccount, GpuEndpoint, GpuSample

CALL_SECONDS: Final = 10.0  # for each call of a look
ACCOUNT_SECONDS: Final = 40.0  # after which no more looks of an account begin in this round
STOP_SECONDS: Final = 20.0  # for stopping one endpoint; what is left then is tried again in the next round
SIDE_BY_SIDE: Final = 4  # endpoints of one account
ACCOUNTS: Final = 32  # at once
CLAIM: Final = Claim(
    "looked_since",
    timedelta(minutes=3),  # longer than a look with a stop takes
    ("account", "environment__project", "deployment"),
)
GONE: Final = timedelta(minutes=10)  # between looks at whether one that was gone is there again
PRICED: Final = timedelta(hours=1)  # after which the price is read again
# Intervals that one look stands for at most. After an outage of ours nobody knows what ran meanwhile: what is seen now
# is not taken for all of it, since that would invent cost and stop what is in use. The bill tells the rest (gpu_bills).
LONGEST: Final = 3
log = structlog.get_logger(__name__)


def watch() -> None:
    """Look once at everything that is due, and send messages for orders that no worker is at."""
    due: dict[int, list[int]] = {}
    for account, number in _due(clock.now()):
        due.setdefault(account, []).append(number)
    gpu_tending.send_again()
    gpu_asking.send_again()
    if not due:
        return
    with ThreadPoolExecutor(min(len(due), ACCOUNTS)) as pool:
        for account, numbers in due.items():
            pool.submit(_by_itself, partial(_watch_account, account, numbers))


def _due(now: datetime) -> list[tuple[int, int]]:
    """Account and number of what was not looked at for half an interval; what was not for longest comes first."""
    before = now - timedelta(seconds=settings.GPU_WATCH_SECONDS / 2)
    is_due = Q(watched_at__isnull=True) | Q(watched_at__lte=before)
    is_due &= ~Q(seen=gpu_gone.SEEN) | Q(watched_at__lte=now - GONE)
    rows = GpuEndpoint.objects.living().filter(CLAIM.is_free(now), is_due)
    rows = rows.exclude(account__provider=GpuAccount.Provider.SELF_HOSTED)
    return list(rows.order_by(F("watched_at").asc(nulls_first=True), "pk").values_list("account", "pk"))


def _by_itself(work: Callable[[], None]) -> None:
    """In a thread: with its own connection, which ends with it, and an error of ours in the log."""
    try:
        with override(settings.LANGUAGE_CODE):
            work()
    except Exception:
        log.exception("watch of GPU endpoints broke")
    finally:
        connection.close()


def _watch_account(number: int, endpoints: list[int]) -> None:
    account = GpuAccount.objects.get(pk=number)
    deadline = time.monotonic() + ACCOUNT_SECONDS
    round_ = _Round(deadline)
    try:
        opened = accounts.opened(account, CALL_SECONDS, handover.wanted)
        with opened as provider, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            for endpoint in endpoints:
                pool.submit(_by_itself, partial(round_.look_at, endpoint, provider))
    except GpuError as error:  # there is no key, or it can't be opened
        round_.error = error
        for row in GpuEndpoint.objects.filter(pk__in=endpoints):
            _unseen(row, error)
    if round_.error is not None or round_.has_seen:
        accounts.note_problem(account, gpu_words.told(round_.error) if round_.error else "")


@dataclass
class _Round:
    """One round of an account. `error`: the last one of its provider; `has_seen`: a look worked."""

    deadline: float
    error: GpuError | None = None
    has_seen: bool = False

    def look_at(self, number: int, provider: Provider) -> None:
        """One look, unless another worker is at it or the time of the account is over."""
        if time.monotonic() > self.deadline or handover.wanted():
            return
        with CLAIM.held(number) as row:
            if row is None:
                return
            try:
                _look(row, provider) if row.ref else gpu_orphans.look_for(row, provider)
                self.has_seen = True
            except Stopped:
                return
            except GpuError as error:
                self.error = error
                log.info("look at a GPU endpoint failed", endpoint=row.pk, error=error.message)
                _unseen(row, error)
            _stop_if_ordered(row)


# One look


def _look(row: GpuEndpoint, provider: Provider) -> None:
    """Look, write down, judge. Raises GpuError when it can't be seen."""
    try:
        look = _seen(row, provider)
    except EndpointGone:
        if gpu_gone.note(row, provider):
            return
        raise
    if not _keep(row, look, _price(row, provider)):
        return
    row.refresh_from_db()
    found = gpu_rules.judge(row, look, clock.now())
    if found.stop:
        stopping.order(row, EndpointOrder.STOP, found.stop, THE_SYSTEM)
    alarms.settle(row, found.alarms, gpu_rules.KINDS)


def _seen(row: GpuEndpoint, provider: Provider) -> Look:
    spec = provider.get(row.ref).spec
    workers, health = provider.workers(row.ref), provider.health(row.ref)
    since = row.seen.get("waiting_since")
    waited = (clock.now() - datetime.fromisoformat(since)).total_seconds() if since else 0
    judged = readiness.judge(workers, health, waited, spec.max_workers)
    return Look(spec.min_workers, spec.max_workers, workers, health, judged)


def _price(row: GpuEndpoint, provider: Provider) -> dict[str, Any]:
    """What changes of its price; an old one is better than none."""
    now = clock.now()
    is_fresh = row.price is not None and row.priced_at is not None and row.priced_at > now - PRICED
    if is_fresh or not row.spec:
        return {}
    try:
        price = provider.price(specs.without_secrets(row.spec, row.name))
    except Stopped:
        raise
    except GpuError as error:
        log.info("price of a GPU endpoint not read", endpoint=row.pk, error=error.message)
        return {}
    return {"price": price.per_hour, "priced_at": now}


def _keep(row: GpuEndpoint, look: Look, price: dict[str, Any]) -> bool:
    """Write the look down, and what it cost since the one before; False where another worker has it by now."""
    now = clock.now()
    seconds = _seconds(row, now)
    rate = price.get("price", row.price) or Decimal(0)
    cost = (rate * look.workers.billed * Decimal(seconds) / 3600).quantize(Decimal("0.000001"))
    unhealthy = row.unhealthy_looks + 1 if look.workers.unhealthy else 0
    with transaction.atomic():
        changed = _mine(row).update(
            cost=F("cost") + cost,
            watched_at=now,
            seen=_written(row, look, now),
            unhealthy_looks=min(unhealthy, 1000),
            **price,
        )
        if changed:
            GpuSample.objects.create(endpoint=row, at=now, seconds=seconds, cost=cost, **_counts(look))
    return changed == 1


def _mine(row: GpuEndpoint) -> QuerySet[GpuEndpoint]:
    return GpuEndpoint.objects.filter(pk=row.pk, looked_since=row.looked_since)


def _seconds(row: GpuEndpoint, now: datetime) -> float:
    since = (now - (row.watched_at or row.created_at)).total_seconds()
    return max(0.0, min(since, LONGEST * settings.GPU_WATCH_SECONDS))


def _counts(look: Look) -> dict[str, int]:
    names = ("running", "idle", "initializing", "throttled", "unhealthy")
    counts = {name: getattr(look.workers, name) for name in names}
    return counts | {"in_queue": look.health.in_queue, "in_progress": look.health.in_progress}


def _written(row: GpuEndpoint, look: Look, now: datetime) -> dict[str, Any]:
    """What pages show of the look."""
    workers, health = look.workers, look.health
    is_starting = workers.initializing > 0 and workers.ready == 0
    is_waiting = is_starting or (health.in_queue > 0 and health.in_progress == 0 and workers.running == 0)
    seen: dict[str, Any] = {
        **_counts(look),
        "total": workers.total,
        "billed": workers.billed,
        "minimum": look.minimum,
        "maximum": look.maximum,
        "phase": look.readiness.phase.value,
        "members": [
            {"id": each.id, "status": each.status, "card": each.card, "stale": each.stale} for each in workers.members
        ],
    }
    return seen | ({"waiting_since": row.seen.get("waiting_since") or now.isoformat()} if is_waiting else {})


def _unseen(row: GpuEndpoint, error: GpuError) -> None:
    """Told once it lasts: from then on nobody knows what it costs."""
    if not row.ref or (row.watched_at or row.created_at) > clock.now() - gpu_rules.UNSEEN:
        return
    said = _("It could not be looked at for %(minutes)s minutes, so what it costs is not known: %(error)s")
    words = {"minutes": gpu_rules.UNSEEN // timedelta(minutes=1), "error": gpu_words.told(error)}
    alarms.settle(row, {"unseen": said % words}, {"unseen"})


def _stop_if_ordered(row: GpuEndpoint) -> None:
    """At once, since it costs: also where the look failed."""
    row.refresh_from_db()
    if row.order == EndpointOrder.STOP:
        gpu_tending.stop(row, STOP_SECONDS)
