"""Whether the head of the audit log is kept outside of the database, how old that is, and whether it still fits."""

from datetime import timedelta
from typing import Final

from django.utils.translation import gettext_lazy as _

from releases.models import AuditEvent
from releases.risks import anchors
from releases.risks.finding import Check, Finding, Target, line, ok, records, risk, say, warning
from releases.risks.places import whole
from releases.risks.ways import Ways

COMPARED: Final = 200  # the newest
LATE: Final = timedelta(hours=24)


def look(_target: Target, ways: Ways) -> Finding:
    """Each anchor names an event and its hash; another hash means that the chain was rebuilt."""
    found = anchors.kept()[-COMPARED:]
    if not found:
        return risk(
            say(_("The head of the audit log is kept nowhere outside of the database.")),
            say(
                _("An anchor is kept every six hours; see that beat runs and that the store of backups can be written.")
            ),
        )
    hashes = dict(
        AuditEvent.objects.filter(sequence__in={one.sequence for one in found}).values_list("sequence", "hash")
    )
    newest = found[-1]
    seen = (
        line(_("Newest anchor"), f"{newest.at:%Y-%m-%d %H:%M} UTC"),
        line(_("Of event"), f"{newest.sequence} {newest.hash[:12]}…"),
        line(_("Compared"), len(found)),
        line(_("Kept in"), _("a bucket") if anchors.is_elsewhere() else _("a folder on this server")),
    )
    wrong = [one for one in found if one.sequence and hashes.get(one.sequence) != one.hash]
    if wrong:
        return risk(
            say(_("The audit log is not what it was at %(at)s."), at=f"{wrong[0].at:%Y-%m-%d %H:%M} UTC"),
            say(_("Somebody rebuilt or cut the chain. Compare with a backup of the database from that time.")),
            *seen,
        )
    if ways.now - newest.at > LATE:
        return warning(say(_("No anchor was kept for a day.")), say(_("See that beat and a worker run.")), *seen)
    if not anchors.is_elsewhere():
        return warning(
            say(_("The anchors fit, but they are on the same machine as the database.")),
            say(_("Set a bucket for the store of backups (CLOUDWIKI_BACKUPS_*), or copy the folder elsewhere.")),
            *seen,
        )
    return ok(say(_("The anchors outside of the database fit the log.")), *seen)


_READS = records(_("The anchors in the store of backups, and the hashes of the events they name."))
CHECK = Check("audit_anchor", _("Anchor of the audit log"), ("assessment",), whole, _READS, look)
