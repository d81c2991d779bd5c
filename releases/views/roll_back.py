"""The page before a rollback: what will happen, from which backups, and what is lost. Then its draft."""

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from releases import permissions
from releases.actions import restorable
from releases.engine import clock, plan, prepare, roll_back, wake
from releases.engine.errors import EngineError
from releases.models import Backup, Deployment, Release
from releases.permissions import Need, actor, member_required, signed_in
from releases.runbooks.plan import PlannedStep
from releases.views.answers import verb

PARTS = ("environment__project", "environment__rollback_runbook", "release__project", "plan")


@require_GET
@member_required
def ask(request: HttpRequest, number: int) -> HttpResponse:
    """What a rollback of the deployment would do; nothing is made or run yet."""
    deployment = permissions.get(Deployment, signed_in(request), Need.OPERATE, *PARTS, pk=number)
    context = {"deployment": deployment, "section": "deployments", "key": uuid.uuid4().hex}
    try:
        roll_back.require_undoable(deployment)
        context |= _preview(deployment)
    except EngineError as error:
        context["problem"] = str(error)
    return render(request, "releases/roll_back.html", context)


@verb
def make(request: HttpRequest, number: int) -> HttpResponse:
    """Make the rollback's draft; it is checked, approved and started like any other deployment."""
    deployment = permissions.get(Deployment, signed_in(request), Need.OPERATE, *PARTS, pk=number)
    key = request.POST.get("idempotency_key", "")
    if not 8 <= len(key) <= 64:
        raise EngineError(_("Open the page again, and press the button there."))
    made, is_new = roll_back.draft(deployment, signed_in(request), actor(request), key)
    if is_new:
        wake.send("check_hosts", deployment.environment_id)
    return redirect("releases:deployment", made.pk)


def _preview(deployment: Deployment) -> dict[str, Any]:
    """The plan as it would be, without keeping it. Raises EngineError where there can be none."""
    environment = deployment.environment
    release = roll_back.running_before(deployment) or _unnamed(deployment)
    version = prepare.runbook_version(environment, deployment)
    now = clock.now()
    content = plan.content_of(release, environment, version, f"{environment.local(now):%Y%m%d}", deployment)
    steps = [PlannedStep.from_json(entry) for entry in content["steps"]]
    backups = restorable.candidates(deployment)
    dumps = [backup for backup in backups if backup.kind == Backup.Kind.DATABASE]
    has_restore = any(step.action == "restore_database" and not step.skipped_because for step in steps)
    return {
        "to": release,
        "steps": [step for step in steps if not step.skipped_because],
        "totals": content["totals"],
        "backups": backups,
        "data_since": dumps[-1].created_at if has_restore and dumps else None,
        "last": roll_back.last_taken(deployment),
    }


def _unnamed(deployment: Deployment) -> Release:
    """A release that is only shown: the row is made with the draft."""
    return Release(
        project=deployment.release.project, version=roll_back.name_before(deployment), commit=roll_back.NO_COMMIT
    )
