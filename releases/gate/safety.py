"""What makes a start safe: backups as they were signed, proved copies, a rehearsed way back, artifacts."""

from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from releases import compatibility, lifecycle
from releases.actions.backed_up import backing_up, things
from releases.actions.restorable import Signed
from releases.gate.blocker import Blocker
from releases.models import Backup, Deployment
from releases.way_back import WayBack


def backups(deployment: Deployment) -> list[Blocker]:
    """What steps put back must be there, as it was signed, and not be known to be damaged."""
    found = []
    for backup in Signed(deployment.plan.content).needed(deployment.environment):
        if isinstance(backup, str):
            found.append(Blocker("backup_missing", _("A backup is missing"), backup))
        elif backup.refuted_at is not None:
            detail = _("A restore of it was tried and failed. Open the backup's page.")
            found.append(Blocker("backup_refuted", _("%s can't be restored") % backup, detail, "backup", backup.pk))
    return found


def services(deployment: Deployment) -> list[Blocker]:
    """One service goes back only beside others that it is not known to fail with."""
    way = WayBack.of(deployment)
    if way is None or way.service is None or not (sentence := compatibility.broken(way)):
        return []
    return [
        Blocker(
            "incompatible",
            _("The services would not work together"),
            sentence,
            "compatibility",
            way.undoes.environment.project_id,
        )
    ]


def proved_backups(deployment: Deployment, now: datetime) -> list[Blocker]:
    """Where the environment asks for it: of each thing that the plan backs up, a proved copy that is young enough."""
    environment = deployment.environment
    hours = environment.backup_proof_hours
    if hours is None or deployment.undoes_id is not None or deployment.is_gpu:
        return []
    hosts = {host.role: host for host in environment.hosts.all()}
    wanted = things(backing_up(deployment.plan.content, hosts), hosts)
    if not environment.deployments.of_software().filter(status=lifecycle.SUCCEEDED).exists():
        # Before the first deployment there may be no files to copy yet.
        wanted = [thing for thing in wanted if thing.kind == Backup.Kind.DATABASE]
    proved = environment.backups.kept().filter(proved_at__isnull=False, created_at__gte=now - timedelta(hours=hours))
    young = set(proved.values_list("kind", "host_id", "series"))
    missing = [thing.series for thing in wanted if (thing.kind, thing.host_id, thing.series) not in young]
    if not missing:
        return []
    message = _("No proved backup is younger than %s h") % hours
    return [Blocker("backup_unproved", message, ", ".join(missing), "back_up", environment.pk)]


def rehearsal(deployment: Deployment, now: datetime) -> list[Blocker]:
    """Where the environment asks for it: the way back was tried elsewhere not long ago, with a database if need be."""
    environment, days = deployment.environment, deployment.environment.rehearsal_days
    if days is None or deployment.undoes_id is not None or deployment.is_gpu:
        return []
    last = environment.last_rehearsal(with_database=deployment.release.schema_changed)
    if last is not None and last.finished_at is not None and last.finished_at >= now - timedelta(days=days):
        return []
    if environment.rehearsed_in is None:
        detail = _("Choose in its rules where rollbacks are rehearsed.")
        return [Blocker("not_rehearsed", _("No rollback was rehearsed"), detail, "environment", environment.pk)]
    if deployment.release.schema_changed:
        detail = _("Roll back a release that changes the schema in %(where)s, with the rollback runbook as it is now.")
    else:
        detail = _("Roll back a release in %(where)s, with the rollback runbook as it is now.")
    message = ngettext(
        "No rollback was rehearsed within %(days)s day", "No rollback was rehearsed within %(days)s days", days
    )
    where = environment.rehearsed_in
    return [Blocker("not_rehearsed", message % {"days": days}, detail % {"where": where}, "environment", where.pk)]


def artifacts(deployment: Deployment) -> list[Blocker]:
    """What is sent must be signed: built by an earlier step, or recorded with its SHA-256 before the approval."""
    content = deployment.plan.content
    steps = [step for step in content["steps"] if not step["skipped_because"]]
    built = {name for step in steps for name in step["parameters"].get("produces", [])}
    sent = {step["parameters"].get("artifact", "") for step in steps if step["action"] == "upload"} - {""}
    recorded = {artifact["name"] for artifact in content["release"]["artifacts"] if artifact["sha256"]}
    found = []
    for name in sorted(sent - built - recorded):
        message = _("The SHA-256 of the artifact %s is not recorded") % name
        detail = _("Add it on the release's page and take its SHA-256, then make a new plan.")
        found.append(Blocker("artifact_unrecorded", message, detail, "release", deployment.release_id))
    return found
