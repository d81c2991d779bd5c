"""Whether the audit log still is what was written: its hash chain, walked every hour."""

from datetime import timedelta
from typing import Final

from django.utils.translation import gettext_lazy as _

from releases.models import Heartbeat
from releases.risks.finding import Check, Finding, Target, line, not_known, ok, records, risk, say, warning
from releases.risks.places import whole
from releases.risks.ways import Ways

VERIFIED: Final = "audit-chain"  # the heartbeat that keeps the last walk; engine/anchoring.py writes it
LATE: Final = timedelta(hours=24)


def look(_target: Target, ways: Ways) -> Finding:
    """By the last walk."""
    heart = Heartbeat.objects.filter(name=VERIFIED).first()
    if heart is None:
        return not_known(
            say(_("The chain was not walked yet.")), say(_("It is walked every hour; see that beat runs."))
        )
    seen = (
        line(_("Walked"), f"{heart.at:%Y-%m-%d %H:%M} UTC"),
        line(_("Up to event"), heart.detail.get("sequence", 0)),
        line(_("Breaks"), heart.detail.get("breaks", 0)),
    )
    if heart.detail.get("breaks"):
        return risk(
            say(_("The chain is broken: somebody changed the audit log in the database.")),
            say(_("Look at Verify the chain in the audit log, and restore the log from a backup.")),
            *seen,
        )
    if ways.now - heart.at > LATE:
        return warning(say(_("The chain was not walked for a day.")), say(_("See that beat and a worker run.")), *seen)
    return ok(say(_("The chain holds.")), *seen)


_READS = records(_("What the last walk along the audit log's hash chain found."))
CHECK = Check("audit_chain", _("Chain of the audit log"), ("assessment",), whole, _READS, look)
