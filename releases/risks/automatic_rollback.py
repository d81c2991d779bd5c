"""Whether a bad deployment is taken back without waiting for a person."""

from django.utils.translation import gettext_lazy as _

from releases.models import Environment
from releases.risks.finding import Check, Finding, Target, line, ok, records, risk, say, warning
from releases.risks.places import production
from releases.risks.ways import Ways


def look(target: Target, _ways: Ways) -> Finding:
    """By the rules of the environment."""
    found = target.environment
    assert found is not None  # noqa: S101 - targets are environments
    mode = Environment.Automatic(found.automatic_rollback)
    seen = (
        line(_("Automatic rollback"), mode.label),
        line(_("Rollback runbook"), found.rollback_runbook or "–"),
    )
    if found.rollback_runbook is None:
        return risk(
            say(_("There is no rollback runbook: a bad deployment is taken back by hand.")),
            say(_("Choose one in the rules of the environment.")),
            *seen,
        )
    if mode == Environment.Automatic.OFF:
        return warning(
            say(_("Automatic rollback is off: how long a fault lasts depends on who is awake.")),
            say(_("Switch it on in the rules of the environment.")),
            *seen,
        )
    return ok(say(_("A broken rule rolls a deployment back by itself.")), *seen)


_READS = records(_("The rules of the environment."))
CHECK = Check("automatic_rollback", _("Automatic rollback"), ("rollback", "recovery_time"), production, _READS, look)
