"""Why a draft may not start, each reason with the button that mends it; and the checks that passed."""

from typing import Any, Final

from django.urls import reverse
from django.utils.translation import gettext as _

from releases.gate import Blocker
from releases.models import ChecklistItem, Deployment, Host
from releases.templatetags.figures import clock as as_clock

_STATES: Final = {
    "unticked": "pending",
    "tick_stale": "waiting",
    "approval_missing": "waiting",
    "locked": "waiting",
    "active": "waiting",
    "plan_changed": "waiting",
    "stale_page": "waiting",
    "host_unchecked": "pending",
    "withheld": "waiting",
}


def blocker_entries(found: list[Blocker], deployment: Deployment | None, may_operate: bool) -> list[dict[str, Any]]:
    """The reasons as the page shows them. Buttons that change something are for those who may operate."""
    items = {item.pk: item for item in deployment.checklist.all()} if deployment else {}
    return [_entry(blocker, items.get(blocker.target or 0), may_operate) for blocker in found]


def _entry(blocker: Blocker, item: ChecklistItem | None, may_operate: bool) -> dict[str, Any]:
    entry = {
        "state": blocker.state or _STATES.get(blocker.code, "failed"),
        "title": str(blocker.message),
        "detail": blocker.detail,
        "code": blocker.code,
    }
    if item is not None and blocker.mend in {"prove", "tick"} and item.proof == ChecklistItem.Proof.RUNNING:
        return entry | {"state": "running", "detail": _("It is being checked now.")}
    return entry | _button(blocker, item, may_operate)


def _button(blocker: Blocker, item: ChecklistItem | None, may_operate: bool) -> dict[str, Any]:
    """The way to the mend: a POST for what one press does, a link to where it is done."""
    posts = {
        "prove": ("releases:prove", _("Check now"), "refresh-cw"),
        "rebuild": ("releases:rebuild", _("Make a new plan"), "refresh-cw"),
        "check_hosts": ("releases:check_hosts", _("Try the hosts"), "plug"),
    }
    links = {
        "unlock": ("releases:environment", _("Go to the lock"), "lock"),
        "pin_host": ("releases:host", _("Enrol the host"), "fingerprint-pattern"),
        "release": ("releases:release", _("Go to the release"), "package"),
        "back_up": ("releases:environment_backups", _("Go to the backups"), "archive"),
        "environment": ("releases:environment", _("Go to the environment"), "server"),
        "backup": ("releases:backup", _("Go to the backup"), "archive"),
        "compatibility": ("releases:compatibility", _("Go to what works together"), "layers"),
        "deployment": ("releases:deployment", _("Go to the deployment"), "rocket"),
    }
    if blocker.mend in posts and blocker.target and may_operate:
        name, label, icon = posts[blocker.mend]
        return _action(reverse(name, args=[blocker.target]), label, icon, "post")
    if blocker.mend in links and blocker.target:
        name, label, icon = links[blocker.mend]
        return _action(reverse(name, args=[blocker.target]), label, icon, "get")
    if blocker.mend == "tick" and item is not None and may_operate:
        return _action(f"#check-{item.key}", _("Go to the box"), "check", "get")
    if blocker.mend == "approve":
        return _action("#approvals-title", _("Who can approve"), "users", "get")
    return {}


def _action(url: str, label: str, icon: str, method: str) -> dict[str, Any]:
    return {"action_url": url, "action_label": label, "action_icon": icon, "action_method": method}


def passed(deployment: Deployment, found: list[Blocker], hosts: list[Host]) -> list[str]:
    """What the gate looked at and found right, in the order in which it looks."""
    codes = {blocker.code for blocker in found}
    environment, release = deployment.environment, deployment.release
    limits = [
        ("over_downtime", _("Expected downtime %(expected)s, budget %(budget)s"), _downtimes(deployment)),
        ("over_duration", _("Expected duration %(expected)s, budget %(budget)s"), _durations(deployment)),
    ]
    lines = [
        ("plan_changed", _("The plan is up to date")),
        ("approval_missing", _("Approvals: enough") if environment.approvals_required else _("No approval needed")),
        ("active", _("No other deployment is active")),
        ("locked", _("The environment is not locked")),
        *((code, text % figures) for code, text, figures in limits),
        ("migration_missing", _("Migration SQL is there") if release.schema_changed else _("No migration needed")),
    ]
    if environment.rehearsal_days is not None and deployment.undoes_id is None:
        lines.append(("not_rehearsed", _("The way back was rehearsed")))
    hours = environment.backup_proof_hours
    if hours is not None and deployment.undoes_id is None:
        lines.append(("backup_unproved", _("Proved backups are younger than %s h") % hours))
    texts = [text for code, text in lines if code not in codes]
    blocked = {blocker.target for blocker in found if blocker.code == "host_unpinned"}
    silent = {blocker.code for blocker in found} & {"host_unchecked", "host_unreachable"}
    texts += [_("Host key pinned: %s") % host for host in hosts if host.pk not in blocked]
    return texts + [_("Host answers: %s") % host for host in hosts if host.last_check_ok and not silent]


def _downtimes(deployment: Deployment) -> dict[str, str]:
    budget = deployment.environment.downtime_budget
    return {"expected": as_clock(deployment.plan.downtime_estimate), "budget": as_clock(budget)}


def _durations(deployment: Deployment) -> dict[str, str]:
    budget = deployment.environment.duration_budget
    return {"expected": as_clock(deployment.plan.estimate), "budget": as_clock(budget)}
