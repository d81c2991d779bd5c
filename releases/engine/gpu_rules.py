"""The rules of the cost guard: what one look at an endpoint finds wrong, and why its spend must end."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db.models import Q
from django.utils.translation import gettext as _

from releases import lifecycle
from releases.endpoints import costs
from releases.engine import gpu_undoing
from releases.gpu.nouns import Health, Phase, Readiness, Workers
from releases.models import EndpointOrder, EndpointState, GpuEndpoint, GpuSettings

CRASH_LOOKS: Final = 3  # in a row with an unhealthy worker: a crash loop
LEFT_OVER: Final = timedelta(minutes=10)  # after its deployment ended an endpoint that never got into use is stopped
OTHERS_FIRST: Final = timedelta(minutes=3)  # for which the active one is spared while the others are being stopped
UNSEEN: Final = timedelta(minutes=10)  # without a look that worked after which nobody knows what it costs
NOT_STOPPED: Final = timedelta(minutes=3)  # after which an order to stop that is not done is told to people

IN_USE: Final = frozenset({EndpointState.STANDBY, EndpointState.ACTIVE, EndpointState.RETAINED})
UNFINISHED: Final = frozenset({EndpointState.CREATING, EndpointState.TESTING, EndpointState.FAILED})
# What a look decides; other kinds are the bills' and the daily check's.
KINDS: Final = frozenset({"broken", "capacity", "crashing", "gone", "not_stopped", "price", "stopped", "unseen"})


@dataclass(frozen=True)
class Look:
    """What was seen. `minimum` and `maximum`: numbers of workers that the provider has written down."""

    minimum: int
    maximum: int
    workers: Workers
    health: Health
    readiness: Readiness

    @property
    def is_closed(self) -> bool:
        """There is no worker, and none can come."""
        return self.maximum == 0 and self.workers.total == 0


@dataclass(frozen=True)
class Finding:
    """`alarms`: sentences by their kind. `stop`: why its spend must end, or ""."""

    alarms: dict[str, str] = field(default_factory=dict)
    stop: str = ""


def judge(row: GpuEndpoint, look: Look, now: datetime) -> Finding:
    """All that is wrong with it. The row is as it was written after the look."""
    alarms = dict(_about(row, look, now))
    stop = "" if look.is_closed else _why_stop(row, look, now)
    if stop:
        alarms["stopped"] = _("The cost guard stops it: %s") % stop
    elif "stopped" in row.alarms and (row.stopped_at or row.order == EndpointOrder.STOP):
        alarms["stopped"] = row.alarms["stopped"]
    return Finding(alarms, stop)


def _about(row: GpuEndpoint, look: Look, now: datetime) -> Iterator[tuple[str, str]]:
    if said := capacity(row, look.minimum, look.maximum):
        yield "capacity", said
    if row.unhealthy_looks >= CRASH_LOOKS and _still_answers(row, look):
        yield "crashing", _("Some of its workers crash again and again, and others answer. Read the worker's log.")
    if look.readiness.phase is Phase.BROKEN_IMAGE:
        yield "broken", _("Its workers look ready and take no request: the image does not ask for jobs. Stop it.")
    if row.price is None:
        yield "price", _("Its price is not known, so what it costs is not counted. Look at the account's cards.")
    if row.order == EndpointOrder.STOP and "not_stopped" in row.alarms:
        yield "not_stopped", row.alarms["not_stopped"]


def capacity(row: GpuEndpoint, minimum: int, maximum: int) -> str:
    """What is wrong with the numbers of workers at the provider, or "". Somebody else changed them: nothing here does
    that without writing it down.
    """
    if row.state not in IN_USE or row.order:
        return ""
    if row.stopped_at is not None:
        return _though_stopped(row, maximum)
    if maximum == 0 and row.max_workers > 0:
        return _zero(row)
    is_more = maximum > row.max_workers or minimum > row.min_workers
    if is_more or (_is_active(row) and maximum < row.max_workers):
        numbers = {"there": f"{minimum}-{maximum}", "here": f"{row.min_workers}-{row.max_workers}"}
        sentence = _("It has %(there)s workers at the provider, and %(here)s here. Allow it to set these again.")
        return sentence % numbers
    return ""


def _though_stopped(row: GpuEndpoint, maximum: int) -> str:
    if maximum:
        return _("It was stopped here, and may have %s workers at the provider. Stop it again, or allow it.") % maximum
    if "stopped" in row.alarms or not _is_active(row):
        return ""
    return _("It has the traffic and is stopped, so nobody is answered. Allow it again.")


def _zero(row: GpuEndpoint) -> str:
    if _is_active(row):
        return _(
            "The platform set its maximum of workers to 0, so nobody is answered. Allow it again; if that does not "
            "last, its workers crash."
        )
    return _(
        "The platform lowered its maximum of workers to 0, as after a week without requests: a rollback raises it "
        "again by itself."
    )


def _is_active(row: GpuEndpoint) -> bool:
    """It has the traffic, or may have it: a deployment stopped around its switch."""
    if row.state == EndpointState.ACTIVE:
        return True
    return row.state == EndpointState.STANDBY and row.pk in gpu_undoing.in_doubt(row.environment_id)


# Why the spend must end


def _why_stop(row: GpuEndpoint, look: Look, now: datetime) -> str:
    if row.unhealthy_looks >= CRASH_LOOKS and not _still_answers(row, look):
        return (
            _(
                "Its workers were unhealthy in %s looks in a row: a crash loop, which may cost and answers nothing. "
                "Read the worker's log; too little memory for the model and a wrong variable are the usual causes."
            )
            % CRASH_LOOKS
        )
    if is_left_over(row, now):
        return _("Its deployment ended and left it behind, and nothing needs it. Retire it, or run that deployment.")
    said = over_budget(row, now)
    if said and _is_active(row) and _others_go_first(row, now):
        return ""
    return said


def _still_answers(row: GpuEndpoint, look: Look) -> bool:
    """It has the traffic and some healthy workers: to stop it would do more harm than those that crash."""
    return _is_active(row) and look.workers.ready > 0


def is_left_over(row: GpuEndpoint, now: datetime, after: timedelta = LEFT_OVER) -> bool:
    """It never got into use, and the deployment that made it has ended for `after`."""
    pays_idle = row.state == EndpointState.STANDBY and row.activated_at is None and row.min_workers > 0
    if row.state not in UNFINISHED and not (pays_idle and not _is_active(row)):
        return False
    deployment = row.deployment
    if deployment is None:
        return row.state_since < now - after
    if deployment.status in lifecycle.ACTIVE:
        return False
    return max(deployment.finished_at or deployment.created_at, row.state_since) < now - after


def over_budget(row: GpuEndpoint, now: datetime) -> str:
    """Which budget is spent, told with the mend; or ""."""
    rules = GpuSettings.objects.filter(environment=row.environment_id).select_related("environment__project").first()
    if rules is None:
        return ""
    is_new = row.activated_at is None and row.state in UNFINISHED | {EndpointState.STANDBY}
    if is_new and rules.budget_deployment is not None:
        spent = costs.spent_by(row)
        if spent >= rules.budget_deployment:
            return _told(_("The budget of a deployment"), spent, rules.budget_deployment)
    begins = costs.day_begins(rules.environment, now), costs.month_begins(rules.environment, now)
    for name, budget, since in (
        (_("The budget of the day"), rules.budget_day, begins[0]),
        (_("The budget of the month"), rules.budget_month, begins[1]),
    ):
        if budget is not None and (spent := costs.spent(rules.environment, since)) >= budget:
            return _told(name, spent, budget)
    return ""


def _told(name: str, spent: Decimal, budget: Decimal) -> str:
    words = {"name": name, "spent": f"{spent:.2f}", "budget": f"{budget:.2f}"}
    sentence = _(
        "%(name)s is used up: %(spent)s of %(budget)s USD. It answers nothing until somebody allows it again, which "
        "needs a higher budget or a new period."
    )
    return sentence % words


def _others_go_first(row: GpuEndpoint, now: datetime) -> bool:
    """Endpoints without the traffic that cost something just now: those are stopped before the one that has it.

    Only for a while: what can't be looked at or stopped must not keep the active one spending.
    """
    recent = now - OTHERS_FIRST
    rows = row.environment.gpu_endpoints.living().exclude(pk=row.pk).exclude(ref="")
    rows = rows.filter(~Q(order=EndpointOrder.STOP) | Q(order_at__gte=recent), stopped_at=None, watched_at__gte=recent)
    return any(seen.get("billed", 0) for seen in rows.values_list("seen", flat=True))
