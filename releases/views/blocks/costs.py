"""The tables of the seed's section 1 as live parts of wiki pages."""

from collections import defaultdict
from decimal import Decimal
from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext as _

from releases.insights.capacity_seen import newest_of
from releases.insights.costs import HOURS_OF_A_MONTH, Rate
from releases.models import Component, CostKind, Host, Price, Project
from releases.views.blocks import Block
from releases.views.capacity import parts_of
from releases.views.costs import context_of

MOST_HOSTS: Final = 10


def _traffic(project: Project) -> dict[str, Any]:
    return {"project": project, "traffic": list(project.traffic.all())}


def _prices(project: Project, kind: str) -> list[dict[str, Any]]:
    """The price of each short name that is valid now, and what one of it comes to in a month."""
    today = timezone.localdate()
    rows = project.prices.filter(kind=kind, valid_from__lte=today).order_by("valid_from")
    newest: dict[str, Price] = {row.key: row for row in rows}
    return [
        {"price": row, "month": Rate(row.amount, row.unit, row.currency).for_a_month(Decimal(1))}
        for row in newest.values()
    ]


def _instances(project: Project) -> dict[str, Any]:
    return {"project": project, "rows": _prices(project, CostKind.INSTANCE), "hours": int(HOURS_OF_A_MONTH)}


def _storage(project: Project) -> dict[str, Any]:
    found = context_of(project)
    lines = [line for line in found["lines"] if line.item.kind == CostKind.STORAGE]
    return {"project": project, "lines": lines, "hours": found["hours"]}


def _total(project: Project) -> dict[str, Any]:
    return context_of(project)


def _gpu(project: Project) -> dict[str, Any]:
    found = context_of(project)
    lines = [line for line in found["lines"] if line.item.kind == CostKind.GPU]
    return {"project": project, "lines": lines, "gpu_months": found["gpu_months"][:3], "hours": found["hours"]}


def _components(project: Project) -> dict[str, Any]:
    """Planned and measured, of each host that has a plan."""
    now = timezone.now()
    rows = list(Component.objects.filter(host__environment__project=project))
    by_host: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for part in parts_of(rows, now):
        by_host[part["component"].host_id].append(part)
    hosts = Host.objects.filter(pk__in=by_host).select_related("environment__project", "watch")
    shown = list(hosts.order_by("environment__position", "name")[:MOST_HOSTS])
    newest = newest_of(shown)
    return {
        "project": project,
        "hosts": [{"host": host, "parts": by_host[host.pk], "sample": newest.get(host.pk)} for host in shown],
    }


BLOCKS: Final[dict[str, Block]] = {
    "costs_traffic": Block(lambda: _("Traffic assumed and measured"), _traffic, "blocks/costs_traffic.html"),
    "costs_instances": Block(lambda: _("Instances and their prices"), _instances, "blocks/costs_instances.html"),
    "costs_components": Block(
        lambda: _("Components: planned and measured"), _components, "blocks/costs_components.html"
    ),
    "costs_storage": Block(lambda: _("Storage"), _storage, "blocks/costs_lines.html"),
    "costs_total": Block(lambda: _("Costs of this month"), _total, "blocks/costs_total.html"),
    "costs_gpu": Block(lambda: _("GPU: planned and billed"), _gpu, "blocks/costs_gpu.html"),
}
