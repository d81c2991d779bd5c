"""How much of the runbook is done by hand."""

from django.utils.translation import gettext_lazy as _

from releases.risks import books
from releases.risks.finding import Check, Finding, Target, line, ok, records, risk, say, warning
from releases.risks.places import environments
from releases.risks.ways import Ways

MANY = 5


def look(target: Target, _ways: Ways) -> Finding:
    """Steps of the kind `manual`."""
    every = books.steps(target)
    found = [step for step in every if step.action == "manual"]
    seen = [line(_("Steps"), f"{len(found)} / {len(every)}"), *books.lines(found)]
    if not found:
        return ok(say(_("No step of the runbook is done by hand.")), *seen)
    said = say(_("Steps of the runbook done by hand: %(n)s."), n=len(found))
    mend = say(_("Give each its command (`action: shell`), with a check that proves that it worked."))
    return (risk if len(found) >= MANY else warning)(said, mend, *seen)


_READS = records(_("The newest version of the environment's runbook."))
CHECK = Check("manual_steps", _("Steps by hand"), ("human_error",), environments, _READS, look)
