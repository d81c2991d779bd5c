"""Rows about costs and capacity, for tests of pages."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from releases.audit import THE_SYSTEM
from releases.engine import clock, cost_seed
from releases.models import (
    CapacityHour,
    CapacitySample,
    Component,
    CostItem,
    CostScenario,
    Environment,
    Host,
    HostWatch,
    Price,
    Probe,
    ProbeResult,
    Project,
    Service,
    TrafficEstimate,
)
from tests.factories import World

GB = 10**9
# Addresses of forms: a viewer may not even open them.
FORMS = {
    *(f"projects/<int:number>/costs/{name}/new" for name in ("prices", "items", "scenarios", "traffic")),
    "projects/<int:number>/costs/prices/import",
    *(f"{name}/<int:number>/edit" for name in ("prices", "cost-items", "cost-scenarios", "cost-traffic", "components")),
    "hosts/<int:number>/capacity/edit",
    "hosts/<int:number>/components/new",
}


def numbers_of_rows(world: World) -> dict[str, int]:
    """A row for each first word of an address of costs and capacity."""
    project = world.project
    price = Price.objects.create(
        project=project,
        kind="instance",
        key="t4g.large",
        unit="hour",
        amount=Decimal("0.0832"),
        valid_from=date(2026, 1, 1),
    )
    item = CostItem.objects.create(
        project=project, kind="instance", name="EC2", price_key=price.key, starts_on=date(2026, 1, 1)
    )
    scenario = CostScenario.objects.create(
        project=project, basis="web", name_en="One host", low=Decimal(61), as_of=date(2026, 1, 7)
    )
    traffic = TrafficEstimate.objects.create(project=project, what="dau", low=60)
    component = Component.objects.create(host=world.host, name="Nginx", match="unit", value="nginx")
    return {
        "prices": price.pk,
        "cost-items": item.pk,
        "cost-scenarios": scenario.pk,
        "cost-traffic": traffic.pk,
        "components": component.pk,
    }


def seeded(project: Project) -> Project:
    """With the seed's figures."""
    cost_seed.load_costs(project, THE_SYSTEM)
    return project


def watched(host: Host, **fields: Any) -> HostWatch:
    """A host that is read, of the seed's type."""
    return HostWatch.objects.create(host=host, **{"is_on": True, "instance": "t4g.xlarge"} | fields)


def sample(host: Host, **fields: Any) -> CapacitySample:
    """A whole reading: 10 % of CPU, 8 of 16 GB, a fifth of the disk, 5 of 100 connections."""
    whole: dict[str, Any] = {
        "at": clock.now(),
        "cpus": 4,
        "cpu": 10.0,
        "memory_total": 16 * GB,
        "memory_used": 8 * GB,
        "disks": [{"path": "/", "total": 100 * GB, "used": 20 * GB}],
        "connections": 5,
        "max_connections": 100,
        "uptime": 86400.0,
        "load": 0.4,
    }
    return CapacitySample.objects.create(host=host, **whole | fields)


def week(host: Host, cpu: float = 10.0, hours: int = 168) -> None:
    """So many hours of readings up to now."""
    now = clock.now().replace(minute=0, second=0, microsecond=0)
    CapacityHour.objects.bulk_create(
        CapacityHour(
            host=host,
            hour=now - timedelta(hours=ago),
            readings=12,
            cpu=cpu,
            cpu_most=min(100.0, cpu + 20),
            memory_share=50.0,
            disk_share=20.0,
            connection_share=5.0,
        )
        for ago in range(hours)
    )


def answered(environment: Environment, milliseconds: float = 80.0, count: int = 500, key: str = "answers") -> Probe:
    """A service that answered its health check so many times up to now, one in a minute."""
    service, _new = Service.objects.get_or_create(
        project=environment.project, key=key, defaults={"name": key, "kind": "backend"}
    )
    probe = Probe.objects.create(environment=environment, service=service, url="http://127.0.0.1:1/health")
    now = clock.now()
    ProbeResult.objects.bulk_create(
        ProbeResult(probe=probe, at=now - timedelta(minutes=n), ok=True, milliseconds=milliseconds)
        for n in range(count)
    )
    return probe
