"""Whether backups are taken by themselves."""

from django.utils.translation import gettext_lazy as _

from releases.risks.dumps import targets
from releases.risks.finding import Check, Finding, Target, line, ok, records, risk, say
from releases.risks.ways import Ways


def look(target: Target, _ways: Ways) -> Finding:
    """By the rules of the environment, and how the last order went."""
    found = target.environment
    assert found is not None  # noqa: S101 - targets are environments
    seen = (
        line(_("Daily backup at"), f"{found.backup_at:%H:%M} {found.zone}" if found.backup_at else "–"),
        line(_("Last ordered on"), found.backed_up_on or "–"),
    )
    if found.backup_at is None:
        return risk(
            say(_("No daily backup is set: backups are taken by deployments and by hand only.")),
            say(_("Set a daily time in the rules of the environment.")),
            *seen,
        )
    if found.backup_problem:
        return risk(
            say(_("The last daily backup could not be ordered: %(why)s"), why=found.backup_problem),
            say(_("Mend what the sentence names; the next one is ordered by itself.")),
            *seen,
        )
    return ok(say(_("A backup is taken every day.")), *seen)


_READS = records(_("The rules of the environment."))
CHECK = Check("backup_schedule", _("Daily backups"), ("backups",), targets, _READS, look)
