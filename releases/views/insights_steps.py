"""How the steps of a runbook really went, and better estimates for them."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from releases import permissions
from releases.engine import runbook_versions
from releases.engine.errors import EngineError
from releases.insights import steps
from releases.insights.steps import StepFigures
from releases.models import Runbook, RunbookVersion
from releases.permissions import Need, actor, member_required, signed_in
from releases.runbooks import loader
from releases.runbooks.messages import RunbookErrors
from releases.views.answers import done, refusal
from releases.views.runbooks import hunks

TOP = 3
LONGEST = 604800  # seconds, as the schema of a runbook has it


@require_GET
@member_required
def figures(request: HttpRequest, number: int) -> HttpResponse:
    """Each step of the newest version: its estimate against what it took."""
    found = permissions.get(Runbook, signed_in(request), Need.VIEW, "project", pk=number)
    latest = found.latest()
    rows = _figures(found, latest)
    context = {
        "runbook": found,
        "latest": latest,
        "rows": rows,
        "slowest": sorted((row for row in rows if row.n), key=lambda row: -(row.p50 or 0))[:TOP],
        "failing": sorted((row for row in rows if row.failed), key=lambda row: -row.failed)[:TOP],
        "skipped": sorted((row for row in rows if row.skipped), key=lambda row: -row.skipped)[:TOP],
        "suggested": [row for row in rows if row.suggestion is not None],
        "deployments": len(steps.newest(found)),
        "may_manage": permissions.may(signed_in(request), Need.MANAGE, found.project_id),
    }
    return render(request, "insights/steps.html", context)


@require_http_methods(["GET", "POST"])
@member_required
def estimates(request: HttpRequest, number: int) -> HttpResponse:
    """The suggested estimates as a change of the text; a press saves it as the next version."""
    found = permissions.get(Runbook, signed_in(request), Need.MANAGE, "project", pk=number)
    try:
        if request.method == "POST":
            base = request.POST.get("base", "")
            made = runbook_versions.save_estimates(found, _chosen(request), signed_in(request), actor(request), base)
            done(request, _("Version %s was saved with the new estimates.") % made.number)
            return redirect("releases:runbook", found.pk)
        return _change(request, found)
    except EngineError as error:
        return refusal(request, str(error), 409)


def _change(request: HttpRequest, found: Runbook) -> HttpResponse:
    """What would be saved: every suggestion, or that of the step `?step=` alone."""
    latest, only = found.latest(), request.GET.get("step", "")
    rows = [row for row in _figures(found, latest) if row.suggestion is not None and only in ("", row.spec.key)]
    context: dict[str, Any] = {"runbook": found, "latest": latest, "rows": rows, "hunks": []}
    if latest is not None and rows:
        text = runbook_versions.estimated(latest.text, {row.spec.key: row.suggestion or 0 for row in rows})
        limits = {step.key: step.timeout for step in loader.load(text).steps}
        context |= {
            "hunks": hunks(latest.text, text),
            "limits": [(row, limits[row.spec.key]) for row in rows if limits[row.spec.key] != row.spec.timeout],
        }
    return render(request, "insights/estimates.html", context)


def _chosen(request: HttpRequest) -> dict[str, int]:
    """Seconds by key, as the page showed them: "key=seconds" each. Raises EngineError."""
    chosen = {}
    for entry in request.POST.getlist("estimate"):
        key, _equals, seconds = entry.partition("=")
        if not seconds.isascii() or not seconds.isdigit() or len(seconds) > 6 or not 1 <= int(seconds) <= LONGEST:
            raise EngineError(_("Estimates: they are whole seconds, at most a week. Open the page again."))
        chosen[key] = int(seconds)
    return chosen


def _figures(found: Runbook, latest: RunbookVersion | None) -> list[StepFigures]:
    """None where there is no text, or one that can't be read any more."""
    try:
        specs = loader.load(latest.text).steps if latest else ()
    except RunbookErrors:
        specs = ()
    return steps.of(found, specs)
