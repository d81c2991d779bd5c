"""What was read of hosts, for the pages: the same number of queries however many hosts there are."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import OuterRef, Subquery

from releases.insights import answer_times
from releases.insights.capacity_parts import mean
from releases.insights.headroom import WEEK, Seen
from releases.models import CapacityHour, CapacitySample, Component, Host, HostWatch, Price

DAY: Final = timedelta(days=1)


def seen_of(hosts: Collection[Host], now: datetime) -> dict[int, Seen]:
    """By the host's number; hosts come with their watch and environment. Five queries."""
    newest = newest_of(hosts)
    hours: dict[int, list[CapacityHour]] = defaultdict(list)
    for row in CapacityHour.objects.filter(host__in=hosts, hour__gte=now - WEEK).order_by("hour"):
        hours[row.host_id].append(row)
    types = _instances(hosts, now)
    answers = answer_times.of_environments({host.environment_id for host in hosts}, now)
    return {
        host.pk: Seen(
            now,
            newest.get(host.pk),
            hours[host.pk],
            types.get((host.environment.project_id, instance_of(host))),
            answers.get(host.environment_id, ()),
        )
        for host in hosts
    }


def newest_of(hosts: Collection[Host]) -> dict[int, CapacitySample]:
    """The newest reading of each, by the host's number. One query."""
    last = CapacitySample.objects.filter(host=OuterRef("pk")).order_by("-at").values("pk")[:1]
    numbers = Host.objects.filter(pk__in=[host.pk for host in hosts]).order_by().values(last=Subquery(last))
    return {sample.host_id: sample for sample in CapacitySample.objects.filter(pk__in=numbers)}


def instance_of(host: Host) -> str:
    """The short name of its instance type, "" where nobody said it."""
    try:
        return host.watch.instance
    except HostWatch.DoesNotExist:
        return ""


def _instances(hosts: Collection[Host], now: datetime) -> dict[tuple[int, str], Price]:
    keys = {instance_of(host) for host in hosts}
    rows = Price.objects.filter(key__in=keys, project__in={host.environment.project_id for host in hosts})
    rows = rows.filter(valid_from__lte=now.date()).order_by("valid_from")
    return {(row.project_id, row.key): row for row in rows}


def planned_and_measured(components: Sequence[Component], now: datetime) -> dict[int, dict[str, Any] | None]:
    """Of each component what it took over the last day, None where that was not read. One query."""
    hosts = {component.host_id for component in components}
    rows = CapacitySample.objects.filter(host__in=hosts, at__gte=now - DAY, problem="").order_by("at")
    read: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for found in rows.values_list("components", flat=True):
        for number, entry in found.items():
            read[number].append(entry)
    return {component.pk: mean(read[str(component.pk)]) for component in components}
