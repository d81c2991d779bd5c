"""The seed's eight views (3.2.2) with what the checks see now: all in one table, and each view in one of its own."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

from django.db.models import Count
from django.utils.translation import gettext as _

from releases.models import Project, Risk, RiskRound
from releases.risks.registry import by_kind
from releases.risks.seed import VIEWS, View
from releases.views.blocks import Block
from releases.views.risk_context import counts_by_view, tally


def _context(project: Project) -> dict[str, Any]:
    return {"project": project, "views": counts_by_view(project)}


def _of(view: View) -> Callable[[Project], dict[str, Any]]:
    """The seed's rows of one view, each with what its own checks see; two queries."""

    def context(project: Project) -> dict[str, Any]:
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        risks = Risk.objects.filter(project=project, view=view.key, is_gone=False).order_by()
        for one in risks.values("kind", "seen").annotate(n=Count("pk")):
            check = by_kind().get(one["kind"])
            if check is not None:
                found[check.rows[0]].append(dict(one))
        was_looked = RiskRound.objects.filter(project=project, ended_at__isnull=False).exists()
        watched = {check.rows[0] for check in by_kind().values()}
        rows = [
            {
                "row": row,
                "counts": [count for count in tally(found[row.key]) if count["n"]],
                "is_watched": row.key in watched,
            }
            for row in view.rows
        ]
        return {"project": project, "view": view, "rows": rows, "was_looked": was_looked}

    return context


def _title(view: View) -> Callable[[], str]:
    return lambda: str(view.title)


BLOCKS: Final = {
    "risks": Block(lambda: _("Risks"), _context, "blocks/risks.html"),
    **{
        f"risks_{number}": Block(_title(view), _of(view), "blocks/risks_of_view.html")
        for number, view in enumerate(VIEWS, 1)
    },
}
