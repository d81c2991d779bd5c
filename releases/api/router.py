"""The routes. Each begins with what it needs; a refusal of the engine becomes 409 with its reasons."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Status
from ninja.pagination import LimitOffsetPagination, paginate
from ninja.security import django_auth

from releases import lifecycle, permissions
from releases.api import answers, costs, gpu, schemas
from releases.engine import consent, decide, looking, prepare, recovery, roll_back, start, undoing, wake
from releases.engine.errors import Blocked, EngineError, NotAllowed
from releases.models import ChecklistItem, Deployment, Environment, Host, Release, Step
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.secret_fields import refuse_secrets

api = NinjaAPI(
    title="Cloud Wiki",
    version="1",
    auth=django_auth,
    urls_namespace="api",
    docs_url=None,
    docs_decorator=member_required,
)
PARTS = ("environment__project", "plan", "release", "requested_by", "started_by", "only_service")
api.add_router("", gpu.router)
api.add_router("", costs.router)


@api.exception_handler(EngineError)
def refused(request: HttpRequest, error: EngineError) -> HttpResponse:
    """403 for what the person may not do, 409 for what can't be done now."""
    blockers = [answers.blocker_out(blocker) for blocker in error.blockers] if isinstance(error, Blocked) else []
    status = 403 if isinstance(error, NotAllowed) else 409
    return api.create_response(request, {"message": str(error), "blockers": blockers}, status=status)


@api.exception_handler(lifecycle.ForbiddenTransition)
def forbidden(request: HttpRequest, error: lifecycle.ForbiddenTransition) -> HttpResponse:
    """A verb that does not fit the status found."""
    return api.create_response(request, {"message": str(error), "blockers": []}, status=409)


def _deployment(request: HttpRequest, number: int, need: Need) -> Deployment:
    return permissions.get(Deployment, signed_in(request), need, *PARTS, pk=number)


def _step(request: HttpRequest, number: int) -> Step:
    return permissions.get(Step, signed_in(request), Need.OPERATE, "deployment__environment", pk=number)


@api.get("/releases", response=list[dict[str, Any]])
@paginate(LimitOffsetPagination)
def releases(request: HttpRequest) -> Any:
    """The releases of your projects, newest first; `gpu`: it is a model."""
    rows = permissions.visible(Release, signed_in(request)).select_related("project", "gpu")
    return [
        {"id": r.pk, "version": r.version, "commit": r.commit, "project": r.project.slug, "gpu": hasattr(r, "gpu")}
        for r in rows
    ]


@api.get("/environments", response=list[dict[str, Any]])
def environments(request: HttpRequest) -> Any:
    """The environments of your projects."""
    rows = permissions.visible(Environment, signed_in(request)).select_related("project")
    return [{"id": e.pk, "key": e.key, "name": e.name, "project": e.project.slug} for e in rows]


@api.get("/deployments", response=list[schemas.DeploymentOut])
@paginate(LimitOffsetPagination)
def deployments(request: HttpRequest) -> Any:
    """The deployments of your projects, newest first."""
    rows = permissions.visible(Deployment, signed_in(request)).select_related(*PARTS).order_by("-pk")
    return [answers.deployment_out(row) for row in rows]


@api.post("/deployments", response={200: schemas.DeploymentOut, 201: schemas.DeploymentOut, 409: schemas.ErrorOut})
def make_deployment(request: HttpRequest, wish: schemas.DeploymentIn) -> Any:
    """Prepare a draft deployment with its plan."""
    user = signed_in(request)
    environment = permissions.get(Environment, user, Need.OPERATE, "project", "runbook", pk=wish.environment)
    release = permissions.get(Release, user, Need.VIEW, "project", pk=wish.release)
    made, new = prepare.prepare(release, environment, user, actor(request), wish.idempotency_key)
    wake.send("check_hosts", environment.pk)
    return Status(201 if new else 200, answers.deployment_out(made))


@api.get("/deployments/{number}", response=schemas.DeploymentDetailOut)
def deployment(request: HttpRequest, number: int) -> Any:
    """One deployment with its steps, checklist, blockers and downtime."""
    return answers.detail_out(_deployment(request, number, Need.VIEW))


@api.post("/deployments/{number}/rebuild", response=schemas.DeploymentOut)
def rebuild(request: HttpRequest, number: int) -> Any:
    """Make a new plan from the rows as they are now."""
    found = _deployment(request, number, Need.OPERATE)
    prepare.rebuild(found, actor(request))
    return answers.deployment_out(found)


@api.post("/checklist/{number}/tick", response={200: schemas.DigestIn, 409: schemas.ErrorOut})
def tick(request: HttpRequest, number: int, given: schemas.DigestIn) -> Any:
    """Tick a manual box for the plan you read."""
    user = signed_in(request)
    item = permissions.get(ChecklistItem, user, Need.OPERATE, "deployment__environment", pk=number)
    refuse_secrets(request, item, "note", given.note, given.not_a_secret)
    consent.tick(item, user, actor(request), given.digest, given.note)
    return given


@api.post("/checklist/{number}/prove", response={202: dict[str, Any]})
def prove(request: HttpRequest, number: int) -> Any:
    """Ask for the check of a box; its outcome shows in the deployment."""
    user = signed_in(request)
    item = permissions.get(ChecklistItem, user, Need.OPERATE, "deployment__environment", pk=number)
    consent.proof_begins(item)
    who = actor(request)
    wake.prover(item.pk, user.pk, who.address)
    return Status(202, {"item": item.pk})


@api.post("/deployments/{number}/approve", response={200: schemas.DigestIn, 409: schemas.ErrorOut})
def approve(request: HttpRequest, number: int, given: schemas.DigestIn) -> Any:
    """Consent to the plan you read."""
    found = _deployment(request, number, Need.APPROVE)
    refuse_secrets(request, found, "note", given.note, given.not_a_secret)
    consent.approve(found, signed_in(request), actor(request), given.digest, given.note)
    return given


@api.post("/deployments/{number}/start", response={200: schemas.DeploymentOut, 409: schemas.ErrorOut})
def start_deployment(request: HttpRequest, number: int, given: schemas.DigestIn) -> Any:
    """Start it, if the gate is open."""
    found = _deployment(request, number, Need.OPERATE)
    start.start(found, signed_in(request), actor(request), given.digest)
    return answers.deployment_out(found)


@api.post("/deployments/{number}/cancel", response={200: schemas.DeploymentOut, 409: schemas.ErrorOut})
def cancel(request: HttpRequest, number: int) -> Any:
    """End a running deployment, or put a draft away."""
    found = _deployment(request, number, Need.OPERATE)
    decide.cancel(found, actor(request))
    return answers.deployment_out(found)


@api.post(
    "/deployments/{number}/roll-back",
    response={200: schemas.DeploymentOut, 201: schemas.DeploymentOut, 409: schemas.ErrorOut},
)
def roll_back_deployment(request: HttpRequest, number: int, wish: schemas.RollBackIn) -> Any:
    """Prepare the draft of a rollback with its plan; the gate guards it like any other."""
    found = _deployment(request, number, Need.OPERATE)
    way = undoing.way_of(found, wish.first, wish.service)
    made, new = roll_back.draft(way, signed_in(request), actor(request), wish.idempotency_key)
    wake.send("check_hosts", found.environment_id)
    return Status(201 if new else 200, answers.deployment_out(made))


@api.post("/deployments/{number}/emergency", response={202: dict[str, Any], 409: schemas.ErrorOut})
def emergency(request: HttpRequest, number: int, given: schemas.EmergencyIn) -> Any:
    """Roll back now, without approvals, for a reason that everyone sees."""
    found = _deployment(request, number, Need.OPERATE)
    consent.require_name(given.confirm_name, found.environment, _("confirm_name: give %s exactly to roll back there."))
    made = recovery.ask(found, signed_in(request), actor(request), given.reason)
    return Status(202, {"recovery": made.pk})


@api.post("/steps/{number}/retry", response={200: schemas.ReasonIn, 409: schemas.ErrorOut})
def retry(request: HttpRequest, number: int, given: schemas.ReasonIn) -> Any:
    """Try a stopped step again."""
    step = _step(request, number)
    refuse_secrets(request, step, "reason", given.reason, given.not_a_secret)
    decide.retry(step, actor(request), given.reason)
    return given


@api.post("/steps/{number}/skip", response={200: schemas.ReasonIn, 409: schemas.ErrorOut})
def skip(request: HttpRequest, number: int, given: schemas.ReasonIn) -> Any:
    """Leave a stopped step out."""
    step = _step(request, number)
    refuse_secrets(request, step, "reason", given.reason, given.not_a_secret)
    decide.skip(step, actor(request), given.reason)
    return given


@api.post("/steps/{number}/confirm", response={200: schemas.ConfirmIn, 409: schemas.ErrorOut})
def confirm(request: HttpRequest, number: int, given: schemas.ConfirmIn) -> Any:
    """Answer a manual step."""
    step = _step(request, number)
    refuse_secrets(request, step, "note", given.note, given.not_a_secret)
    decide.confirm(step, actor(request), given.worked, given.note, [])
    return given


@api.post("/steps/{number}/look", response={202: schemas.LookOut, 409: schemas.ErrorOut})
def look(request: HttpRequest, number: int) -> Any:
    """Run the probe command of a step of unknown outcome; what it shows stands in the deployment's step."""
    made = looking.ask(_step(request, number), signed_in(request), actor(request))
    made.refresh_from_db()
    return Status(202, answers.look_out(made))


@api.post("/steps/{number}/resolve", response={200: schemas.AnswerIn, 409: schemas.ErrorOut})
def resolve(request: HttpRequest, number: int, given: schemas.AnswerIn) -> Any:
    """Say how an unknown step ended."""
    step = _step(request, number)
    refuse_secrets(request, step, "reason", given.reason, given.not_a_secret)
    decide.resolve(step, actor(request), given.answer, given.reason)
    return given


@api.post("/hosts/{number}/check", response={202: dict[str, Any]})
def check_host(request: HttpRequest, number: int) -> Any:
    """Try the hosts of this host's environment; what is found shows on the host."""
    host = permissions.get(Host, signed_in(request), Need.OPERATE, "environment__project", pk=number)
    wake.send("check_hosts", host.environment_id)
    return Status(202, {"host": host.pk})
