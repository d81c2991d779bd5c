"""The page before a rollback: what will happen, from which backups, and what is lost. Then its draft."""

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from releases import permissions
from releases.actions import restorable
from releases.engine import plan, roll_back, undoing, wake
from releases.engine.errors import EngineError
from releases.models import Backup, Deployment
from releases.permissions import Need, actor, member_required, signed_in
from releases.runbooks.plan import PlannedStep
from releases.views.run_state import local

PARTS = (
    "environment__project",
    "environment__rollback_runbook",
    "environment__rehearsed_in",
    "release__project",
    "plan",
)


@require_http_methods(["GET", "POST"])
@member_required
def ask_or_make(request: HttpRequest, number: int) -> HttpResponse:
    """What a rollback of the deployment would do; a POST makes its draft, which the gate guards like any other."""
    deployment = permissions.get(Deployment, signed_in(request), Need.OPERATE, *PARTS, pk=number)
    context = {"deployment": deployment, "section": "deployments", "key": uuid.uuid4().hex}
    try:
        if request.method == "POST":
            return redirect("releases:deployment", _made(request, deployment).pk)
        undoing.require_undoable(deployment, once_ended=True)
        context |= _preview(deployment)
    except EngineError as error:
        context["problem"] = str(error)
    return render(request, "releases/roll_back.html", context, status=409 if request.method == "POST" else 200)


def _made(request: HttpRequest, deployment: Deployment) -> Deployment:
    key = request.POST.get("idempotency_key", "")
    if not 8 <= len(key) <= 64 or "\0" in key:
        raise EngineError(_("Open the page again, and press the button there."))
    made, is_new = roll_back.draft(deployment, signed_in(request), actor(request), key)
    if is_new:
        wake.send("check_hosts", deployment.environment_id)
    return made


def _preview(deployment: Deployment) -> dict[str, Any]:
    """The plan as it would be, without keeping it. Raises EngineError where there can be none."""
    before = undoing.running_before(deployment)
    facts = plan.changes(deployment.release, deployment)
    content = roll_back.content_of(deployment)
    steps = [PlannedStep.from_json(entry) for entry in content["steps"]]
    backups = restorable.candidates(deployment, {step.action for step in steps if not step.skipped_because})
    dumps = [backup for backup in backups if backup.kind == Backup.Kind.DATABASE]
    restores = any(step.action == "restore_database" and not step.skipped_because for step in steps)
    return {
        "to": before.version if before else undoing.name_before(deployment),
        "steps": [
            {
                "number": step.number,
                "title": local(step.title),
                "lines": step.lines,
                "estimate": step.estimate,
                "opens_downtime": step.opens_downtime,
                "closes_downtime": step.closes_downtime,
            }
            for step in steps
            if not step.skipped_because
        ],
        "past_return": [
            {"title": local(step.title), "why": local(step.irreversible)} for step in undoing.past_return(deployment)
        ],
        "totals": content["totals"],
        "backups": backups,
        "data_since": dumps[0].created_at if dumps else None,
        "has_new_schema": facts["schema_changed"],
        "restores_data": restores,
        "last": undoing.last_taken(deployment),
        "rehearsal": deployment.environment.last_rehearsal(with_database=restores),
    }
