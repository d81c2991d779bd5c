"""How far the estimates of steps are from what they really took."""

from collections import defaultdict
from statistics import median

from django.utils.translation import gettext_lazy as _

from releases import lifecycle
from releases.models import Step
from releases.risks import books
from releases.risks.finding import Check, Finding, Target, line, not_known, ok, records, say, warning
from releases.risks.places import environments
from releases.risks.ways import Ways

LAST, ENOUGH = 10, 3  # deployments
DRIFT = 0.5  # of the estimate
SMALL = 30  # seconds that nobody minds


def look(target: Target, _ways: Ways) -> Finding:
    """The median of the last deployments that succeeded, by step, against the runbook's estimate of today."""
    assert target.environment is not None  # noqa: S101 - targets are environments
    rows = target.environment.deployments.filter(status=lifecycle.SUCCEEDED, kind="deploy", only_service=None)
    numbers = list(rows.order_by("-pk").values_list("pk", flat=True)[:LAST])
    if len(numbers) < ENOUGH:
        return not_known(
            say(_("Too few deployments succeeded to say: %(n)s of %(enough)s."), n=len(numbers), enough=ENOUGH)
        )
    took = _took(numbers)
    drifted = []
    for step in books.steps(target):
        real = median(took[step.key]) if len(took[step.key]) >= ENOUGH else None
        if real is not None and abs(real - step.estimate) > max(SMALL, DRIFT * step.estimate):
            drifted.append(line(books.title(step), f"{step.estimate} s → {real:.0f} s"))
    if not drifted:
        return ok(say(_("The estimates fit the last %(n)s deployments."), n=len(numbers)))
    return warning(
        say(_("Estimates that are off by more than half: %(n)s."), n=len(drifted)),
        say(_("Correct `estimate:` of these steps in the runbook.")),
        *drifted,
    )


def _took(numbers: list[int]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    rows = Step.objects.filter(deployment__in=numbers, status=lifecycle.SUCCEEDED)
    for key, began, ended in rows.values_list("key", "started_at", "finished_at"):
        if began and ended:
            found[key].append((ended - began).total_seconds())
    return found


_READS = records(_("The times of steps of the last ten deployments that succeeded, and the runbook's estimates."))
CHECK = Check("estimate_drift", _("Drift of estimates"), ("human_error",), environments, _READS, look)
