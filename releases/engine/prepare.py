"""Making a draft deployment, and giving it a new plan when something it rests on changed."""

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from releases import audit, lifecycle
from releases.audit import Actor
from releases.engine import clock, gpu_plan, plan, touch, undoing
from releases.engine.errors import Conflict, EngineError
from releases.models import (
    ChecklistItem,
    Deployment,
    Environment,
    Plan,
    Release,
    Runbook,
    RunbookVersion,
    Step,
    User,
)
from releases.runbooks.model import Role
from releases.way_back import WayBack


def prepare(
    release: Release,
    environment: Environment,
    user: User | None,
    actor: Actor,
    idempotency_key: str,
    way: WayBack | None = None,
) -> tuple[Deployment, bool]:
    """Make the draft deployment of `release` to `environment`; a rollback (roll_back.py) says which `way` it goes.

    Without a `user`, a rule asks for it. The same `idempotency_key` (one press of one button) gives the same row back.
    Returns the deployment and whether it is new. Raises EngineError naming what is missing.
    """
    if release.project_id != environment.project_id:
        raise EngineError(_("The release and the environment belong to different projects."))
    existing = Deployment.objects.filter(idempotency_key=idempotency_key).first()
    if existing is not None:
        return _same_request(existing, release, environment, user, way), False
    version = runbook_version(environment, way, release)
    try:
        with transaction.atomic():
            made = plan.build(release, environment, version, clock.now(), way)
            deployment = Deployment.objects.create(
                environment=environment,
                release=release,
                plan=made,
                kind=version.runbook.kind,
                **(way.columns() if way else {}),
                idempotency_key=idempotency_key,
                requested_by=user,
            )
            _write_rows(deployment, made)
            audit.record(actor, "deployment.prepare", deployment, release=release.version, plan=made.digest)
    except IntegrityError:
        # The same press arrived twice at once; the other one made the row.
        existing = Deployment.objects.filter(idempotency_key=idempotency_key).first()
        if existing is None:
            raise
        return _same_request(existing, release, environment, user, way), False
    return deployment, True


def runbook_version(
    environment: Environment, way: WayBack | None = None, release: Release | None = None
) -> RunbookVersion:
    """The newest version of the environment's runbook, or of its rollback runbook. Raises EngineError without one.

    An endpoint's deploy and rollback have runbooks of their own.
    """
    spec = gpu_plan.spec_of(release) if release and way is None else None
    if spec or (way and way.is_gpu):
        runbook: Runbook | None = gpu_plan.runbook_of(environment, spec)
    else:
        runbook = environment.rollback_runbook if way else environment.runbook
    version = runbook.latest() if runbook else None
    if version is None and way:
        raise EngineError(_("%s has no rollback runbook yet; choose one in its settings.") % environment)
    if version is None:
        raise EngineError(_("%s has no runbook yet; choose one in its settings.") % environment)
    return version


def rebuild(deployment: Deployment, actor: Actor) -> bool:
    """Give a draft a plan of the rows as they are now. Returns False when nothing changed.

    Any change voids ticks and approvals: they are bound to the old digest. Raises Conflict after the start.
    """
    with transaction.atomic():
        locked = Deployment.objects.select_for_update(no_key=True).get(pk=deployment.pk)
        if locked.status != lifecycle.DRAFT:
            raise Conflict(_("A started deployment keeps its plan."))
        old = locked.plan
        way = WayBack.of(locked)
        if way:
            undoing.require_open(way)
        version = runbook_version(locked.environment, way, locked.release)
        new = plan.build(locked.release, locked.environment, version, clock.now(), way)
        if new.digest == old.digest:
            return False
        Deployment.objects.filter(pk=locked.pk).update(plan=new)
        deployment.plan = new
        locked.steps.all().delete()
        _write_rows(locked, new)
        _void(locked, old)
        touch.bump(locked.pk)
        audit.record(actor, "plan.rebuild", locked, old=old.digest, new=new.digest)
    return True


def _same_request(
    found: Deployment, release: Release, environment: Environment, user: User | None, way: WayBack | None
) -> Deployment:
    request = (release.pk, environment.pk, user.pk if user else None, way.key if way else (None, None, None))
    way_found = (found.undoes_id, found.undoes_first_id, found.only_service_id)
    if (found.release_id, found.environment_id, found.requested_by_id, way_found) != request:
        raise Conflict(_("This request key was used for another deployment; open the form again."))
    return found


def _write_rows(deployment: Deployment, made: Plan) -> None:
    """Write the plan's steps and checklist as rows of the deployment."""
    Step.objects.bulk_create(_step(deployment, n, entry) for n, entry in enumerate(made.content["steps"], start=1))
    wanted = {entry["key"]: (n, entry) for n, entry in enumerate(made.content["checklist"], start=1)}
    deployment.checklist.exclude(key__in=wanted).delete()
    for key, (position, entry) in wanted.items():
        ChecklistItem.objects.update_or_create(
            deployment=deployment,
            key=key,
            defaults={
                "position": position,
                "title_ko": entry["title"]["ko"],
                "title_en": entry["title"]["en"],
                "check_kind": entry["proof"],
            },
        )


def _step(deployment: Deployment, position: int, entry: dict) -> Step:  # type: ignore[type-arg]
    skipped = entry["skipped_because"]
    return Step(
        deployment=deployment,
        position=position,
        number=entry["number"],
        key=entry["key"],
        title_ko=entry["title"]["ko"],
        title_en=entry["title"]["en"],
        role=Role(entry["role"]).name.lower(),
        phase=entry["phase"],
        action=entry["action"],
        status=lifecycle.SKIPPED if skipped else lifecycle.PENDING,
        reason=skipped or "",
        estimate=entry["estimate"],
        opens_downtime=entry["opens_downtime"],
        closes_downtime=entry["closes_downtime"],
    )


def _void(deployment: Deployment, old: Plan) -> None:
    """Ticks and proofs of the old digest no longer count; remember that they were there."""
    deployment.checklist.filter(plan_digest=old.digest).update(
        plan_digest="", ticked_by=None, ticked_at=None, proof=ChecklistItem.Proof.NONE, voided_digest=old.digest
    )
