"""How slow the slowest answers to health checks were in the last day."""

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from releases.models import Probe, ProbeResult, Project
from releases.risks.finding import Check, Finding, Target, line, not_known, ok, records, risk, say, warning
from releases.risks.places import of_environment
from releases.risks.ways import Ways

ENOUGH, MOST = 20, 2000  # answers
WARN, BAD = 1000, 5000  # milliseconds; the seed speaks of 5 to 10 seconds
DAY = timedelta(days=1)


def targets(project: Project) -> list[Target]:
    """Each health check that is on."""
    rows = Probe.objects.filter(environment__project=project, enabled=True).select_related(
        "service", "environment__project"
    )
    return [of_environment(row.environment, row, f"probe {row.pk}", row.service.name) for row in rows]


def look(target: Target, ways: Ways) -> Finding:
    """The 95th percentile of good answers."""
    rows = ProbeResult.objects.filter(probe=target.subject, ok=True, at__gte=ways.now - DAY).order_by("-at")
    times = sorted(rows.values_list("milliseconds", flat=True)[:MOST])
    if len(times) < ENOUGH:
        return not_known(say(_("Too few answers of the last day to say: %(n)s."), n=len(times)))
    p95 = times[-(-len(times) * 95 // 100) - 1]
    seen = (
        line(_("Answers"), len(times)),
        line("p50", f"{times[len(times) // 2]:.0f} ms"),
        line("p95", f"{p95:.0f} ms"),
        line(_("Slowest"), f"{times[-1]:.0f} ms"),
    )
    said = say(_("95 of 100 answers came within %(n)s ms."), n=f"{p95:.0f}")
    mend = say(_("Compare with the host's memory, disk and CPU at that time; look for slow queries."))
    if p95 >= BAD:
        return risk(said, mend, *seen)
    if p95 >= WARN:
        return warning(said, mend, *seen)
    return ok(said, *seen)


_READS = records(_("The answers to the health checks of the last day."))
CHECK = Check("slow_answers", _("Slow answers"), ("delays", "vector_search"), targets, _READS, look)
