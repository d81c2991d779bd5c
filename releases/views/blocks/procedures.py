"""The procedures of the seed (2.3, 2.4, 2.5) from the runbooks in use; its flow (4.1) as the last deployment has it."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

from releases.engine import clock
from releases.models import Deployment, DeploymentKind, Phase, Project
from releases.runbooks import plan
from releases.runbooks.lines import step_lines
from releases.runbooks.model import LocalText, Runbook, StepSpec
from releases.views import run_context, run_state
from releases.views.blocks import Block
from releases.views.blocks.sources import current_version, environment_of, medians, procedure_of
from releases.views.flow_words import under, under_emergency

_QUOTED: Final = re.compile(r"'([\w./:{}-]*\{\w+\}[\w./:{}-]*)'")
# A rollback is told by its longest case, as the written procedure does: the database is put back as well.
_WHOLE: Final = {DeploymentKind.ROLLBACK.value, DeploymentKind.GPU_ROLLBACK.value}


def local(text: LocalText) -> str:
    """The text in the reader's language."""
    return text.in_language(get_language() or "ko")


def procedure(kind: str, project: Project) -> dict[str, Any]:
    """The steps of a procedure as the written tables lay them out, and what they come to."""
    version = current_version(project, kind)
    found = procedure_of(version) if version else None
    if version is None or found is None:
        return {"version": version, "rows": []}
    real = medians(version.runbook)
    rows = [_row(step, *real.get(step.key, (None, 0))) for step in found.steps]
    return {"version": version, "rows": rows, "measured": bool(real), **_totals(found, kind)}


def _row(step: StepSpec, median: float | None, count: int) -> dict[str, Any]:
    return {
        "step": step,
        "title": local(step.title),
        "owner": step.role.label,
        "tool": local(step.tool),
        "lines": command_lines(step),
        "note": local(step.note),
        "median": median,
        "count": count,
    }


def command_lines(step: StepSpec) -> list[str]:
    """The commands of a step with the names of its variables; none where the runbook says its tool in words."""
    if step.tool:
        return []
    return [_QUOTED.sub(r"\1", line) for line in step_lines(step.action, step.parameters, "user@server")]


def _totals(found: Runbook, kind: str) -> dict[str, Any]:
    """The totals as the written procedure words them: steps that run only at times stand apart."""
    usual = [step for step in found.steps if kind in _WHOLE or not step.condition]
    total, longest = plan.totals(usual), plan.totals(found.steps)
    marked = _between(usual)
    return {
        "minutes": _minutes(total.estimate),
        "down_minutes": _minutes(total.downtime),
        "longest": _minutes(longest.estimate) if longest.estimate > total.estimate else 0,
        "first": marked[0].number if marked else "",
        "last": marked[-1].number if marked else "",
    }


def _between(steps: list[StepSpec]) -> list[StepSpec]:
    opens = next((place for place, step in enumerate(steps) if step.opens_downtime), None)
    if opens is None:
        return []
    closes = next((place for place, step in enumerate(steps) if step.closes_downtime), len(steps) - 1)
    return steps[opens : closes + 1]


def _minutes(seconds: int) -> int:
    return -(-seconds // 60)


def flow(project: Project) -> dict[str, Any]:
    """The flowchart with the states of the last deployment to the environment; empty boxes before the first."""
    environment = environment_of(project)
    rows = Deployment.objects.of_software().filter(environment=environment, started_at__isnull=False)
    last = rows.select_related("environment", "release", "plan", "only_service").order_by("-pk").first()
    if last is None:
        blank = Deployment()
        phases = [{"title": phase.label, "subtitle": under(blank, phase), "state": "pending"} for phase in Phase]
        branch = {"subtitle": under_emergency(blank), "state": "off"}
    else:
        run = run_state.load(last, clock.now(), may_operate=False)
        phases, branch = run_context.flow(run), run_context.branch(run, None)
    branch |= {"title": _("Emergency recovery"), "short": pgettext("flow", "Emergency")}
    version = current_version(project, DeploymentKind.DEPLOY)
    back = current_version(project, DeploymentKind.ROLLBACK)
    return {"phases": phases, "emergency": branch, "last": last, "version": version, "back": back}


def _block(title: Callable[[], str], kind: str) -> Block:
    return Block(title, partial(procedure, kind), "blocks/procedure.html")


BLOCKS: Final[dict[str, Block]] = {
    "procedure_deploy": _block(lambda: _("Deploy procedure"), DeploymentKind.DEPLOY.value),
    "procedure_rollback": _block(lambda: _("Rollback procedure"), DeploymentKind.ROLLBACK.value),
    "procedure_gpu_deploy": _block(lambda: _("GPU deploy procedure"), DeploymentKind.GPU_DEPLOY.value),
    "procedure_gpu_rollback": _block(lambda: _("GPU rollback procedure"), DeploymentKind.GPU_ROLLBACK.value),
    "flow": Block(lambda: _("Flow of a deployment"), flow, "blocks/flow.html"),
}
