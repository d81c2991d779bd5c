"""The public page: what users of a project's services read. No login, and nothing else of the project shows."""

from datetime import timedelta
from typing import Any

from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET

from releases.models import Announcement, Environment, Outage, Probe, Project

SHOWN_DAYS = 90
STAGES = ("scheduled", "in_progress", "verifying", "done")
STATES = {"scheduled": "running", "in_progress": "running", "verifying": "running", "done": "succeeded"}


@require_GET
def announcements(request: HttpRequest) -> HttpResponse:
    """The projects that have a public page; straight to it where there is one only."""
    projects = list(Project.objects.order_by("name"))
    if len(projects) == 1:
        return redirect("releases:project_announcements", projects[0].slug)
    return render(request, "releases/announcement_index.html", {"projects": projects})


@require_GET
@cache_control(public=True, max_age=5)
def project_announcements(request: HttpRequest, slug: str) -> HttpResponse:
    """What is announced for a project's production, how its services are, what was before."""
    project = get_object_or_404(Project, slug=slug)
    since = timezone.now() - timedelta(days=SHOWN_DAYS)
    environments = Environment.objects.filter(project=project, is_production=True)
    rows = Announcement.objects.filter(environment__in=environments, created_at__gte=since)
    rows = rows.select_related("environment", "deployment").order_by("-created_at", "-pk")
    shown = list(rows[:50])
    current = [row for row in shown if row.state in {"scheduled", "in_progress", "verifying"}]
    if not current and shown and shown[0].updated_at > timezone.now() - timedelta(hours=24):
        current = shown[:1]
    context = {
        "project": project,
        "current": [_notice(row) for row in current],
        "past": [row for row in shown if row not in current],
        "services": _services(environments),
        "outages": Outage.objects.filter(probe__environment__in=environments, planned=False, started_at__gte=since)
        .select_related("probe__service", "probe__environment")
        .order_by("-started_at")[:20],
    }
    return render(request, "releases/announcements.html", context)


def _notice(row: Announcement) -> dict[str, Any]:
    """An announcement as it stands: its deployment knows better than what was written before it began."""
    began = row.deployment.downtime_opened_at if row.deployment else None
    ended = row.deployment.downtime_closed_at if row.deployment else None
    if row.state == Announcement.State.SCHEDULED and began:
        row.state = Announcement.State.VERIFYING if ended else Announcement.State.IN_PROGRESS
    if began:
        planned = row.ends_at - row.starts_at if row.ends_at and row.starts_at else None
        row.starts_at, row.ends_at = began, ended or (began + planned if planned else None)
    reached = STAGES.index(row.state) if row.state in STAGES else -1
    stages = [
        {"label": Announcement.State(stage).label, "current": index == reached} for index, stage in enumerate(STAGES)
    ]
    return {"row": row, "state": STATES.get(row.state, "cancelled"), "stages": stages}


def _services(environments: Any) -> list[dict[str, Any]]:
    open_outages = Prefetch("outages", Outage.objects.filter(ended_at__isnull=True), to_attr="open_outages")
    probes = Probe.objects.filter(environment__in=environments).select_related("service").prefetch_related(open_outages)
    return [
        {"name": probe.service.name, "enabled": probe.enabled, "outage": next(iter(probe.open_outages), None)}
        for probe in probes.order_by("service__position")
    ]
