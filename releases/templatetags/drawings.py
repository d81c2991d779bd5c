"""Coordinates of the small drawings: the flow of the procedure, the downtime gauge, bars of probes.

Sizes are SVG user units; templates under components/ hold the shapes themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from django import template
from django.utils.translation import gettext as _

from releases.templatetags.figures import share
from releases.templatetags.icons import look

register = template.Library()

BOX, GAP, WIDE_GAP = 128, 22, 42
ROW = 54
GAUGE = 352
# States that share the look of another one in the flow.
SAME_BOX = {
    "errored": "failed",
    "timed_out": "failed",
    "lost": "unknown",
    "dispatching": "running",
    "cancelling": "waiting",
    "draft": "pending",
}


@dataclass(frozen=True)
class Box:
    """One phase of the flow with its place in the wide (x) and the narrow (y) drawing."""

    title: str
    subtitle: str
    state: str
    look: str
    x: int
    y: int
    edge: str
    edge_length: int
    passed: bool


def _box(number: int, phase: Mapping[str, Any], count: int) -> Box:
    state = str(phase["state"])
    passed = state in {"succeeded", "skipped"}
    last_gap = number == count - 1
    wide = WIDE_GAP - GAP if number == count else 0
    return Box(
        title=f"{number}. {phase['title']}",
        subtitle=str(phase.get("subtitle", "")),
        state=state,
        look=SAME_BOX.get(state, state),
        x=1 + (number - 1) * (BOX + GAP) + wide,
        y=2 + (number - 1) * ROW,
        edge="" if number == count else "done" if passed else "todo",
        edge_length=38 if last_gap else 18,
        passed=passed,
    )


@register.simple_tag
def flow_map(phases: Sequence[Mapping[str, Any]], emergency: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Lay out the phases of the seed's flowchart (4.1); the emergency branch leaves the phase before the last."""
    boxes = [_box(number, phase, len(phases)) for number, phase in enumerate(phases, start=1)]
    branch = dict(emergency or {"title": _("Emergency recovery"), "subtitle": _("Restore from backup"), "state": "off"})
    branch["look"] = SAME_BOX.get(branch["state"], branch["state"])
    spoken = ", ".join(f"{phase['title']}: {look(phase['state']).word}" for phase in phases)
    if branch["state"] != "off":
        spoken += f", {branch['title']}: {look(branch['state']).word}"
    return {"boxes": boxes, "branch": branch, "hot": branch["state"] != "off", "spoken": spoken}


@register.simple_tag
def gauge(elapsed: float | None, budget: float | None, planned: float | None) -> dict[str, Any]:
    """Widths of the downtime gauge: filled part and the mark of the planned downtime, the whole being the budget."""
    mark = round(GAUGE * share(planned, budget) / 100, 1)
    return {
        "width": GAUGE,
        "fill": round(GAUGE * share(elapsed, budget) / 100, 1),
        "planned": mark,
        # The two words under the axis would touch when the marks stand close together.
        "planned_label": max(84.0, min(mark, GAUGE - 78.0)),
        "end": GAUGE - 0.75,
    }


@register.filter
def budget_state(elapsed: float | None, budget: float | None) -> str:
    """running under 80 % of the budget, waiting (amber) from there, failed (red) from 100 % on."""
    spent = 100.0 * float(elapsed or 0) / float(budget) if budget else 0.0
    return "failed" if spent >= 100 else "waiting" if spent >= 80 else "running"


@register.simple_tag
def bars(samples: Iterable[str], height: int = 26, said: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Bars of probe results: "up" is tall, "planned" half, "down" short, anything else a dash; 4 units apart.

    `said`: what a pointer over each bar is told.
    """
    tall = {"up": height - 2, "planned": round(height * 0.46), "down": round(height * 0.31)}
    css = {"up": "up", "planned": "pl", "down": "dn"}
    return [
        {
            "x": 4 * place,
            "y": height - tall.get(sample, 2),
            "height": tall.get(sample, 2),
            "css": css.get(sample, "no"),
            "said": words,
        }
        for place, (sample, words) in enumerate(zip_longest(samples, said, fillvalue=""))
    ]
