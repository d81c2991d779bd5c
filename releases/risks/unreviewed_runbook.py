"""Whether anybody but its author has approved or run the runbook as it is now."""

from collections.abc import Iterable

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from releases import lifecycle
from releases.models import Approval, Deployment, Project, RunbookVersion
from releases.risks.finding import CannotLook, Check, Finding, Target, line, ok, records, risk, say, warning
from releases.risks.places import environments, of_environment
from releases.risks.ways import Ways


def targets(project: Project) -> Iterable[Target]:
    """The runbook and the rollback runbook of each environment."""
    for one in environments(project):
        assert one.environment is not None  # noqa: S101 - targets are environments
        for runbook in (one.environment.runbook, one.environment.rollback_runbook):
            if runbook is not None:
                yield of_environment(one.environment, runbook, f"runbook {runbook.pk}", runbook.name)


def look(target: Target, _ways: Ways) -> Finding:
    """Anywhere in the project: a rehearsal on staging counts."""
    version = target.subject.latest()
    if version is None:
        raise CannotLook(say(_("The runbook has no text yet.")))
    author = version.created_by
    people = sorted(_approvers(version) | _runners(version))
    seen = (
        line(_("Version"), version.number),
        line(_("Written by"), author or say(_("shipped with Cloud Wiki"))),
        line(_("Approved or run by"), ", ".join(people) or "–"),
    )
    if people:
        return ok(say(_("Version %(n)s was approved or run by somebody else."), n=version.number), *seen)
    said = say(_("Nobody but its author has approved or run version %(n)s."), n=version.number)
    mend = say(_("Have another person run it on staging, or approve a deployment with it."))
    production = target.environment is not None and target.environment.is_production
    return (risk if production else warning)(said, mend, *seen)


def _approvers(version: RunbookVersion) -> set[str]:
    rows = Approval.objects.filter(deployment__plan__runbook_version=version, withdrawn_at=None)
    return {str(row.user) for row in rows.exclude(user=version.created_by).select_related("user")[:50]}


def _runners(version: RunbookVersion) -> set[str]:
    rows = Deployment.objects.filter(plan__runbook_version=version, status=lifecycle.SUCCEEDED)
    rows = rows.exclude(Q(started_by=None) | Q(started_by=version.created_by))
    return {str(row.started_by) for row in rows.select_related("started_by").order_by("-pk")[:50]}


_READS = records(_("Approvals of, and deployments with, the newest version of each runbook."))
CHECK = Check("unreviewed_runbook", _("Unreviewed runbook"), ("human_error",), targets, _READS, look)
