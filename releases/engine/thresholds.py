"""Watching the thresholds of the seed's 3.3: the first time that one is reached is a row, once for ever."""

from datetime import datetime

from django.db import transaction

from releases import audit
from releases.audit import THE_SYSTEM
from releases.insights import crossing_words
from releases.insights.thresholds import Reading, readings
from releases.models import Project, ThresholdCrossing
from releases.notices import outbox


def watch(now: datetime) -> list[ThresholdCrossing]:
    """Look at every project's thresholds. Returns what was reached for the first time."""
    found = []
    for project in Project.objects.order_by("pk"):
        for reading in readings(project, now):
            if reading.is_reached and reading.crossing is None and (row := _cross(project, reading)) is not None:
                found.append(row)
    return found


def _cross(project: Project, reading: Reading) -> ThresholdCrossing | None:
    """Put it on record; None where another worker was quicker."""
    with transaction.atomic():
        value = reading.value or 0
        row, is_new = ThresholdCrossing.objects.get_or_create(
            project=project, rule=reading.rule, defaults={"value": value}
        )
        if not is_new:
            return None
        link = f"/insights/thresholds?project={project.pk}"
        outbox.put(project, "threshold", *crossing_words.said(row), link=link)
        audit.record(THE_SYSTEM, "threshold.cross", row, rule=str(reading.rule.value), value=value)
    return row
