"""What stands under the boxes of the procedure's flowchart."""

from typing import Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from releases.models import Deployment, Phase

_OF_SOFTWARE: Final = {
    Phase.PREPARE: pgettext_lazy("flow", "Back up the DB"),
    Phase.STOP: pgettext_lazy("flow", "Maintenance on"),
    Phase.REPLACE: pgettext_lazy("flow", "New code and DB"),
    Phase.VERIFY: pgettext_lazy("flow", "Check from inside"),
    Phase.FINISH: pgettext_lazy("flow", "Service open"),
}
_OF_ENDPOINTS: Final = {
    Phase.PREPARE: pgettext_lazy("flow", "Create and prove"),
    Phase.STOP: pgettext_lazy("flow", "Nothing stops"),
    Phase.REPLACE: pgettext_lazy("flow", "Switch traffic"),
    Phase.VERIFY: pgettext_lazy("flow", "Through backend"),
    Phase.FINISH: pgettext_lazy("flow", "Keep the old one"),
}


def under(deployment: Deployment, phase: Phase) -> str:
    """The words under the box of a phase."""
    return str((_OF_ENDPOINTS if deployment.is_gpu else _OF_SOFTWARE)[phase])


def under_emergency(deployment: Deployment) -> str:
    """The words under the box of the way out."""
    return str(_("Back to the earlier endpoint") if deployment.is_gpu else _("Restore the backup"))
