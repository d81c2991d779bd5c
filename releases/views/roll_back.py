"""The page before a rollback: what will happen, from which backups, and what is lost. Then its draft."""

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from releases import compatibility, permissions
from releases.engine import gpu_undoing, plan, prepare, roll_back, undoing, wake
from releases.engine.errors import EngineError
from releases.models import Backup, Deployment, GpuEndpoint
from releases.permissions import Need, actor, member_required, signed_in
from releases.runbooks.plan import PlannedStep
from releases.views.run_state import local
from releases.way_back import WayBack, stopped_rollbacks

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
    if deployment.is_gpu:
        return _of_endpoint(request, deployment, context)
    try:
        context |= _choices(deployment)
        way = _way(deployment, request.POST if request.method == "POST" else request.GET, context)
        context |= {"way": way}
        if request.method == "POST":
            return redirect("releases:deployment", _made(request, way).pk)
        undoing.require_open(way, once_ended=True)
        context |= _preview(way)
    except EngineError as error:
        context["problem"] = str(error)
    return render(request, "releases/roll_back.html", context, status=409 if request.method == "POST" else 200)


def _of_endpoint(request: HttpRequest, deployment: Deployment, context: dict[str, Any]) -> HttpResponse:
    """The same where the traffic of a GPU endpoint goes back to the one before it."""
    way = WayBack(deployment)
    try:
        if request.method == "POST":
            return redirect("releases:deployment", _made(request, way).pk)
        previous = gpu_undoing.require_open(deployment, once_ended=True)
        content = roll_back.content_of(way)
        steps = [_step(PlannedStep.from_json(entry)) for entry in content["steps"]]
        endpoint = GpuEndpoint.objects.get(deployment=deployment)
        context |= {"previous": previous, "endpoint": endpoint, "steps": steps, "totals": content["totals"]}
        context |= {"last": undoing.last_taken(way)}
    except EngineError as error:
        context["problem"] = str(error)
    return render(request, "releases/gpu/roll_back.html", context, status=409 if request.method == "POST" else 200)


def _made(request: HttpRequest, way: WayBack) -> Deployment:
    key = request.POST.get("idempotency_key", "")
    if not 8 <= len(key) <= 64 or "\0" in key:
        raise EngineError(_("Open the page again, and press the button there."))
    made, is_new = roll_back.draft(way, signed_in(request), actor(request), key)
    if is_new:
        wake.send("check_hosts", way.undoes.environment_id)
    return made


def _choices(deployment: Deployment) -> dict[str, Any]:
    """The versions down to which it can be gone back, and the services that can go back alone."""
    before = undoing.named_before([deployment, *undoing.choices(deployment)])
    version = prepare.runbook_version(deployment.environment, WayBack(deployment))
    keys = {step.service for step in plan.load(version).steps}
    services = list(deployment.environment.project.services.filter(key__in=keys - {""}))
    return {"versions": before, "services": services if len(services) > 1 else []}


def _way(deployment: Deployment, given: QueryDict, context: dict[str, Any]) -> WayBack:
    """What was chosen. Raises EngineError for a choice that is not offered."""
    first, key = given.get("first", ""), given.get("service", "")
    earlier = {str(row.pk): row for row, _version in context["versions"][1:]}
    services = {service.key: service for service in context["services"]}
    if (first and first not in earlier and first != str(deployment.pk)) or (key and key not in services):
        raise EngineError(_("That is not offered here any more. Choose again."))
    return WayBack(deployment, earlier.get(first), services.get(key))


def _preview(way: WayBack) -> dict[str, Any]:
    """The plan as it would be, without keeping it. Raises EngineError where there can be none."""
    content = roll_back.content_of(way)
    steps = [PlannedStep.from_json(entry) for entry in content["steps"]]
    steps = [step for step in steps if not step.skipped_because]
    numbers = [entry["id"] for entry in content["rollback"]["backups"]]
    backups = list(Backup.objects.filter(pk__in=numbers).defer("facts").order_by("pk"))
    dumps = [backup for backup in backups if backup.kind == Backup.Kind.DATABASE]
    restores = any(step.action == "restore_database" for step in steps)
    environment, target, together = way.undoes.environment, way.target(), way.together()
    return {
        "to": target.version if target else undoing.name_before(way.earliest),
        "missing": roll_back.missing(way, content),
        "steps": [_step(step) for step in steps],
        "together": together,
        "stopped": stopped_rollbacks(way),
        "pairs": compatibility.beside(way),
        "incompatible": compatibility.broken(way),
        "past_return": [
            {"title": local(step.title), "why": local(step.irreversible)} for step in undoing.past_return(*together)
        ],
        "totals": content["totals"],
        "backups": backups,
        "data_since": dumps[0].created_at if dumps else None,
        "has_new_schema": plan.changes(way.undoes.release, way)["schema_changed"],
        "restores_data": restores,
        "last": undoing.last_taken(way),
        "rehearsal": environment.last_rehearsal(with_database=restores),
    }


def _step(step: PlannedStep) -> dict[str, Any]:
    return {
        "number": step.number,
        "title": local(step.title),
        "lines": step.lines,
        "estimate": step.estimate,
        "opens_downtime": step.opens_downtime,
        "closes_downtime": step.closes_downtime,
    }
