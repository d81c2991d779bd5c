"""The page of a started deployment: bar, facts, cockpit, dock. The steps and the rail have files of their own."""

from datetime import timedelta
from typing import Any, Final

from django.templatetags.static import static
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from releases import lifecycle
from releases.engine import undoing
from releases.models import Deployment, Phase, Recovery, Step
from releases.probes.clock import Downtime, downtime
from releases.templatetags.figures import clock as as_clock
from releases.views import rail_context, recovery, step_context
from releases.views.flow_words import under, under_emergency
from releases.views.run_state import HALTED, Run
from releases.way_back import WayBack

SIGNS: Final = {
    lifecycle.RUNNING: "▶",
    lifecycle.CANCELLING: "■",
    lifecycle.WAITING: "!",
    lifecycle.UNKNOWN: "?",
    lifecycle.SUCCEEDED: "✓",
    lifecycle.FAILED: "✕",
    lifecycle.ERRORED: "✕",
    lifecycle.CANCELLED: "■",
}
FAVICONS: Final = {lifecycle.CANCELLING: "waiting", lifecycle.DRAFT: "pending"}
CANCELLABLE: Final = frozenset({lifecycle.RUNNING, lifecycle.WAITING})


def build(run: Run) -> dict[str, Any]:
    """Everything that the page of a started deployment shows, in a fixed number of queries."""
    deployment = run.deployment
    down = downtime(deployment, run.now)
    cancellable = run.may_operate and deployment.status in CANCELLABLE
    way_back = _undoing(run)
    return {
        "title": title(run, down),
        "favicon": favicon(deployment.status),
        "badge": {"state": deployment.status, "count": run.place},
        "elapsed": deployment.elapsed(run.now),
        "ticking": deployment.is_active,
        "cancellable": cancellable,
        **way_back,
        "approvers": [str(approval.user) for approval in approvals(deployment)],
        "downtime": clock_context(run, down),
        "flow": flow(run),
        "branch": branch(run, way_back["recovery"]),
        "now": now_entry(run),
        "next": next_entry(run) if way_back["undone_by"] is None else undone_entry(way_back["undone_by"]),
        "progress": progress(run),
        "phases": step_context.phases(run),
        "dock": dock(run, down, cancellable),
        **rail_context.build(run),
    }


def _undoing(run: Run) -> dict[str, Any]:
    """Whether its reader may roll it back now, the rollback that did, and what there is of an emergency one."""
    undone_by = undoing.undone_by(run.deployment) if run.deployment.is_finished else None
    undoable = run.may_operate and undoing.is_undoable(run.deployment)
    together = WayBack(run.deployment).together() if run.deployment.kind in undoing.UNDOABLE else []
    is_past_return = bool(undoing.past_return(*together))
    return {"undoable": undoable, "undone_by": undone_by, "is_past_return": is_past_return, **recovery.of_run(run)}


def favicon(status: str) -> str:
    """The address of the icon for the tab."""
    return static(f"favicon/{FAVICONS.get(status, status)}.svg")


def title(run: Run, down: Downtime) -> str:
    """The title of the tab; "{downtime}" ticks in the browser."""
    deployment = run.deployment
    began = down.seconds > 0 or down.running_since is not None
    parts = [
        f"{SIGNS.get(deployment.status, '')} {run.place.replace(' ', '')}".strip(),
        _("Downtime") + " {downtime}" if began else "",
        f"{deployment.release.version} {deployment.environment.name}",
    ]
    return " · ".join(part for part in parts if part)


def approvals(deployment: Deployment) -> list[Any]:
    """The consents to the plan that stand."""
    given = deployment.approvals.filter(plan_digest=deployment.plan.digest, withdrawn_at__isnull=True)
    return list(given.select_related("user"))


def clock_context(run: Run, down: Downtime) -> dict[str, Any]:
    """The downtime clock: planned, marked and measured stay three numbers."""
    deployment = run.deployment
    budget = deployment.environment.downtime_budget
    return {
        "label": _clock_label(run, down),
        "elapsed": down.seconds,
        "ticking": down.running_since is not None,
        "budget": budget,
        "over": max(down.seconds - budget, 0),
        "planned": down.planned,
        "planned_note": _rail_words(run),
        "marked": down.marked,
        "marked_ticking": deployment.downtime_opened_at is not None
        and deployment.downtime_closed_at is None
        and deployment.is_active,
        "marked_note": _marked_note(run),
        "measured": down.measured,
        "measured_ticking": down.running_since is not None and down.measured is not None,
        "measured_note": _measured_note(run, down),
        "opens_at": _opens_at(run, down),
        "lost_requests": down.lost_requests or None,
    }


def _clock_label(run: Run, down: Downtime) -> str:
    if down.running_since is not None:
        return _("Downtime · measuring") if down.measured is not None else _("Downtime · by the mark")
    if not down.seconds:
        return _("Downtime · none so far") if run.deployment.is_active else _("Downtime · none")
    return _("Downtime · services answer again") if run.deployment.is_active else _("Downtime · ended")


def _rail_words(run: Run) -> str:
    if not run.rail:
        return ""
    words = {"first": run.rail[0].number, "last": run.rail[-1].number}
    return _("steps %(first)s–%(last)s") % words if len(run.rail) > 1 else _("step %(first)s") % words


def _marked_note(run: Run) -> str:
    deployment = run.deployment
    environment = deployment.environment
    if deployment.downtime_opened_at is None:
        return ""
    if deployment.downtime_closed_at is not None:
        return _("ended %s") % f"{environment.local(deployment.downtime_closed_at):%H:%M:%S}"
    return _("from %s") % f"{environment.local(deployment.downtime_opened_at):%H:%M:%S}"


def _measured_note(run: Run, down: Downtime) -> str:
    if down.intervals:
        return _("from %s") % f"{run.deployment.environment.local(down.intervals[0][0]):%H:%M:%S}"
    return "" if down.measured is not None else _("no probe has spoken")


def _opens_at(run: Run, down: Downtime) -> str:
    """When users should be back, by estimate; "" when that is past or nobody would ask."""
    closes = run.rail[-1] if run.rail else None
    if down.running_since is not None and run.deployment.status == lifecycle.UNKNOWN:
        return _("not known")
    if down.running_since is None or closes is None or run.deployment.status != lifecycle.RUNNING:
        return ""
    if closes.status in lifecycle.STEP_PASSED:
        return ""
    return f"{run.deployment.environment.local(run.now + timedelta(seconds=run.remaining(closes))):%H:%M}"


def flow(run: Run) -> list[dict[str, Any]]:
    """The five boxes of the procedure's flowchart."""
    return [
        {"title": phase.label, "subtitle": under(run.deployment, phase), "state": run.phase_status(phase)}
        for phase in Phase
    ]


def branch(run: Run, found: Recovery | None) -> dict[str, Any]:
    """The emergency branch: off until the verification fails, then it asks for a person, or shows what is done."""
    state = lifecycle.WAITING if run.verify_failed else "off"
    if found is not None and found.has_run:
        state = found.ending or lifecycle.RUNNING
    return {
        "title": _("Emergency recovery"),
        "short": pgettext("flow", "Emergency"),
        "subtitle": under_emergency(run.deployment),
        "state": state,
    }


def _label(step: Step) -> str:
    return f"{step.number} {step.title()}"


def _mark(step: Step) -> str:
    if step.opens_downtime:
        return _("downtime starts")
    return _("downtime ends") if step.closes_downtime else ""


def now_entry(run: Run) -> dict[str, Any]:
    """What runs now: one step or several, or where the run stands."""
    step = run.current
    if step is None:
        return {"label": _("All steps are done"), "state": run.deployment.status}
    busy = [other for other in run.steps if other.status in lifecycle.STEP_BUSY]
    if step.status in lifecycle.STEP_BUSY and len(busy) > 1:
        label = " · ".join(_label(other) for other in busy)
        longest = max(busy, key=lambda other: other.estimate - (run.spent(other) or 0))
        return _ticking(run, longest) | {"label": label}
    if step.status == lifecycle.PENDING and run.deployment.is_active:
        return {"label": _label(step), "state": lifecycle.DISPATCHING}
    return _ticking(run, step)


def _ticking(run: Run, step: Step) -> dict[str, Any]:
    runs = step.status in {lifecycle.RUNNING, lifecycle.DISPATCHING}
    return {
        "label": _label(step),
        "mark": _mark(step),
        "elapsed": run.spent(step),
        "estimate": step.estimate,
        "ticking": runs,
        "state": lifecycle.RUNNING if runs else step.status,
    }


def next_entry(run: Run) -> dict[str, Any] | None:
    """What follows; after a stop, what a person can do."""
    step = run.current
    if step is None:
        return None
    if step.status == lifecycle.UNKNOWN:
        return {"label": _("It waits for a person's decision")}
    if step.status in HALTED and run.deployment.status in lifecycle.STOPPED:
        return {"label": _("Try the step again, or leave it out for a reason")}
    following = [other for other in run.steps if other.status == lifecycle.PENDING and other != step]
    if not following:
        return None
    return {"label": _label(following[0]), "estimate": following[0].estimate, "mark": _mark(following[0])}


def undone_entry(rollback: Deployment) -> dict[str, Any]:
    """There is nothing to do here any more."""
    return {"label": _("Nothing: #%s undid it") % rollback.pk}


def progress(run: Run) -> dict[str, Any]:
    """Steps behind us, the time taken against the estimate, and when it should end."""
    deployment = run.deployment
    elapsed = deployment.elapsed(run.now)
    entry = {
        "done": run.passed,
        "total": len(run.steps),
        "elapsed": elapsed.total_seconds() if elapsed else 0,
        "estimate": deployment.plan.estimate,
        "state": "running" if deployment.status == lifecycle.RUNNING else deployment.status,
    }
    local = deployment.environment.local
    if deployment.finished_at:
        return entry | {"ended": f"{local(deployment.finished_at):%H:%M:%S}"}
    if deployment.status not in {lifecycle.RUNNING, lifecycle.WAITING} or deployment.started_at is None:
        return entry
    ends = run.now + timedelta(seconds=run.remaining())
    ahead = (deployment.started_at + timedelta(seconds=deployment.plan.estimate) - ends).total_seconds()
    return entry | {"ends": f"{local(ends):%H:%M}", "note": _pace(ahead)}


def _pace(ahead: float) -> str:
    minutes = round(abs(ahead) / 60)
    if not minutes:
        return ""
    return (_("%s min early") if ahead > 0 else _("%s min late")) % minutes


_LOOK: Final = gettext_lazy("to the step ↓")


def dock(run: Run, down: Downtime, cancellable: bool) -> dict[str, Any]:
    """The bar at the bottom of a narrow screen."""
    step = run.current
    action = {"action_label": _("Cancel…"), "action_icon": "ban", "action_kind": "stop", "action_dialog": "ask-cancel"}
    return {
        "clock_label": _("Downtime / %s") % as_clock(run.deployment.environment.downtime_budget),
        "clock_ms": round(down.seconds * 1000),
        "clock_text": as_clock(down.seconds),
        "ticking": down.running_since is not None,
        "place_label": str(_LOOK),
        "place_text": run.place,
        "place_href": f"#step-{step.key}" if step else "#steps",
        **(action if cancellable else {}),
    }
