"""Whether the newest backup of the database is anywhere else than on its host."""

from django.utils.translation import gettext_lazy as _

from releases.risks import dumps
from releases.risks.finding import Check, Finding, Target, line, not_known, ok, records, risk, say
from releases.risks.ways import Ways


def look(target: Target, _ways: Ways) -> Finding:
    """A copy in Cloud Wiki's store survives the host."""
    backup = dumps.newest(target)
    if backup is None:
        return not_known(say(_("There is no backup of the database.")))
    place = line(_("Copy in the store"), backup.copy_location or "–")
    if not backup.copy_location:
        return risk(
            say(_("The newest backup is only on the host itself: a broken disk takes both.")),
            say(_("Have the runbook's backup step keep a copy (`store: true`), or send a copy to the store by hand.")),
            dumps.shown(backup),
            place,
        )
    return ok(say(_("The newest backup has a copy off its host.")), dumps.shown(backup), place)


_READS = records(_("The backups of the environment."))
CHECK = Check("backup_copy", _("Copy off the host"), ("data_loss",), dumps.targets, _READS, look)
