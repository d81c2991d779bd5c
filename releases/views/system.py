"""The system page, and the same figures for Prometheus."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from cloudwiki import reach
from releases import permissions
from releases.models import Deployment, Lease
from releases.permissions import Need, member_required, signed_in
from releases.system import broker, picture
from releases.system import metrics as prometheus

SHOWN = 50  # rows of a list
SCHEME = "bearer "


@never_cache
@require_GET
@member_required
def system(request: HttpRequest) -> HttpResponse:
    """Workers, leases, queue, latencies, what was forgotten, what waits for a person: measured now."""
    permissions.require_system(signed_in(request))
    mine = permissions.projects(signed_in(request), Need.VIEW)
    found, database, seen = broker.look(), reach.postgresql(), picture.take()
    context = {
        "seen": seen,
        "broker": found,
        "database": database,
        "problems": _problems(seen, found, database),
        "workers": [
            {"worker": one, "driving": [_lease(lease, seen, mine) for lease in one.driving]} for one in seen.workers
        ],
        "leases": [_lease(lease, seen, mine) for lease in seen.leases[:SHOWN]],
        "forgotten": _forgotten(seen, mine)[:SHOWN],
        "waiting": [_attempt(one, mine) for one in seen.waiting[:SHOWN]],
        "limit": SHOWN,
    }
    return render(request, "releases/system.html", context)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For Prometheus, with the token of the settings; for people who may see the system page, without."""
    if not _has_token(request):
        user = request.user
        if "Authorization" in request.headers or isinstance(user, AnonymousUser):
            headers = {"WWW-Authenticate": "Bearer"}
            return HttpResponse("401 token missing or wrong\n", status=401, content_type="text/plain", headers=headers)
        permissions.require_system(signed_in(request))
    return HttpResponse(prometheus.text(), content_type=prometheus.CONTENT_TYPE)


def _has_token(request: HttpRequest) -> bool:
    token, given = settings.METRICS_TOKEN, request.headers.get("Authorization", "")
    if not token or not given.lower().startswith(SCHEME):
        return False
    return constant_time_compare(given[len(SCHEME) :].strip(), token)


def _problems(seen: picture.Picture, found: broker.Broker, database: reach.Answer) -> list[str]:
    """What is wrong, one sentence each."""
    texts = []
    if found.answer.problem:
        text = _(
            "Redis does not answer (%s). Steps go on on their hosts; new work and live lines wait until it is back."
        )
        texts.append(text % found.answer.problem)
    if database.problem:
        texts.append(_("PostgreSQL takes no new connection (%s).") % database.problem)
    if not any(worker.is_alive for worker in seen.workers):
        texts.append(
            _("No worker is alive. Steps go on on their hosts; nobody starts or follows one until a worker runs.")
        )
    if seen.reconcile is None or seen.reconcile.is_overdue:
        texts.append(_("Rows are not turned into messages: beat, every worker or Redis is away."))
    if seen.zombies:
        text = ngettext(
            "%s thing that should be worked on is not.", "%s things that should be worked on are not.", seen.zombies
        )
        texts.append(text % seen.zombies)
    return texts


def _deployment(deployment: Deployment, mine: set[int]) -> Deployment | None:
    """The deployment, for people who may see it; of another project's not even the number is told."""
    return deployment if deployment.environment.project_id in mine else None


def _lease(lease: Lease, seen: picture.Picture, mine: set[int]) -> dict[str, Any]:
    assert lease.until is not None  # noqa: S101 - a lease that holds has an end
    left = (lease.until - seen.now).total_seconds()
    return {"lease": lease, "deployment": _deployment(lease.deployment, mine), "left": left}


def _attempt(attempt: Any, mine: set[int]) -> dict[str, Any]:
    deployment = _deployment(attempt.step.deployment, mine)
    return {"attempt": attempt, "deployment": deployment, "since": attempt.started_at}


def _forgotten(seen: picture.Picture, mine: set[int]) -> list[dict[str, Any]]:
    rows: list[Any] = seen.undriven
    undriven = [{"deployment": _deployment(row, mine), "status": row.status, "since": row.since} for row in rows]
    orphans: list[Any] = seen.orphans
    return undriven + [_attempt(row, mine) | {"status": row.status, "since": row.since} for row in orphans]
