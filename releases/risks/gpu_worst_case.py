"""What the GPU endpoints cost at worst: all workers, day and night, for a month."""

from decimal import Decimal
from typing import Final

from django.utils.translation import gettext_lazy as _

from releases.models import GpuEndpoint, GpuSettings
from releases.risks.finding import Check, Finding, Line, Target, line, not_known, ok, records, risk, say
from releases.risks.gpu_budgets import targets
from releases.risks.ways import Ways

HOURS: Final = 730  # of a month, as the seed reckons


def look(target: Target, _ways: Ways) -> Finding:
    """Maximum of workers x price x hours of a month, against the budget of the month."""
    rules: GpuSettings = target.subject
    rows = list(GpuEndpoint.objects.living().filter(environment=target.environment).order_by("name"))
    seen = [_shown(row) for row in rows]
    unpriced = [row.name for row in rows if row.price is None and row.max_workers and not row.stopped_at]
    worst = sum((row.worst_hour or Decimal(0) for row in rows if not row.stopped_at), Decimal(0)) * HOURS
    if not rows:
        return ok(say(_("There is no GPU endpoint that could cost anything.")))
    limit = rules.budget_month
    seen.append(line(_("Budget of a month"), f"${limit}" if limit is not None else "–"))
    said = say(_("At worst the endpoints cost $%(n)s a month."), n=f"{worst:.2f}")
    mend = say(_("Lower the maximum of workers, or retire endpoints that are not needed."))
    if limit is not None and worst > limit:
        return risk(said, mend, *seen)
    if unpriced:
        return not_known(
            say(_("The price of a worker is not known: %(names)s."), names=", ".join(unpriced)), None, *seen
        )
    if limit is None:
        return risk(said, say(_("Set the budgets in the environment's GPU settings.")), *seen)
    return ok(said, *seen)


def _shown(row: GpuEndpoint) -> Line:
    price = f"${row.price:.4f}" if row.price is not None else "?"
    return line(row.name, f"{row.max_workers} × {price} × {HOURS} h" + (" (stopped)" if row.stopped_at else ""))


_READS = records(_("The endpoints, their prices, and the budget of the environment."))
CHECK = Check("gpu_worst_case", _("GPU worst case"), ("explosion", "scale_up"), targets, _READS, look)
