"""How each service of an environment answers now, with the last minutes as a strip of bars."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from django.db.models import Max, OuterRef, Q, Subquery

from releases.models import Environment, Heartbeat, Outage, Probe, ProbeResult, Service
from releases.probes.answers import explain
from releases.probes.store import HEARTBEAT
from releases.probes.tracker import IDLE

State = Literal["up", "down", "planned", "unmeasured"]
Bar = Literal["up", "down", "planned", "none"]

BARS: Final = 60
FRESH: Final = timedelta(seconds=IDLE + 10)  # how long one answer speaks for the time after it
SILENT: Final = timedelta(seconds=15)  # a probe process without a heartbeat for this long is not running


@dataclass(frozen=True)
class ServiceAnswers:
    """One service's health. `since` is when the state began (None: not known), `milliseconds` of the last answer.

    `detail` says in words why it is down or not measured. `bars` are BARS equal parts of the time looked at.
    """

    service: Service
    probe: Probe | None
    state: State
    since: datetime | None
    milliseconds: float | None
    detail: str
    bars: list[Bar]


def service_answers(environment: Environment, now: datetime, minutes: int = 5) -> list[ServiceAnswers]:
    """The health of every service of the environment's project, in five queries."""
    window = _Window(now - timedelta(minutes=minutes), now)
    services = list(Service.objects.filter(project=environment.project_id))
    probes = {probe.service_id: probe for probe in _probes(environment)}
    outages, results = _outages(environment, window), _results(environment, window)
    heart = Heartbeat.objects.filter(name=HEARTBEAT).first()
    return [
        _one(service, probes.get(service.pk), outages, results, _reasons(heart, now), window) for service in services
    ]


@dataclass(frozen=True)
class _Window:
    start: datetime
    end: datetime

    def edges(self) -> Iterable[tuple[datetime, datetime]]:
        width = (self.end - self.start) / BARS
        return ((self.start + width * i, self.start + width * (i + 1)) for i in range(BARS))


def _probes(environment: Environment) -> Iterable[Any]:
    newest = ProbeResult.objects.filter(probe=OuterRef("pk")).order_by("-at")
    return Probe.objects.filter(environment=environment, enabled=True).annotate(
        last_at=Subquery(newest.values("at")[:1]),
        last_milliseconds=Subquery(newest.values("milliseconds")[:1]),
        last_outage=Max("outages__ended_at"),
    )


def _outages(environment: Environment, window: _Window) -> dict[int, list[Outage]]:
    found: dict[int, list[Outage]] = {}
    recent = Q(ended_at__isnull=True) | Q(ended_at__gte=window.start)
    for outage in Outage.objects.filter(recent, probe__environment=environment).order_by("started_at"):
        found.setdefault(outage.probe_id, []).append(outage)
    return found


def _results(environment: Environment, window: _Window) -> dict[int, list[datetime]]:
    found: dict[int, list[datetime]] = {}
    rows = ProbeResult.objects.filter(probe__environment=environment, at__gte=window.start - FRESH, at__lte=window.end)
    for probe, at in rows.order_by("at").values_list("probe", "at"):
        found.setdefault(probe, []).append(at)
    return found


def _reasons(heart: Heartbeat | None, now: datetime) -> dict[str, str] | None:
    """Why probes are not measured, by probe; None when the probe process is not running."""
    if heart is None or now - heart.at > SILENT:
        return None
    return dict(heart.detail.get("unmeasured", {}))


def _one(
    service: Service,
    probe: Any,
    outages: dict[int, list[Outage]],
    results: dict[int, list[datetime]],
    reasons: dict[str, str] | None,
    window: _Window,
) -> ServiceAnswers:
    if probe is None:
        return ServiceAnswers(service, None, "unmeasured", None, None, "", ["none"] * BARS)
    own = outages.get(probe.pk, [])
    bars = _bars(own, results.get(probe.pk, []), window)
    fresh = probe.last_at is not None and window.end - probe.last_at <= FRESH
    reason = "stopped" if reasons is None else reasons.get(str(probe.pk), "")
    current = own[-1] if own and own[-1].ended_at is None else None
    if reason or not fresh:
        return ServiceAnswers(service, probe, "unmeasured", probe.last_at, None, explain(reason), bars)
    if current:
        state: State = "planned" if current.planned else "down"
        return ServiceAnswers(service, probe, state, current.started_at, None, explain(current.detail), bars)
    return ServiceAnswers(service, probe, "up", probe.last_outage, probe.last_milliseconds, "", bars)


def _bars(outages: list[Outage], answers: list[datetime], window: _Window) -> list[Bar]:
    return [_bar(outages, answers, start, end) for start, end in window.edges()]


def _bar(outages: list[Outage], answers: list[datetime], start: datetime, end: datetime) -> Bar:
    hit = [o for o in outages if o.started_at < end and (o.ended_at is None or o.ended_at > start)]
    if hit:
        return "planned" if all(outage.planned for outage in hit) else "down"
    return "up" if any(start - FRESH < at < end for at in answers) else "none"
