"""How each service of a project's production answers now, and how its past days were."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import OuterRef, Subquery

from releases.models import Coverage, Environment, Heartbeat, Probe, ProbeResult, Project
from releases.models import Service as ServiceRow
from releases.probes.health import FRESH, SILENT
from releases.probes.store import HEARTBEAT
from releases.public.days import DAYS, Away, Interval, history, uptime
from releases.public.outages import Gap
from releases.public.snapshot import Notice, Service, ServiceState

Key = tuple[int, int]  # environment, service


def read(
    project: Project, environments: Sequence[Environment], gaps: Iterable[Gap], current: Sequence[Notice], now: datetime
) -> list[Service]:
    """Every service in every production environment, in the project's order. Four queries."""
    rows = list(ServiceRow.objects.filter(project=project))
    probes = {(probe.environment_id, probe.service_id): probe for probe in _probes(environments)}
    asked = _asked(probes.values(), now)
    own: dict[Key, list[Gap]] = {}
    for gap in gaps:
        own.setdefault((gap.environment, gap.service), []).append(gap)
    heart = Heartbeat.objects.filter(name=HEARTBEAT).first()
    silent = None if heart is None or now - heart.at > SILENT else dict(heart.detail.get("unmeasured", {}))
    several = len(environments) > 1
    found = []
    for place in environments:
        for row in rows:
            probe = probes.get((place.pk, row.pk))
            is_measured = probe is not None and _is_measured(probe, silent, now)
            mine = own.get((place.pk, row.pk), [])
            state, since = _state(mine, is_measured, _work(current, row.name), probe)
            days = history(place.zone, now, asked.get(probe.pk if probe else 0, []), _away(mine, probe, now))
            found.append(
                Service(
                    key=row.key,
                    name=row.name,
                    environment=place.name if several else "",
                    zone=place.zone,
                    state=state,
                    since=since,
                    uptime=uptime(days),
                    days=days,
                )
            )
    return found


def _probes(environments: Sequence[Environment]) -> Iterable[Any]:
    newest = ProbeResult.objects.filter(probe=OuterRef("pk")).order_by("-at").values("at")[:1]
    return Probe.objects.filter(environment__in=environments).annotate(last_at=Subquery(newest))


def _asked(probes: Iterable[Any], now: datetime) -> dict[int, list[Interval]]:
    """The stretches in which each probe was asked. Its newest answers may not be in a stretch yet."""
    found: dict[int, list[Interval]] = {}
    wanted = {probe.pk: probe.last_at for probe in probes}
    rows = Coverage.objects.filter(probe__in=wanted, ended_at__gte=now - timedelta(days=DAYS + 1))
    for probe, began, ended in rows.order_by("began_at").values_list("probe", "began_at", "ended_at"):
        found.setdefault(probe, []).append((began, min(now, ended + FRESH)))
    for probe, last in wanted.items():
        if last is not None and last <= now:
            found.setdefault(probe, []).append((last, min(now, last + FRESH)))
    return found


def _is_measured(probe: Any, silent: dict[str, str] | None, now: datetime) -> bool:
    fresh = probe.last_at is not None and now - probe.last_at <= FRESH
    return probe.enabled and fresh and silent is not None and str(probe.pk) not in silent


def _work(current: Iterable[Notice], name: str) -> bool:
    """Announced work is under way that concerns the service by name, or names no service."""
    under_way = (one for one in current if one.state == "in_progress" and not one.is_incident)
    return any(not one.services or name in one.services for one in under_way)


def _state(gaps: Sequence[Gap], is_measured: bool, under_way: bool, probe: Any) -> tuple[ServiceState, datetime | None]:
    """What probes say goes before what people say: a service that answers is up, also during maintenance."""
    last = gaps[-1] if gaps else None
    if not is_measured:
        return "unmeasured", probe.last_at if probe else None
    if last is not None and last.ended_at is None:
        return ("maintenance" if last.planned or under_way else "down"), last.began_at
    return "up", last.ended_at if last else None


def _away(gaps: Iterable[Gap], probe: Any, now: datetime) -> list[Away]:
    """An open outage reaches as far as there are answers: nobody knows what was after the last one."""
    known = min(now, probe.last_at + FRESH) if probe and probe.last_at else now
    return [Away(gap.began_at, gap.ended_at or max(gap.began_at, known), gap.planned) for gap in gaps]
