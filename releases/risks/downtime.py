"""Whether a deployment by the runbook takes the service down."""

from django.utils.translation import gettext_lazy as _

from releases.risks import books
from releases.risks.finding import Check, Finding, Target, line, ok, records, say, warning
from releases.risks.places import production
from releases.risks.ways import Ways
from releases.runbooks import plan


def look(target: Target, _ways: Ways) -> Finding:
    """By the downtime marks of the runbook."""
    found = books.read(books.version_of(target))
    opening = [step for step in found.steps if step.opens_downtime]
    seconds = plan.totals(found.steps).downtime
    seen = [*books.lines(opening), line(_("Downtime, estimated"), say(_("%(n)s min"), n=round(seconds / 60)))]
    if not opening:
        return ok(say(_("No step of the runbook takes the service down.")))
    return warning(
        say(_("Each deployment takes the service down for about %(n)s minutes."), n=round(seconds / 60)),
        say(_("Run two instances behind nginx and switch between them (blue-green): `nginx -s reload` loses nothing.")),
        *seen,
    )


_READS = records(_("The newest version of the environment's runbook."))
CHECK = Check("downtime", _("Deployment with downtime"), ("zero_downtime",), production, _READS, look)
