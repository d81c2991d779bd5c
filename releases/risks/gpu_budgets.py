"""Whether what GPU endpoints may cost has a limit."""

from django.utils.translation import gettext_lazy as _

from releases.models import GpuSettings, Project
from releases.risks.finding import Check, Finding, Line, Target, line, ok, records, risk, say, warning
from releases.risks.places import of_environment
from releases.risks.ways import Ways


def targets(project: Project) -> list[Target]:
    """The environments that use an account of graphics cards."""
    rows = GpuSettings.objects.filter(environment__project=project, account__isnull=False)
    return [of_environment(row.environment, row) for row in rows.select_related("environment__project", "account")]


def look(target: Target, _ways: Ways) -> Finding:
    """Of a deployment, a day and a month."""
    rules: GpuSettings = target.subject
    budgets = (
        (_("Deployment"), rules.budget_deployment),
        (_("Day"), rules.budget_day),
        (_("Month"), rules.budget_month),
    )
    seen: list[Line] = [line(name, f"${limit}" if limit is not None else "–") for name, limit in budgets]
    missing = [name for name, limit in budgets if limit is None]
    mend = say(_("Set the budgets in the environment's GPU settings."))
    if rules.budget_day is None and rules.budget_month is None:
        return risk(say(_("Nothing limits what the GPU endpoints may cost.")), mend, *seen)
    if missing:
        return warning(say(_("A budget is missing: %(name)s."), name=missing[0]), mend, *seen)
    return ok(say(_("Deployments, days and months have budgets.")), *seen)


_READS = records(_("The GPU settings of the environment."))
CHECK = Check("gpu_budgets", _("GPU budgets"), ("cheap_at_first",), targets, _READS, look)
