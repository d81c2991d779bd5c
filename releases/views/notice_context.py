"""What the page of an announcement shows."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone

from releases import lifecycle, markdown
from releases.engine import announcements
from releases.models import Announcement, Delivery, Outage
from releases.notices import states

SHAPES: Final = {
    lifecycle.SCHEDULED: "pending",
    lifecycle.IN_PROGRESS: "running",
    lifecycle.VERIFYING: "running",
    lifecycle.DONE: "succeeded",
    lifecycle.CANCELLED: "cancelled",
}
DELIVERY_SHAPES: Final = {"pending": "pending", "sent": "succeeded", "failed": "failed"}
STAGES: Final = (lifecycle.SCHEDULED, lifecycle.IN_PROGRESS, lifecycle.VERIFYING, lifecycle.DONE)
SHOWN_DELIVERIES: Final = 100
SHOWN_OUTAGES: Final = 20


def of(row: Announcement) -> dict[str, Any]:
    """Its state, its times side by side, its words, revisions and deliveries."""
    outages = _outages(row)
    deliveries = Delivery.objects.filter(notice__announcement=row).select_related("notice", "channel")
    return {
        "row": row,
        "environment": row.environment,
        "shape": SHAPES[row.state],
        "stages": [{"label": Announcement.State(stage).label, "current": stage == row.state} for stage in STAGES],
        "is_driven": announcements.is_driven(row),
        "is_overdue": _is_overdue(row),
        "services": list(row.services.all()),
        "texts": [_text("ko", row.title_ko, row.body_ko), _text("en", row.title_en, row.body_en)],
        "planned": _seconds(row.starts_at, row.ends_at),
        "real": _seconds(row.began_at, row.ended_at),
        "measured": _measured(row, outages),
        "outages": outages[:SHOWN_OUTAGES],
        "revisions": list(row.revisions.select_related("created_by").order_by("-pk")),
        "deliveries": [
            {"delivery": delivery, "shape": DELIVERY_SHAPES[delivery.state]}
            for delivery in deliveries[:SHOWN_DELIVERIES]
        ],
        "moves": [
            {"state": state, "label": Announcement.State(state).label, "shape": SHAPES[state]}
            for state in announcements.next_states(row)[1:]
        ],
        "is_open": row.state in states.OPEN,
    }


def _text(language: str, title: str, body: str) -> dict[str, Any]:
    return {"language": language, "title": title, "html": markdown.render(body)}


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return (end - begin).total_seconds() if begin and end else None


def _is_overdue(row: Announcement) -> bool:
    """Its beginning has passed, and neither a run nor a person said that it began."""
    late = row.starts_at is not None and row.starts_at < timezone.now()
    return row.state == lifecycle.SCHEDULED and late and not announcements.is_driven(row)


def _outages(row: Announcement) -> list[Outage]:
    """What probes of the services concerned saw from its beginning to its end, in order."""
    if row.began_at is None:
        return []
    end = row.ended_at or timezone.now()
    rows = Outage.objects.filter(Q(ended_at=None) | Q(ended_at__gt=row.began_at), started_at__lt=end)
    rows = rows.filter(probe__environment=row.environment_id)
    concerned = list(row.services.all())
    if concerned:
        rows = rows.filter(probe__service__in=concerned)
    return list(rows.select_related("probe__service").order_by("started_at"))


def _measured(row: Announcement, outages: list[Outage]) -> float | None:
    """Seconds in which a probe failed: the deployment's figure, else the union of the outages."""
    if row.deployment is not None:
        return row.deployment.downtime_measured
    if row.began_at is None:
        return None
    end = row.ended_at or timezone.now()
    total, reached = timedelta(), row.began_at
    for outage in outages:
        begin, finish = max(outage.started_at, reached), min(outage.ended_at or end, end)
        if finish > begin:
            total, reached = total + (finish - begin), finish
    return total.total_seconds()
