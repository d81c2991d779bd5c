"""The charts of the measures, with what a screen reader says of each."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from releases.insights import trends
from releases.insights.scope import Scope
from releases.insights.trends import Slot
from releases.templatetags.charts import Chart, Series, columns, lines
from releases.templatetags.figures import span


def of(scope: Scope) -> list[Chart]:
    """Deployments, deploy times and downtimes over the period; one query."""
    found = trends.slots(scope)
    labels = [f"{slot.begins:%Y-%m}" if trends.by_month(scope) else f"{slot.begins:%Y-%m-%d}" for slot in found]
    return [_deployments(found, labels), _times(found, labels), _downtimes(found, labels)]


def _deployments(found: Sequence[Slot], labels: Sequence[str]) -> Chart:
    series = [
        Series(_("succeeded"), [slot.succeeded for slot in found]),
        Series(_("failed"), [slot.failed for slot in found]),
        Series(_("cancelled"), [slot.cancelled for slot in found]),
    ]
    says = _("%(all)s deployments in %(slots)s columns; the most in one is %(most)s, and %(failed)s failed in all.") % {
        "all": sum(slot.succeeded + slot.failed + slot.cancelled for slot in found),
        "slots": len(found),
        "most": max((slot.succeeded + slot.failed + slot.cancelled for slot in found), default=0),
        "failed": sum(slot.failed for slot in found),
    }
    return columns("deployments-chart", _("Deployments and how they ended"), labels, series, _count, says=says)


def _times(found: Sequence[Slot], labels: Sequence[str]) -> Chart:
    series = [
        Series(_("median (p50)"), [slot.p50 for slot in found]),
        Series("p95", [slot.p95 for slot in found]),
    ]
    return lines("times-chart", _("Deploy time"), labels, series, span)


def _downtimes(found: Sequence[Slot], labels: Sequence[str]) -> Chart:
    series = [
        Series(_("planned"), [slot.planned for slot in found]),
        Series(_("marked"), [slot.marked for slot in found]),
        Series(_("measured"), [slot.measured for slot in found]),
    ]
    return lines("downtimes-chart", _("Downtime, medians"), labels, series, span)


def _count(value: float) -> str:
    return f"{value:.0f}"
