"""Whether the team goes on when one person is away."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from releases.models import Membership
from releases.risks.finding import Check, Finding, Line, Target, line, ok, records, risk, say, warning
from releases.risks.places import whole
from releases.risks.ways import Ways

NEEDED = 2


def look(target: Target, _ways: Ways) -> Finding:
    """Active people who may approve, and who may run deployments."""
    rows = list(Membership.objects.filter(project=target.project, user__is_active=True).select_related("user"))
    approvers = [row for row in rows if row.can_approve]
    operators = [row for row in rows if row.can_operate]
    seen = (_people(_("May approve"), approvers), _people(_("May run deployments"), operators))
    mend = say(_("Give a second person the right, under Projects in the admin, and rehearse on staging with them."))
    asks = target.project.environments.filter(approvals_required__gt=0).exists()
    if asks and len(approvers) < NEEDED:
        return risk(
            say(_("Only %(n)s people may approve: without them nothing is deployed."), n=len(approvers)), mend, *seen
        )
    if len(operators) < NEEDED:
        return risk(say(_("Only %(n)s people may run deployments."), n=len(operators)), mend, *seen)
    if len(operators) == NEEDED:
        return warning(say(_("Only two people may run deployments: one absence leaves one.")), mend, *seen)
    return ok(say(_("%(n)s people may run deployments, and %(m)s approve."), n=len(operators), m=len(approvers)), *seen)


def _people(label: Promise, rows: list[Membership]) -> Line:
    return line(label, ", ".join(str(row.user) for row in rows) or "–")


_READS = records(_("The people of the project and their rights."))
CHECK = Check("second_approver", _("A second person"), ("assessment", "recovery_time"), whole, _READS, look)
