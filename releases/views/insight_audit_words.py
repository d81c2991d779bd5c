"""What the audit log says of thresholds, complaints and estimates."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: Final[dict[str, Promise]] = {
    "threshold.cross": _("A threshold was reached for the first time"),
    "active_users.enter": _("entered the monthly active users"),
    "active_users.fetch": _("The monthly active users were fetched"),
    "active_users.source": _("set where the monthly active users are fetched from"),
    "complaint.enter": _("put a complaint on record"),
    "complaint.withdraw": _("withdrew a complaint"),
    "comparison.change": _("changed the figures of the comparison"),
    "runbook.estimates": _("took over estimates from real times as a new version of the runbook"),
}
