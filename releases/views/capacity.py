"""What hosts use of what they have: measured beside planned, the headroom rules, and the reading itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from releases import permissions
from releases.engine import capacity, cost_seed
from releases.insights import headroom, headroom_words
from releases.insights.capacity_asking import asked_of
from releases.insights.capacity_seen import planned_and_measured, seen_of
from releases.insights.shares import connection_share, disk_share, memory_share
from releases.models import CapacityHour, CapacitySample, Component, Host, HostWatch
from releases.permissions import Need, actor, member_required, signed_in
from releases.templatetags.charts import Chart, Series, lines
from releases.views.answers import done, verb

PAGE: Final = 50
PARTS: Final = ("environment__project", "watch")
DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
LATE: Final = 1.9  # times the usual: the line has a gap where a reading is missing
SECOND: Final = timedelta(seconds=1)
MEGABYTE: Final = 10**6


@require_GET
@member_required
def hosts(request: HttpRequest) -> HttpResponse:
    """Every host of one's projects: whether it is read, and how its rules stand."""
    rows = permissions.visible(Host, signed_in(request)).select_related(*PARTS)
    rows = rows.order_by("environment__project__name", "environment__position", "name")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    seen = seen_of(list(page), timezone.now())
    found = []
    for host in page:
        rules = headroom.rules(seen[host.pk])
        shares = shares_of(seen[host.pk].sample)
        found.append(
            {
                "shares": shares,
                "host": host,
                "rules": rules,
                "worst": headroom.worst(rules),
                "response": next(rule for rule in rules if rule.code == "response"),
                "watch": watch_of(host),
                "seen": seen[host.pk],
            }
        )
    return render(request, "releases/capacity/hosts.html", {"page_obj": page, "rows": found, "section": "costs"})


@require_GET
@member_required
def host(request: HttpRequest, number: int) -> HttpResponse:
    """One host."""
    user = signed_in(request)
    found = permissions.get(Host, user, Need.VIEW, *PARTS, pk=number)
    project = found.environment.project_id
    context = {
        "section": "costs",
        "may_manage": permissions.may(user, Need.MANAGE, project),
        "may_operate": permissions.may(user, Need.OPERATE, project),
        **context_of(found),
    }
    part = "#seen" if "HX-Request" in request.headers else ""
    return render(request, f"releases/capacity/host.html{part}", context)


@verb
def read_now(request: HttpRequest, number: int) -> HttpResponse:
    """Have a worker read the host now."""
    found = permissions.get(Host, signed_in(request), Need.OPERATE, *PARTS, pk=number)
    capacity.ask(found, signed_in(request), actor(request))
    done(request, _("A worker reads %s now; the page shows it within a few seconds.") % found)
    return redirect("releases:capacity_host", found.pk)


@verb
def load_plan(request: HttpRequest, number: int) -> HttpResponse:
    """Take over the seed's plan of components."""
    found = permissions.get(Host, signed_in(request), Need.MANAGE, *PARTS, pk=number)
    cost_seed.load_plan(found, actor(request))
    return redirect("releases:capacity_host", found.pk)


def watch_of(host: Host) -> HostWatch:
    """How the host is read; one that is off, and not saved, where nobody said anything."""
    try:
        return host.watch
    except HostWatch.DoesNotExist:
        return HostWatch(host=host)


def shares_of(sample: CapacitySample | None) -> list[dict[str, Any]]:
    """How full the host was at its newest reading; nothing is known of one that failed."""
    whole = sample if sample and not sample.problem else None
    return [
        {"title": "CPU", "value": whole.cpu if whole else None},
        {"title": _("Memory"), "value": memory_share(whole) if whole else None},
        {"title": _("Disk"), "value": disk_share(whole) if whole else None},
        {"title": _("Connections"), "value": connection_share(whole) if whole else None},
    ]


def context_of(host: Host) -> dict[str, Any]:
    """All about one host; the number of queries does not depend on how much was read."""
    now, watch = timezone.now(), watch_of(host)
    seen = seen_of([host], now)[host.pk]
    rules = headroom.rules(seen)
    components = list(host.components.all())
    total = _total(components, seen.sample)
    memory = int(seen.instance.memory_gb * 10**9) if seen.instance and seen.instance.memory_gb else None
    return {
        "host": host,
        "watch": watch,
        "is_reading": watch.asked_at is not None,
        "sample": seen.sample,
        "missing": headroom_words.could_not_read(seen.sample.missing) if seen.sample else [],
        "rules": rules,
        "worst": headroom.worst(rules),
        "instance": seen.instance,
        "parts": parts_of(components, now),
        "total": total,
        "room": memory - total["memory_middle"] if memory else None,
        "charts": _charts(host, seen.hours, now),
        "commands": [command.text for command in asked_of(host, watch)],
        "minutes": capacity.INTERVAL.seconds // 60,
    }


def parts_of(components: Sequence[Component], now: datetime) -> list[dict[str, Any]]:
    """Each component's plan beside what it took over the last day."""
    measured = planned_and_measured(components, now)
    return [{"component": one, "measured": measured[one.pk]} for one in components]


def _total(components: Sequence[Component], sample: CapacitySample | None) -> dict[str, Any]:
    """The plan's sums, and what the whole machine uses."""
    memory = [(one.memory_low or 0, one.memory_high or one.memory_low or 0) for one in components]
    cpu = [(one.cpu_low or 0, one.cpu_high or one.cpu_low or 0) for one in components]
    return {
        "memory_low": sum(low for low, _high in memory),
        "memory_high": sum(high for _low, high in memory),
        "cpu_low": sum(low for low, _high in cpu),
        "cpu_high": sum(high for _low, high in cpu),
        "sample": sample if sample and not sample.problem else None,
        "memory_middle": sum(low + high for low, high in memory) * MEGABYTE // 2,
        "cpu_middle": sum(low + high for low, high in cpu) / 2,
    }


def _charts(host: Host, hours: Sequence[CapacityHour], now: datetime) -> list[Chart]:
    """The last week by the hour; the last day reading by reading, where no more is known. At most one query."""
    zone = ZoneInfo(host.environment.zone)
    if hours and hours[0].hour > now - DAY:
        rows = CapacitySample.objects.filter(host=host, at__gte=now - DAY).order_by("at").defer("components")
        usual = capacity.INTERVAL
        figures = [(row.at, (row.cpu, memory_share(row), connection_share(row), disk_share(row))) for row in rows]
    else:
        usual = HOUR
        figures = [(row.hour, (row.cpu, row.memory_share, row.connection_share, row.disk_share)) for row in hours]
    labels = [f"{at.astimezone(zone):%m-%d %H:%M}" for at, _values in figures]
    first, last = (figures[0][0], figures[-1][0]) if figures else (now, now)
    span = max(last - first, SECOND)
    places, reach = [(at - first) / span for at, _values in figures], LATE * usual / span
    titles = (
        ("cpu", "CPU", headroom.CPU),
        ("memory", _("Memory"), headroom.MEMORY),
        ("connections", _("Connections of PostgreSQL"), headroom.CONNECTIONS),
        ("disk", _("The fullest disk"), headroom.DISK),
    )
    series = [Series(_("measured"), [values[place] for _at, values in figures]) for place in range(len(titles))]
    return [
        lines(f"{key}-chart", title, labels, [one], _percent, places=places, reach=reach, most=100.0, limit=limit)
        for one, (key, title, limit) in zip(series, titles, strict=True)
    ]


def _percent(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") + " %"
