"""Emergency rollbacks: asking for one, saying no to one, and letting things go on after one."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from releases import permissions
from releases.engine import consent, recovery, rollback_rules, undoing
from releases.models import Deployment, Recovery
from releases.permissions import Need, actor, signed_in
from releases.views.answers import back_to, done, verb
from releases.views.run_state import Run
from releases.views.secret_fields import free_text

PARTS = ("deployment__environment__project", "rollback")


@verb
def emergency(request: HttpRequest, number: int) -> HttpResponse:
    """Roll back at once; production asks for the environment's name."""
    parts = ("environment__project", "environment__rollback_runbook", "release")
    deployment = permissions.get(Deployment, signed_in(request), Need.OPERATE, *parts, pk=number)
    consent.require_name(
        request.POST.get("confirm_name", ""),
        deployment.environment,
        _("Environment name: type %s exactly to roll back there."),
    )
    recovery.ask(deployment, signed_in(request), actor(request), request.POST.get("reason", ""))
    return back_to(deployment)


@verb
def refuse(request: HttpRequest, number: int) -> HttpResponse:
    """No rollback."""
    found = _found(request, number)
    recovery.refuse(found, signed_in(request), actor(request))
    return back_to(found.deployment)


@verb
def hurry(request: HttpRequest, number: int) -> HttpResponse:
    """Now, without waiting for a no."""
    found = _found(request, number)
    recovery.hurry(found, actor(request))
    return back_to(found.deployment)


@verb
def clear(request: HttpRequest, number: int) -> HttpResponse:
    """The rules of the environment and the release may go on."""
    found = _found(request, number)
    recovery.clear(found, signed_in(request), actor(request), free_text(request, found, "reason", 500))
    done(request, _("The rules of %s count again, and the release may be deployed.") % found.deployment.environment)
    return back_to(found.deployment)


def _found(request: HttpRequest, number: int) -> Recovery:
    return permissions.get(Recovery, signed_in(request), Need.OPERATE, *PARTS, pk=number)


def of_run(run: Run) -> dict[str, Any]:
    """What the page of a run says of its emergency rollback; four queries at most."""
    deployment = run.deployment
    rows = Recovery.objects.select_related("rollback", "asked_by", "ended_by", "cleared_by")
    own = list(rows.filter(deployment=deployment))
    found = own[0] if own else None
    until = rollback_rules.watched_until(deployment)
    is_watched = until is not None and run.now < until and not rollback_rules.is_settled(deployment, own)
    waits = found is not None and found.ended_at is None and run.now < found.starts_at
    return {
        "recovery": found,
        "recovery_wait": (found.starts_at - run.now).total_seconds() if found and waits else None,
        "may_operate": run.may_operate,
        "unclear": next((one for one in own if one.is_uncleared), None),
        "emergency": rows.filter(rollback=deployment).first() if deployment.undoes_id else None,
        "watched_until": until if is_watched else None,
        "abortable": run.may_operate
        and deployment.is_active
        and deployment.environment.rollback_runbook_id is not None
        and (found is None or found.ended_at is not None)
        and undoing.is_undoable(deployment, once_ended=True),
    }
