"""Steps whose outcome nothing looks at."""

from django.utils.translation import gettext_lazy as _

from releases.risks import books
from releases.risks.finding import Check, Finding, Target, line, ok, records, say, warning
from releases.risks.places import environments
from releases.risks.ways import Ways


def look(target: Target, _ways: Ways) -> Finding:
    """Shell steps with neither a check nor a probe; other kinds of steps prove what they did."""
    shells = [step for step in books.steps(target) if step.action == "shell"]
    found = [step for step in shells if not step.check and not step.probe]
    seen = [line(_("Steps"), f"{len(found)} / {len(shells)}"), *books.lines(found)]
    if not found:
        return ok(say(_("Each shell step has a check or a probe.")), *seen)
    return warning(
        say(_("Shell steps without a check and without a probe: %(n)s."), n=len(found)),
        say(_("Add `check:` (did it work?) and `probe:` (how is it now?) to these steps in the runbook.")),
        *seen,
    )


_READS = records(_("The newest version of the environment's runbook."))
CHECK = Check("blind_steps", _("Steps without a check"), ("human_error", "observability"), environments, _READS, look)
