"""What a project costs: planned by month, billed where there are bills, alternatives, the traffic behind it."""

from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.core.paginator import Paginator
from django.db.models import Sum
from django.db.models.functions import TruncMonth
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from releases import permissions
from releases.engine import cost_seed
from releases.insights.costs import HOURS_OF_A_MONTH, Month, PriceTable, month_of, months
from releases.insights.scenarios import compared
from releases.models import CostItem, CostKind, GpuBill, Price, Project
from releases.permissions import Need, actor, member_required, signed_in
from releases.templatetags import charts
from releases.views.answers import done, verb

PAGE: Final = 50
MONTHS: Final = 12
GPU_MONTHS: Final = 6  # the others are behind the chart
USD: Final = "USD"  # of the bills for GPUs


@require_GET
@member_required
def costs(request: HttpRequest) -> HttpResponse:
    """What each of one's projects comes to this month."""
    projects = permissions.visible_projects(signed_in(request)).order_by("name")
    page = Paginator(projects, PAGE).get_page(request.GET.get("page"))
    context = {"page_obj": page, "rows": _this_month(list(page))}
    return render(request, "releases/costs/projects.html", context)


@require_GET
@member_required
def project_costs(request: HttpRequest, number: int) -> HttpResponse:
    """One project."""
    user = signed_in(request)
    project = permissions.get(Project, user, Need.VIEW, pk=number)
    may_manage = permissions.may(user, Need.MANAGE, project.pk)
    context = {"may_manage": may_manage, "section": "costs", **context_of(project)}
    return render(request, "releases/costs/project.html", context)


@require_GET
@member_required
def prices(request: HttpRequest, number: int) -> HttpResponse:
    """The price table of a project, newest first within each short name."""
    user = signed_in(request)
    project = permissions.get(Project, user, Need.VIEW, pk=number)
    page = Paginator(project.prices.all(), PAGE).get_page(request.GET.get("page"))
    may_manage = permissions.may(user, Need.MANAGE, project.pk)
    context = {"project": project, "page_obj": page, "may_manage": may_manage, "section": "costs"}
    return render(request, "releases/costs/prices.html", context)


@verb
def load_seed(request: HttpRequest, number: int) -> HttpResponse:
    """Take over the shipped figures of the seed."""
    project = permissions.get(Project, signed_in(request), Need.MANAGE, pk=number)
    cost_seed.load_costs(project, actor(request))
    done(request, _("The seed's figures are here. Change what is otherwise by now."))
    return redirect("releases:project_costs", project.pk)


def context_of(project: Project) -> dict[str, Any]:
    """All about the costs of one project; also for the parts of wiki pages."""
    today = timezone.localdate()
    items = list(project.cost_items.select_related("environment"))
    table = PriceTable(project.prices.all())
    firsts = [
        first
        for first in months(today, MONTHS)
        if items and first >= min(one.starts_on for one in items).replace(day=1)
    ]
    history = [month_of(first, items, table) for first in firsts or months(today, 1)]
    billed = billed_by_month([project], history[0].first).get(project.pk, {})
    month = history[-1]
    return {
        "project": project,
        "month": month,
        "lines": sorted(month.lines, key=lambda line: CostKind.values.index(line.item.kind)),
        "sums": sums_of(month),
        "ended": [item for item in items if item not in {line.item for line in month.lines}],
        "gpu_months": _gpu_months(history, billed),
        "chart": _chart(history, billed),
        "groups": compared(project.cost_scenarios.all()),
        "traffic": list(project.traffic.all()),
        "has_prices": table.is_any,
        "hours": int(HOURS_OF_A_MONTH),
    }


def sums_of(month: Month) -> list[tuple[str, Decimal, Decimal | None]]:
    """Each currency with its sum, and the sum without GPUs where that is another one."""
    without = month.without_gpu
    return [
        (currency, total, without.get(currency, Decimal(0)) if without.get(currency) != total else None)
        for currency, total in sorted(month.sums.items())
    ]


def billed_by_month(projects: Collection[Project], since: date) -> dict[int, dict[date, Decimal]]:
    """What GPU endpoints were billed, by project and first day of the month (in the server's zone). One query."""
    zone = timezone.get_current_timezone()
    begin = datetime.combine(since, time(), tzinfo=zone if isinstance(zone, ZoneInfo) else None)
    rows = GpuBill.objects.filter(endpoint__environment__project__in=projects, hour__gte=begin)
    rows = rows.order_by().annotate(month=TruncMonth("hour", tzinfo=zone))
    found: dict[int, dict[date, Decimal]] = defaultdict(dict)
    sums = rows.values_list("endpoint__environment__project", "month").annotate(total=Sum("amount"))
    for project, month, total in sums:
        found[project][month.date()] = total
    return found


def _this_month(projects: Collection[Project]) -> list[dict[str, Any]]:
    """Each project's sum of this month, planned and billed. Three queries."""
    first = timezone.localdate().replace(day=1)
    items: dict[int, list[CostItem]] = defaultdict(list)
    for item in CostItem.objects.filter(project__in=projects):
        items[item.project_id].append(item)
    prices: dict[int, list[Price]] = defaultdict(list)
    for price in Price.objects.filter(project__in=projects):
        prices[price.project_id].append(price)
    billed = billed_by_month(projects, first)
    found = []
    for project in projects:
        month = month_of(first, items[project.pk], PriceTable(prices[project.pk]))
        found.append(
            {
                "project": project,
                "month": month,
                "sums": sorted(month.sums.items()),
                "billed": billed.get(project.pk, {}).get(first),
            }
        )
    return found


def _gpu_months(history: list[Month], billed: dict[date, Decimal]) -> list[dict[str, Any]]:
    """Planned and billed GPU costs by month, newest first. A month without a bill is not known to be free."""
    return [
        {"first": month.first, "planned": month.sum_of(USD, CostKind.GPU), "billed": billed.get(month.first)}
        for month in history[: -GPU_MONTHS - 1 : -1]
    ]


def _chart(history: list[Month], billed: dict[date, Decimal]) -> charts.Chart:
    labels = [f"{month.first:%Y-%m}" for month in history]
    planned = charts.Series.of(_("Planned"), (month.sum_of(USD) for month in history))
    beside = charts.Series.of(_("GPU billed"), (billed.get(month.first) for month in history))
    return charts.columns("months-chart", _("Planned costs by month"), labels, [planned], _usd, beside=beside)


def _usd(amount: float) -> str:
    return f"{amount:,.2f} {USD}"
