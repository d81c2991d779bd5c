"""Rows that the public pages show."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from releases.models import (
    Announcement,
    AnnouncementRevision,
    Coverage,
    Heartbeat,
    Outage,
    Probe,
    ProbeResult,
    Service,
)
from releases.probes.store import HEARTBEAT
from tests.factories import World

HOUR = timedelta(hours=1)


def probe(world: World, key: str = "backend", *, ok: bool | None = True, days: int = 100) -> Probe:
    """A service's probe that was asked for so many days and, unless `ok` is None, answered just now."""
    now = timezone.now()
    service, _new = Service.objects.get_or_create(
        project=world.project, key=key, defaults={"name": key.title(), "kind": "backend"}
    )
    found = Probe.objects.create(environment=world.environment, service=service, url="http://10.20.30.40:8080/health")
    Coverage.objects.create(probe=found, began_at=now - timedelta(days=days), ended_at=now - timedelta(minutes=2))
    if ok is not None:
        ProbeResult.objects.create(probe=found, at=now, ok=ok, milliseconds=3.0, detail="" if ok else "refused")
        Heartbeat.beat(HEARTBEAT, unmeasured={})
    return found


def outage(found: Probe, began: datetime, ended: datetime | None, **fields: Any) -> Outage:
    """A stretch without an answer."""
    return Outage.objects.create(probe=found, started_at=began, ended_at=ended, detail="refused 10.20.30.40", **fields)


def announce(world: World, state: str = "scheduled", /, **fields: Any) -> Announcement:
    """An announcement with its first wording."""
    words = {"title_ko": "점검 안내", "title_en": "Maintenance", "body_ko": "**본문**", "body_en": "**Body**"}
    row = Announcement.objects.create(
        environment=world.environment, state=state, **({"kind": "maintenance"} | words | fields)
    )
    reword(row)
    return row


def reword(row: Announcement, **changes: Any) -> None:
    """Another state or wording."""
    for name, value in changes.items():
        setattr(row, name, value)
    row.save()
    kept = {name: getattr(row, name) for name in ("state", "title_ko", "title_en", "body_ko", "body_en")}
    AnnouncementRevision.objects.create(announcement=row, **kept)
