"""The gate: why a deployment may not start.

`blockers` is asked by the page to show the list, and by `engine.start` again inside the transaction that
starts it, whoever calls. It reads rows only; network facts (is the host reachable?) are read from rows that
checks wrote shortly before.
"""

from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from releases import lifecycle
from releases.gate import safety
from releases.gate.blocker import Blocker
from releases.models import ChecklistItem, Deployment, Environment, Host, Recovery

__all__ = ["HOST_CHECK_LIFETIME", "Blocker", "blockers", "environment_blockers", "stale", "valid_approvals"]

HOST_CHECK_LIFETIME = timedelta(minutes=10)


def blockers(
    deployment: Deployment, now: datetime, current_digest: str | None, *, emergency: bool = False
) -> list[Blocker]:
    """Every reason why `deployment` may not start at `now` (database clock); empty means go.

    `current_digest` is the digest of a plan built from the rows as they are now (None: it can't be built).
    In an emergency nobody is asked for consent, and no budget holds; what could do harm still shuts the gate.
    """
    if deployment.status != lifecycle.DRAFT:
        return [Blocker("not_draft", _("It was started already."), mend="deployment", target=deployment.pk)]
    found = _plan(deployment, current_digest)
    if not emergency:
        found += _checklist(deployment, now)
        found += _approvals(deployment)
        found += _budget(deployment)
        found += safety.proved_backups(deployment, now)
        found += safety.rehearsal(deployment, now)
    found += environment_blockers(deployment, now)
    found += _withheld(deployment)
    found += _hosts(deployment, now)
    found += _migration(deployment)
    found += safety.artifacts(deployment)
    found += safety.backups(deployment)
    found += safety.services(deployment)
    return found


def environment_blockers(deployment: Deployment, now: datetime) -> list[Blocker]:
    """The reasons that hold for a start and for a resume alike: a lock, another active deployment."""
    found = []
    environment = deployment.environment
    lock = getattr(environment, "lock", None)
    if lock is not None and lock.expires_at > now:
        detail = _("%(who)s since %(since)s: %(why)s") % {
            "who": lock.holder,
            "since": f"{environment.local(lock.since):%m-%d %H:%M}",
            "why": lock.reason,
        }
        found.append(Blocker("locked", _("The environment is locked"), detail, "unlock", environment.pk))
    active = environment.deployments.filter(status__in=lifecycle.ACTIVE).exclude(pk=deployment.pk).first()
    if active is not None:
        found.append(_held(environment, active))
    return found


def _withheld(deployment: Deployment) -> list[Blocker]:
    """A release that was rolled back by a rule does not come back before a person has said so."""
    if deployment.undoes_id is not None:
        return []
    recovery = (
        Recovery.objects.uncleared()
        .filter(deployment__release=deployment.release_id, deployment__environment=deployment.environment_id)
        .first()
    )
    if recovery is None:
        return []
    message = _("The release was rolled back by itself")
    detail = _("#%(number)s: %(why)s. Look at it there, and let the release go on.")
    words = {"number": recovery.deployment_id, "why": recovery.because()}
    return [Blocker("withheld", message, detail % words, "deployment", recovery.deployment_id)]


def _held(environment: Environment, active: Deployment) -> Blocker:
    words = {"number": active.pk, "environment": environment}
    if active.status == lifecycle.UNKNOWN:
        detail = _(
            "#%(number)s holds %(environment)s: how one of its steps ended is unknown, and a person must decide."
        )
        message = _("The outcome of another deployment is unknown")
        return Blocker("active", message, detail % words, "deployment", active.pk, lifecycle.UNKNOWN)
    detail = _("#%(number)s holds %(environment)s.") % words
    return Blocker("active", _("Another deployment is active"), detail, "deployment", active.pk)


def stale(item: ChecklistItem, now: datetime, lifetime: int) -> bool:
    """A tick or proof older than `lifetime` seconds no longer counts."""
    return item.ticked_at is not None and item.ticked_at < now - timedelta(seconds=lifetime)


def _plan(deployment: Deployment, current_digest: str | None) -> list[Blocker]:
    if current_digest == deployment.plan.digest:
        return []
    message = _("The plan is out of date")
    detail = _("Something it rests on changed. Make a new plan; ticks and approvals must be given again.")
    return [Blocker("plan_changed", message, detail, "rebuild", deployment.pk)]


def _checklist(deployment: Deployment, now: datetime) -> list[Blocker]:
    found = []
    for item in deployment.checklist.all():
        mend = "prove" if item.check_kind else "tick"
        title = item.title()
        if item.proof == ChecklistItem.Proof.FAILED:
            found.append(Blocker("proof_failed", _("A check failed: %s") % title, item.note, mend, item.pk))
        elif item.ticked_at is None or item.plan_digest != deployment.plan.digest:
            detail = _("The plan changed after it was ticked.") if item.voided_digest else ""
            found.append(Blocker("unticked", _("Not ticked: %s") % title, detail, mend, item.pk))
        elif stale(item, now, deployment.environment.checklist_lifetime):
            detail = _("Ticked at %s.") % f"{deployment.environment.local(item.ticked_at):%m-%d %H:%M}"
            found.append(Blocker("tick_stale", _("Too old: %s") % title, detail, mend, item.pk))
    return found


def _approvals(deployment: Deployment) -> list[Blocker]:
    environment = deployment.environment
    given = valid_approvals(deployment)
    missing = environment.approvals_required - given
    if missing <= 0:
        return []
    message = ngettext("%(missing)s approval missing", "%(missing)s approvals missing", missing) % {"missing": missing}
    if environment.approver_not_requester:
        detail = _("%(environment)s needs %(required)s from people other than the requester; it has %(given)s.")
    else:
        detail = _("%(environment)s needs %(required)s; it has %(given)s.")
    counts = {"environment": environment, "required": environment.approvals_required, "given": given}
    return [Blocker("approval_missing", message, detail % counts, "approve", deployment.pk)]


def valid_approvals(deployment: Deployment) -> int:
    """How many people consent to the plan as it is: still allowed to approve, and not the requester if so ruled."""
    approvals = deployment.approvals.filter(
        plan_digest=deployment.plan.digest,
        withdrawn_at__isnull=True,
        user__is_active=True,
        user__memberships__project=deployment.environment.project_id,
        user__memberships__can_approve=True,
    )
    if deployment.environment.approver_not_requester:
        approvals = approvals.exclude(user=deployment.requested_by_id)
    return approvals.values("user").distinct().count()


def _budget(deployment: Deployment) -> list[Blocker]:
    environment, plan = deployment.environment, deployment.plan
    found = []
    if plan.downtime_estimate > environment.downtime_budget:
        detail = _("%(estimate)s s expected, %(budget)s s allowed.")
        numbers = {"estimate": plan.downtime_estimate, "budget": environment.downtime_budget}
        found.append(Blocker("over_downtime", _("The downtime budget is exceeded"), detail % numbers))
    if plan.estimate > environment.duration_budget:
        detail = _("%(estimate)s s expected, %(budget)s s allowed.")
        numbers = {"estimate": plan.estimate, "budget": environment.duration_budget}
        found.append(Blocker("over_duration", _("The duration budget is exceeded"), detail % numbers))
    return found


def _hosts(deployment: Deployment, now: datetime) -> list[Blocker]:
    found = []
    for host in Host.objects.filter(environment=deployment.environment, role__in=deployment.plan.content["hosts"]):
        if not host.host_key:
            message = _("The host key of %s is not pinned") % host
            found.append(Blocker("host_unpinned", message, _("Enrol the host first."), "pin_host", host.pk))
        elif host.last_checked_at is None or host.last_checked_at < now - HOST_CHECK_LIFETIME:
            message = _("%s was not checked lately") % host
            found.append(Blocker("host_unchecked", message, "", "check_hosts", deployment.pk))
        elif not host.last_check_ok:
            message = _("%s can't be reached") % host
            found.append(Blocker("host_unreachable", message, host.last_check_detail, "check_hosts", deployment.pk))
    return found


def _migration(deployment: Deployment) -> list[Blocker]:
    release = deployment.release
    if deployment.undoes_id is None and release.schema_changed and not release.migration_sql.strip():
        detail = _("The release changes the schema; give its migration SQL on the release's page.")
        return [Blocker("migration_missing", _("The migration SQL is missing"), detail, "release", release.pk)]
    return []
