"""Building a plan: a release's runbook for one environment with every value filled in.

The plan's content is plain JSON; its digest is SHA-256 over the canonical form. Everything that an approver
consents to is inside: steps with their commands, hosts with their pinned keys, artifacts with their digests,
the environment's rules, names and versions of secrets (never a value).
"""

import hashlib
import json
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from releases import way_back
from releases.actions import restorable
from releases.engine import gpu_plan
from releases.engine.errors import EngineError
from releases.models import DeploymentKind, Environment, Plan, Release, RunbookVersion, Service
from releases.runbooks import loader, model, plan
from releases.runbooks.messages import RunbookErrors
from releases.way_back import WayBack

_NOTHING: dict[str, Any] = {"service": "", "parts": {}, "backups": []}  # that a rollback of an endpoint puts back


class PlanError(EngineError):
    """The plan can't be built: a value is missing or wrong. The message names it and the mend."""


def canonical(content: dict[str, Any]) -> str:
    """The one JSON text of a content: sorted keys, no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_of(content: dict[str, Any]) -> str:
    """SHA-256 of the canonical content, hexadecimal."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def build(
    release: Release,
    environment: Environment,
    version: RunbookVersion,
    at: datetime,
    way: WayBack | None = None,
) -> Plan:
    """Make and store the plan; `at` (aware) gives `{date}` in the environment's zone. Raises PlanError."""
    content = content_of(release, environment, version, f"{environment.local(at):%Y%m%d}", way)
    return Plan.objects.create(
        environment=environment,
        release=release,
        runbook_version=version,
        content=content,
        digest=digest_of(content),
        estimate=content["totals"]["estimate"],
        downtime_estimate=content["totals"]["downtime"],
    )


def content_of(
    release: Release,
    environment: Environment,
    version: RunbookVersion,
    date: str,
    way: WayBack | None = None,
) -> dict[str, Any]:
    """Everything the digest signs, from the rows as they are now. Raises PlanError.

    A rollback goes back over what the deployments on its `way` changed, and signs the backups that it puts back.
    """
    runbook = load(version)
    _require_kind(version, runbook, release, way)
    secrets = {v.name: v.version for v in environment.variables.all() if v.is_secret}
    values = _values(runbook, release, environment, date, secrets)
    facts = changes(release, way)
    steps = _filled(runbook, values, secrets, facts, environment, way)
    _require_secrets(steps, environment, secrets)
    totals = plan.totals(steps)
    checklist = [_item(item) for item in runbook.checklist if not item.condition or facts[item.condition]]
    roles = {step.runs_on for step in steps} | {item["parameters"].get("runs_on", "") for item in checklist} - {""}
    return {
        "runbook": {"key": version.runbook.key, "number": version.number, "sha256": version.sha256},
        "environment": _rules(environment),
        "release": _shipped(release),
        # Where builds run and where commits are looked up.
        "project": {"workspace": release.project.workspace(), "repository": release.project.repository},
        "hosts": _hosts(environment, roles),
        "secrets": secrets,
        # A secret that was removed and added again begins at version 1 anew; its row is another one.
        "secret_rows": {v.name: v.pk for v in environment.variables.all() if v.is_secret},
        "date": date,
        "values": {name: values[name] for name in sorted(values)},
        "totals": {"estimate": totals.estimate, "downtime": totals.downtime},
        "checklist": checklist,
        "steps": [step.to_json() for step in steps],
        **({"rollback": _rollback(way, steps)} if way else {}),
        **_gpu(release, environment, way),
    }


def changes(release: Release, way: WayBack | None) -> dict[str, bool]:
    """What conditions ask for. Of a rollback: what the plans that ran had said, whatever their releases say by now."""
    if way is None or way.is_gpu:
        return {"schema_changed": release.schema_changed, "nginx_changed": release.nginx_changed}
    ran = [deployment.plan.content["release"] for deployment in way.together()]
    return {name: any(content[name] for content in ran) for name in ("schema_changed", "nginx_changed")}


def _rollback(way: WayBack, steps: tuple[plan.PlannedStep, ...]) -> dict[str, Any]:
    """What is undone, and what the steps put back for it. Raises PlanError where one service alone has no steps."""
    if way.is_gpu:
        return {"undoes": way.undoes.pk, "version": way.undoes.release.version, "together": [way.undoes.pk], **_NOTHING}
    if way.service:
        _require_own(steps, way.service)
    actions = {step.action for step in steps if not step.skipped_because}
    hosts = {host.role: host.pk for host in way.undoes.environment.hosts.all()}
    return {
        "undoes": way.undoes.pk,
        "version": way.undoes.release.version,
        "together": [deployment.pk for deployment in way.together()],
        "service": way.service.key if way.service else "",
        "parts": way_back.parts_before(way),
        "backups": restorable.signed(restorable.named(restorable.candidates(way, actions), steps, hosts)),
    }


def _filled(
    runbook: model.Runbook,
    values: dict[str, str],
    secrets: dict[str, int],
    facts: dict[str, bool],
    environment: Environment,
    way: WayBack | None,
) -> tuple[plan.PlannedStep, ...]:
    only = way.service.key if way and way.service else ""
    back = way_back.put_back_alone(way) if way and not way.service and not way.is_gpu else set()
    hosts = {h.role: {"server": h.address, "user": h.user} for h in environment.hosts.all()}
    try:
        return plan.fill(runbook, values, frozenset(secrets), facts, hosts, only, back)
    except plan.PlanErrors as error:
        raise PlanError(str(error)) from error


def _require_kind(version: RunbookVersion, runbook: model.Runbook, release: Release, way: WayBack | None) -> None:
    """A rollback is written in a rollback's runbook, an endpoint's deploy in one about endpoints."""
    sentence = _("%(runbook)s is a runbook of the kind %(kind)s; a rollback needs one whose kind is rollback.")
    if way:
        wanted = DeploymentKind.GPU_ROLLBACK if way.is_gpu else DeploymentKind.ROLLBACK
        if runbook.kind == wanted:
            return
    elif (runbook.kind == DeploymentKind.GPU_DEPLOY) == hasattr(release, "gpu"):
        return
    else:
        sentence = _("%(runbook)s is a runbook of the kind %(kind)s, which does not fit the release.")
    raise PlanError(sentence % {"runbook": version.runbook, "kind": runbook.kind})


def _gpu(release: Release, environment: Environment, way: WayBack | None) -> dict[str, Any]:
    """What the plan says of a GPU endpoint; nothing where it is about software. Raises EngineError."""
    if way is None:
        return {"gpu": gpu_plan.content_of(release, environment)} if hasattr(release, "gpu") else {}
    return {"gpu": gpu_plan.content_back(way.undoes)} if way.is_gpu else {}


def _require_own(steps: tuple[plan.PlannedStep, ...], service: Service) -> None:
    """One service alone can go back only where steps that will run are its own."""
    own = [step for step in steps if step.service == service.key]
    if not own:
        sentence = _(
            "No step of the rollback runbook is about %(service)s. Write service: %(key)s at the steps that are."
        )
        raise PlanError(sentence % {"service": service, "key": service.key})
    if all(step.skipped_because for step in own):
        raise PlanError(_("Nothing of %s was changed, so there is nothing to put back.") % service)


def load(version: RunbookVersion) -> model.Runbook:
    """The runbook of a version. Raises PlanError where it has errors."""
    try:
        return loader.load(version.text)
    except RunbookErrors as error:
        raise PlanError(_("The runbook has errors; open it and fix them first: %s") % error) from error


def _values(
    runbook: model.Runbook, release: Release, environment: Environment, date: str, secrets: dict[str, int]
) -> dict[str, str]:
    values = {spec.name: spec.default for spec in runbook.variables if spec.default is not None}
    values |= {v.name: v.value for v in environment.variables.all() if not v.is_secret}
    values |= _built_in(release, environment, date)
    plain = sorted(runbook.secret_names & set(values))
    if plain:
        raise PlanError(
            _("The runbook takes %(names)s for secret, %(environment)s keeps it in plain text; set it as a secret.")
            % {"environment": environment, "names": ", ".join(plain)}
        )
    missing = [s.name for s in runbook.variables if s.required and s.name not in values and s.name not in secrets]
    if missing:
        raise PlanError(
            _("%(environment)s has no value for %(names)s; add it under the environment's variables.")
            % {"environment": environment, "names": ", ".join(missing)}
        )
    return values


def _require_secrets(steps: tuple[plan.PlannedStep, ...], environment: Environment, secrets: dict[str, int]) -> None:
    """Every secret that a step opens is there, also one that the runbook calls optional. Raises PlanError."""
    opened = {name for step in steps for script in step.scripts.values() for name in script.secrets}
    opened |= {step.parameters.get("password_secret", "") for step in steps if not step.skipped_because} - {""}
    missing = sorted(opened - set(secrets))
    if missing:
        raise PlanError(
            _("%(environment)s has no value for %(names)s; add it under the environment's variables.")
            % {"environment": environment, "names": ", ".join(missing)}
        )


def _built_in(release: Release, environment: Environment, date: str) -> dict[str, str]:
    return {
        "version": release.version,
        "commit": release.commit,
        "branch": release.branch,
        "date": date,
        "project": release.project.slug,
        "environment": environment.key,
        "migration": release.migration_name,
    }


def _rules(environment: Environment) -> dict[str, Any]:
    return {
        "key": environment.key,
        "zone": environment.zone,
        "approvals_required": environment.approvals_required,
        "approver_not_requester": environment.approver_not_requester,
        "downtime_budget": environment.downtime_budget,
        "duration_budget": environment.duration_budget,
        "checklist_lifetime": environment.checklist_lifetime,
    }


def _shipped(release: Release) -> dict[str, Any]:
    return {
        "version": release.version,
        "commit": release.commit,
        "branch": release.branch,
        "schema_changed": release.schema_changed,
        "nginx_changed": release.nginx_changed,
        "migration": {
            "name": release.migration_name,
            "sha256": hashlib.sha256(release.migration_sql.encode()).hexdigest() if release.migration_sql else "",
        },
        "artifacts": [
            {"name": a.name, "path": a.path, "folder": a.is_folder, "sha256": a.sha256, "size": a.size}
            for a in release.artifacts.all()
        ],
    }


def _hosts(environment: Environment, roles: set[str]) -> dict[str, Any]:
    hosts = {host.role: host for host in environment.hosts.all()}
    missing = sorted(roles - set(hosts) - {model.CONTROLLER})
    if missing:
        raise PlanError(
            _("%(environment)s has no host with the role %(roles)s; add one under Hosts.")
            % {"environment": environment, "roles": ", ".join(missing)}
        )
    return {
        role: {"name": h.name, "address": h.address, "port": h.port, "user": h.user, "fingerprint": h.fingerprint}
        for role, h in sorted(hosts.items())
        if role in roles
    }


def _item(item: model.ChecklistSpec) -> dict[str, Any]:
    title = {"ko": item.title.ko, "en": item.title.en}
    return {"key": item.key, "title": title, "proof": item.proof, "parameters": dict(item.parameters)}
