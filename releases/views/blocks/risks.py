"""The seed's eight views (3.2.2) with what the checks see now."""

from typing import Any, Final

from django.utils.translation import gettext as _

from releases.models import Project
from releases.views.blocks import Block
from releases.views.risk_context import counts_by_view


def _context(project: Project) -> dict[str, Any]:
    return {"project": project, "views": counts_by_view(project)}


BLOCKS: Final = {"risks": Block(lambda: _("Risks"), _context, "blocks/risks.html")}
