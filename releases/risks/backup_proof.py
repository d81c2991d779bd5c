"""Whether a backup of the database was ever restored, and when."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from releases.risks import dumps
from releases.risks.finding import Check, Finding, Target, line, ok, records, risk, say, warning
from releases.risks.ways import Ways

WARN: Final = 7 * dumps.DAY
BAD: Final = 30 * dumps.DAY


def look(target: Target, ways: Ways) -> Finding:
    """The youngest proof counts; a newest backup that can't be restored is a risk whatever else was proved."""
    mend = say(_("Have it restored to a throw-away place: Prove, on the page of a backup."))
    newest = dumps.newest(target)
    if newest is not None and newest.refuted_at is not None:
        return risk(say(_("The newest backup can't be restored.")), mend, dumps.shown(newest))
    assert target.environment is not None  # noqa: S101 - targets are environments
    proved = target.environment.backups.kept().filter(kind="database", proved_at__isnull=False)
    backup = proved.select_related("environment").order_by("-proved_at").first()
    if backup is None or backup.proved_at is None:
        return risk(say(_("No restore of a backup was ever proved.")), mend, *([dumps.shown(newest)] if newest else []))
    age = ways.now - backup.proved_at
    seen = (dumps.shown(backup), line(_("Restore took"), f"{backup.restore_seconds or 0:.1f} s"))
    said = say(_("A restore was proved %(n)s hours ago."), n=round(age / dumps.HOUR))
    if age > BAD:
        return risk(said, mend, *seen)
    if age > WARN:
        return warning(said, mend, *seen)
    return ok(said, *seen)


_READS = records(_("The backups of the environment and their proofs."))
CHECK = Check("backup_proof", _("Proof of backups"), ("backups",), dumps.targets, _READS, look)
