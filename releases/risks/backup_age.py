"""How old the newest backup of the database is."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from releases.risks import dumps
from releases.risks.finding import Check, Finding, Target, ok, records, risk, say, warning
from releases.risks.ways import Ways

WARN: Final = 26 * dumps.HOUR
BAD: Final = 7 * dumps.DAY


def look(target: Target, ways: Ways) -> Finding:
    """Younger than a day is in order."""
    backup = dumps.newest(target)
    mend = say(_("Take one now on the page of the environment's backups, and set a daily time."))
    if backup is None:
        return risk(say(_("There is no backup of the database.")), mend)
    age = ways.now - backup.created_at
    said = say(_("The newest backup of the database is %(n)s hours old."), n=round(age / dumps.HOUR))
    if age > BAD:
        return risk(said, mend, dumps.shown(backup))
    if age > WARN:
        return warning(said, mend, dumps.shown(backup))
    return ok(said, dumps.shown(backup))


_READS = records(_("The backups of the environment."))
CHECK = Check("backup_age", _("Age of backups"), ("backups", "data_loss"), dumps.targets, _READS, look)
