"""The page of a draft: may it start, and if not, why; who consented; what will run, line by line."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from releases import gate, lifecycle
from releases.engine import start
from releases.models import Approval, ChecklistItem, Deployment, Membership, User
from releases.runbooks.plan import PlannedStep
from releases.views import gpu_plan_context
from releases.views.plan_changes import changes
from releases.views.plan_reasons import blocker_entries, passed
from releases.views.run_state import local, planned_steps
from releases.views.step_context import skipped_because

SHOWN_APPROVERS: Final = 8
ASIDES: Final = {"check": gettext_lazy("decides when unknown"), "probe": gettext_lazy("looks when unknown")}
DIGEST: Final = re.compile(r"\b[0-9a-f]{40,64}\b")


@dataclass(frozen=True)
class Reader:
    """Who reads the page, and what they may do in its project."""

    user: User
    may_operate: bool
    may_approve: bool


def build(deployment: Deployment, now: datetime, reader: Reader) -> dict[str, Any]:
    """Everything that the page of a draft shows, in a fixed number of queries."""
    is_draft = deployment.status == lifecycle.DRAFT
    found = start.blockers(deployment) if is_draft else []
    steps = list(planned_steps(deployment).values())
    hosts = list(deployment.environment.hosts.filter(role__in=deployment.plan.content["hosts"]))
    items = [_item(deployment, item, now, reader.may_operate and is_draft) for item in deployment.checklist.all()]
    return {
        "is_draft": is_draft,
        "badge": _badge(deployment, found),
        "blockers": blocker_entries(found, deployment, reader.may_operate and is_draft),
        "passed": passed(deployment, found, hosts) if is_draft else [],
        "items": items,
        "ticked": sum(item["state"] == "ticked" for item in items),
        "may_prove": reader.may_operate and is_draft and any(item["prove_url"] for item in items),
        "approvals": _approvals(deployment, reader, is_draft),
        "given": gate.valid_approvals(deployment),
        "changes": changes(deployment, steps),
        "rows": [_row(step) for step in steps],
        "rail": _rail(steps),
        "window": _window(deployment, now) if is_draft else None,
        "may_operate": reader.may_operate,
        "gpu": gpu_plan_context.build(deployment.plan.content),
        "title": _title(deployment, found),
        "favicon_state": "cancelled" if not is_draft else "waiting" if found else "pending",
    }


def _badge(deployment: Deployment, found: list[gate.Blocker]) -> dict[str, str]:
    if deployment.status != lifecycle.DRAFT:
        return {"state": lifecycle.CANCELLED, "word": _("Put away")}
    if not found:
        return {"state": "succeeded", "word": _("Ready to start")}
    count = ngettext("Before the start · %s reason against", "Before the start · %s reasons against", len(found))
    return {"state": lifecycle.WAITING, "word": count % len(found)}


def _title(deployment: Deployment, found: list[gate.Blocker]) -> str:
    what = f"{deployment.release.version} {deployment.environment.name}"
    if deployment.status != lifecycle.DRAFT:
        return f"■ {what}"
    return f"! {len(found)} · {what}" if found else f"○ {what}"


def _item(deployment: Deployment, item: ChecklistItem, now: datetime, may_change: bool) -> dict[str, Any]:
    ticked = item.ticked_at is not None and item.plan_digest == deployment.plan.digest
    old = gate.stale(item, now, deployment.environment.checklist_lifetime)
    state, problem = _item_state(item, ticked, old)
    return {
        "key": item.key,
        "title": item.title(),
        "state": state,
        "proved_by": "check" if item.check_kind else "person",
        "evidence": [_seen(entry) for entry in item.evidence],
        "person": str(item.ticked_by) if ticked and item.ticked_by else "",
        "moment": item.ticked_at if ticked else None,
        "note": item.note if ticked else "",
        "problem": problem,
        "zone": deployment.environment,
        "digest": deployment.plan.digest,
        "tick_url": "" if item.check_kind else reverse("releases:tick", args=[item.pk]),
        "untick_url": reverse("releases:untick", args=[item.pk]) if not item.check_kind and not old else "",
        "prove_url": reverse("releases:prove", args=[item.pk]) if item.check_kind else "",
        "may_change": may_change and state != "running",
    }


def _seen(entry: dict[str, str]) -> str:
    """One thing that a check saw; digests and commits in their short form."""
    value = DIGEST.sub(lambda found: f"{found[0][:12]}…", entry.get("value", ""))
    return f"{entry.get('label', '')}: {value}"


def _item_state(item: ChecklistItem, ticked: bool, old: bool) -> tuple[str, str]:
    """The look of a box and what is wrong with it."""
    if item.proof == ChecklistItem.Proof.RUNNING:
        return "running", ""
    if item.proof == ChecklistItem.Proof.FAILED:
        return "failed", item.note or _("The check failed.")
    if ticked and old:
        return "stale", _("Too old; confirm it again.")
    if ticked:
        return "ticked", ""
    void = _("Void: the plan changed after it was ticked (%s).") % item.voided_digest[:8]
    return "open", void if item.voided_digest else ""


def _approvals(deployment: Deployment, reader: Reader, is_draft: bool) -> list[dict[str, Any]]:
    """Consents that stand, void and withdrawn ones, and who may still consent; the reader first among those."""
    rows = list(deployment.approvals.select_related("user").order_by("created_at"))
    entries = [_given(deployment, row, reader, is_draft) for row in rows]
    if not is_draft:
        return entries
    done = {row.user_id for row in rows if row.plan_digest == deployment.plan.digest and row.withdrawn_at is None}
    rights = Membership.objects.filter(
        project=deployment.environment.project_id, can_approve=True, user__is_active=True
    ).select_related("user")
    people = sorted((row.user for row in rights), key=lambda user: (user != reader.user, str(user)))
    missing = deployment.environment.approvals_required > len(done)
    waiting = [user for user in people if user.pk not in done] if missing else []
    return entries + [_candidate(deployment, user, reader) for user in waiting[:SHOWN_APPROVERS]]


def _given(deployment: Deployment, row: Approval, reader: Reader, is_draft: bool) -> dict[str, Any]:
    entry = {
        "person": str(row.user),
        "role": row.user.get_role_display(),
        "digest": row.plan_digest,
        "moment": row.created_at,
        "zone": deployment.environment,
        "note": f"“{row.note}”" if row.note else "",
    }
    if row.withdrawn_at is not None:
        return entry | {"state": "cancelled", "word": _("Withdrawn")}
    if row.plan_digest != deployment.plan.digest:
        return entry | {"state": "skipped", "word": _("Void: the plan changed")}
    own = is_draft and row.user_id == reader.user.pk and reader.may_approve
    url = reverse("releases:withdraw", args=[row.pk]) if own else ""
    return entry | {"state": "succeeded", "word": _("Approved"), "withdraw_url": url}


def _candidate(deployment: Deployment, user: User, reader: Reader) -> dict[str, Any]:
    entry = {"person": str(user), "role": user.get_role_display()}
    if deployment.environment.approver_not_requester and user.pk == deployment.requested_by_id:
        note = _("Whoever asked for a deployment may not approve it")
        return entry | {"state": "skipped", "word": _("May not approve"), "note": note}
    entry |= {"state": "waiting", "word": _("Not approved yet"), "digest": deployment.plan.digest}
    may = user.pk == reader.user.pk and reader.may_approve
    return entry | {"url": reverse("releases:approve", args=[deployment.pk]) if may else ""}


def _row(step: PlannedStep) -> dict[str, Any]:
    return {
        "number": step.number,
        "title": local(step.title),
        "role": step.role.label,
        "runs_on": step.runs_on,
        "lines": step.lines,
        "asides": [(str(ASIDES[name]), lines) for name, lines in step.asides.items() if not step.skipped_because],
        "note": "" if step.opens_downtime or step.closes_downtime or step.skipped_because else local(step.note),
        "estimate": None if step.skipped_because else step.estimate,
        "opens_downtime": step.opens_downtime and not step.skipped_because,
        "closes_downtime": step.closes_downtime and not step.skipped_because,
        "irreversible": "" if step.skipped_because else local(step.irreversible),
        "skipped": skipped_because(step.skipped_because) if step.skipped_because else "",
    }


def _rail(steps: list[PlannedStep]) -> str:
    """Between which steps users are out."""
    running = [step for step in steps if not step.skipped_because]
    opens = next((step.number for step in running if step.opens_downtime), "")
    closes = next((step.number for step in running if step.closes_downtime), running[-1].number if running else "")
    return _("steps %(first)s–%(last)s") % {"first": opens, "last": closes} if opens else ""


def _window(deployment: Deployment, now: datetime) -> dict[str, Any] | None:
    """The next deploy window: for information, it forbids nothing."""
    window = deployment.environment.next_window(now)
    if window is None:
        return None
    opens, closes = window
    fits = (closes - max(opens, now)).total_seconds() >= deployment.plan.estimate
    return {
        "is_open": opens <= now,
        "seconds": ((closes if opens <= now else opens) - now).total_seconds(),
        "opens": deployment.environment.local(opens),
        "closes": deployment.environment.local(closes),
        "fits": fits,
    }
