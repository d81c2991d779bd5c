"""How slow the slowest answers to health checks were in the last day."""

from django.utils.translation import gettext_lazy as _

from releases.insights import answer_times
from releases.models import Probe, Project
from releases.risks.finding import Check, Finding, Target, line, not_known, ok, records, risk, say, warning
from releases.risks.places import of_environment
from releases.risks.ways import Ways

ENOUGH = 20  # minutes with a request: a slow service is told long before a day is known
WARN, BAD = 1000, 5000  # milliseconds; the seed speaks of 5 to 10 seconds


def targets(project: Project) -> list[Target]:
    """Each health check that is on."""
    rows = Probe.objects.filter(environment__project=project, enabled=True).select_related(
        "service", "environment__project"
    )
    return [of_environment(row.environment, row, f"probe {row.pk}", row.service.name) for row in rows]


def look(target: Target, ways: Ways) -> Finding:
    """The 95th percentile, as the headroom of a host has it."""
    seen = answer_times.of_probe(target.subject, ways.now)
    if seen.samples < ENOUGH:
        return not_known(say(_("Too few answers of the last day to say: %(n)s."), n=seen.samples))
    mend = say(_("Compare with the host's memory, disk and CPU at that time; look for slow queries."))
    if seen.ran_out:
        late = say(_("More than 5 of 100 requests got no answer within %(n)s s."), n=f"{seen.limit:g}")
        return risk(late, mend, line(_("Requests"), seen.samples))
    said = say(_("95 of 100 answers came within %(n)s ms."), n=f"{seen.p95:.0f}")
    evidence = (
        line(_("Requests"), seen.samples),
        line("p50", f"{seen.median:.0f} ms"),
        line("p95", f"{seen.p95:.0f} ms"),
    )
    if seen.p95 >= BAD:
        return risk(said, mend, *evidence)
    if seen.p95 >= WARN:
        return warning(said, mend, *evidence)
    return ok(said, *evidence)


_READS = records(_("The answers to the health checks of the last day."))
CHECK = Check("slow_answers", _("Slow answers"), ("delays", "vector_search"), targets, _READS, look)
