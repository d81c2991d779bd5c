"""The seed's 3.2.1, 3.3 and 4.2 as they stand now."""

from typing import Any, Final

from django.utils.translation import gettext as _

from releases.engine import clock
from releases.insights import measures, thresholds
from releases.models import Environment, Project
from releases.views import insights_comparison
from releases.views.blocks import Block
from releases.views.insights_scope import lately, query_of


def _measures(project: Project) -> dict[str, Any]:
    rows = Environment.objects.filter(project=project).select_related("project")
    environment = rows.order_by("-is_production", "position", "pk").first()
    if environment is None:
        return {"environment": None}
    scope = lately(environment)
    return {"environment": environment, "measures": measures.of(scope), "query": query_of(scope)}


def _thresholds(project: Project) -> dict[str, Any]:
    return {"project": project, "readings": thresholds.readings(project, clock.now())}


def _comparison(project: Project) -> dict[str, Any]:
    return insights_comparison.shown(project) | {"project": project}


BLOCKS: Final[dict[str, Block]] = {
    "measures": Block(lambda: _("Measured quantities"), _measures, "blocks/measures.html"),
    "thresholds": Block(lambda: _("Thresholds"), _thresholds, "blocks/thresholds.html"),
    "comparison": Block(lambda: _("Manual and automated deployment"), _comparison, "blocks/comparison.html"),
}
