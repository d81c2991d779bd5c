"""What the lists behind the numbers are called."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from releases.models import Threshold

SETS: Final[dict[str, Promise]] = {
    "started": _("Deployments and rollbacks that started"),
    "ended": _("Deployments that ended"),
    "succeeded": _("Deployments that succeeded"),
    "failed": _("Deployments that failed"),
    "cancelled": _("Deployments that were cancelled"),
    "running": _("Deployments that have not ended"),
    "marked": _("Deployments whose runbook marked a downtime"),
    "measured": _("Deployments that probes watched"),
    "rollbacks": _("Rollbacks that ended"),
    "rolled_back": _("Rollbacks that succeeded"),
    "by_people": _("Deployments and rollbacks that a person started"),
    "lead": _("Deployments whose commit's time is known"),
    "lead_unknown": _("Deployments whose commit's time is not known"),
    "changes_failed": _("Changes that failed"),
    "undone": _("Deployments that were rolled back"),
    "followed": _("Deployments that an unplanned outage followed"),
}
OUTAGES: Final[dict[str, Promise]] = {
    "unplanned": _("Unplanned outages"),
    "restored": _("Unplanned outages that are over"),
    "still_open": _("Unplanned outages that go on"),
}
RULES: Final[dict[str, Promise]] = {
    Threshold.DEPLOYS: _("Deployments of the last 7 days"),
    Threshold.FAILURES: _("Failures and rollbacks of the last 30 days"),
}
