"""The stretches without an answer in the past days, and which of them were planned."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from releases.models import Announcement, Environment, Outage
from releases.public.snapshot import Episode, Notice

EPISODES: Final = 50
TOGETHER: Final = timedelta(seconds=60)  # outages closer than this are told as one


@dataclass(frozen=True)
class Gap:
    """One outage of one service. `ended_at` None: it goes on."""

    environment: int
    service: int
    service_name: str
    environment_name: str
    zone: str
    began_at: datetime
    ended_at: datetime | None
    planned: bool


@dataclass(frozen=True)
class _Window:
    """Maintenance that was announced by hand; no services: all of them."""

    environment: int
    services: frozenset[int]
    announced_at: datetime
    starts_at: datetime
    ends_at: datetime

    def explains(self, environment: int, service: int, began_at: datetime) -> bool:
        """It was announced before, for this service, and the outage began within it."""
        concerned = environment == self.environment and (not self.services or service in self.services)
        return concerned and self.announced_at <= began_at and self.starts_at <= began_at <= self.ends_at


def read(environments: Sequence[Environment], since: datetime, now: datetime) -> list[Gap]:
    """The outages that reach into the time since `since`, the oldest first."""
    windows = _windows(environments, since, now)
    recent = Q(ended_at__isnull=True) | Q(ended_at__gte=since)
    rows = Outage.objects.filter(recent, probe__environment__in=environments)
    fields = ("probe__environment", "probe__service", "probe__service__name", "probe__environment__name")
    more = ("probe__environment__zone", "started_at", "ended_at", "planned")
    return [
        Gap(place, service, name, where, zone, began, ended, planned or _explained(windows, place, service, began))
        for place, service, name, where, zone, began, ended, planned in rows.order_by("started_at", "pk").values_list(
            *fields, *more
        )
    ]


def _explained(windows: Iterable[_Window], environment: int, service: int, began: datetime) -> bool:
    return any(window.explains(environment, service, began) for window in windows)


def _windows(environments: Sequence[Environment], since: datetime, now: datetime) -> list[_Window]:
    """Maintenance announced by hand: no deployment marks the outages in it as planned."""
    rows = Announcement.objects.filter(environment__in=environments, kind="maintenance", deployment=None)
    rows = rows.filter(Q(ended_at__isnull=True) | Q(ended_at__gte=since)).exclude(state="cancelled")
    return [
        _Window(
            environment=row.environment_id,
            services=frozenset(service.pk for service in row.services.all()),
            announced_at=row.created_at,
            starts_at=row.began_at or row.starts_at or now,
            ends_at=row.ended_at or row.ends_at or now,
        )
        for row in rows.filter(Q(began_at__isnull=False) | Q(starts_at__isnull=False)).prefetch_related("services")
    ]


def episodes(gaps: Iterable[Gap], notices: Sequence[Notice], several: bool) -> list[Episode]:
    """Unplanned outages as a reader saw them: those at the same time are one. The newest first.

    What an incident tells about is left to it. `several`: services are told apart by their environments.
    """
    found: list[Episode] = []
    for gap in gaps:
        if gap.planned:
            continue
        name = f"{gap.service_name} ({gap.environment_name})" if several else gap.service_name
        if found and _meets(found[-1], gap):
            found[-1] = _joined(found[-1], gap, name)
        else:
            found.append(Episode(services=[name], zone=gap.zone, began_at=gap.began_at, ended_at=gap.ended_at))
    incidents = [notice for notice in notices if notice.is_incident and notice.state != "cancelled"]
    told = [one for one in found if not any(_tells(notice, one) for notice in incidents)]
    return told[: -EPISODES - 1 : -1]


def _meets(last: Episode, gap: Gap) -> bool:
    return last.zone == gap.zone and (last.ended_at is None or gap.began_at <= last.ended_at + TOGETHER)


def _joined(last: Episode, gap: Gap, name: str) -> Episode:
    ended = None if last.ended_at is None or gap.ended_at is None else max(last.ended_at, gap.ended_at)
    services = last.services if name in last.services else [*last.services, name]
    return last.model_copy(update={"services": services, "ended_at": ended})


def _tells(incident: Notice, episode: Episode) -> bool:
    """The incident is about that time. It may have been written down a while after it began."""
    began = incident.began_at or incident.starts_at or incident.created_at
    ended = incident.ended_at
    starts_before_its_end = ended is None or episode.began_at <= ended + TOGETHER
    return starts_before_its_end and (episode.ended_at is None or episode.ended_at >= began - TOGETHER)
