"""When probes were asked: answers are kept for a day, so the stretches they make up are kept beside them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery

from releases.models import Coverage, ProbeResult
from releases.probes.health import FRESH


def extend() -> None:
    """Add the answers since the last time to the stretches. Safe to run twice at once, and after a day of rest."""
    reached = Coverage.objects.filter(probe=OuterRef("probe")).order_by("-ended_at").values("ended_at")[:1]
    rows = ProbeResult.objects.annotate(reached=Subquery(reached))
    rows = rows.filter(Q(reached__isnull=True) | Q(at__gt=F("reached")))
    answers: dict[int, list[datetime]] = {}
    for probe, at in rows.order_by("at").values_list("probe", "at"):
        answers.setdefault(probe, []).append(at)
    newest = {row.probe_id: row for row in _newest(answers)}
    changed: list[Coverage] = []
    added: list[Coverage] = []
    for probe, moments in answers.items():
        first, *new = _stretches(newest.get(probe) or Coverage(probe_id=probe), moments)
        (changed if first.pk else added).append(first)
        added += new
    with transaction.atomic():
        Coverage.objects.bulk_update(changed, ["ended_at"])
        Coverage.objects.bulk_create(added, ignore_conflicts=True)


def _newest(probes: Iterable[int]) -> Any:
    return Coverage.objects.filter(probe__in=list(probes)).order_by("probe_id", "-ended_at").distinct("probe_id")


def _stretches(last: Coverage, moments: Iterable[datetime]) -> list[Coverage]:
    """The last stretch made longer, and new ones after each gap. One answer speaks for FRESH after it."""
    found = [last]
    for at in moments:
        if last.ended_at is None:  # a new row: nothing was kept of this probe yet
            last.began_at = last.ended_at = at
        elif at - last.ended_at <= FRESH:
            last.ended_at = max(at, last.ended_at)
        else:
            last = Coverage(probe_id=last.probe_id, began_at=at, ended_at=at)
            found.append(last)
    return found
