"""History of deployments and the audit log: filtered, paged, exported."""

import csv
import json
from collections.abc import Iterator
from typing import Any

import django_filters
from django import forms
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from releases import audit, lifecycle, permissions
from releases.models import AuditEvent, Deployment, DeploymentKind, Environment, Status, User
from releases.permissions import member_required, signed_in
from releases.views import audit_words
from releases.views.offers import undoable

PAGE = 50
COLUMNS = (
    "number",
    "release",
    "environment",
    "kind",
    "outcome",
    "requested_by",
    "started_by",
    "started_at",
    "finished_at",
    "duration_s",
    "downtime_measured_s",
    "lost_requests",
    "error",
)


def _people(request: HttpRequest) -> QuerySet[User]:
    return User.objects.filter(memberships__project__in=permissions.visible_projects(signed_in(request))).distinct()


def _environments(request: HttpRequest) -> QuerySet[Environment]:
    return permissions.visible(Environment, signed_in(request))


def _date_filter(label: Any, field: str, lookup: str) -> django_filters.DateFilter:
    """A day, chosen in the browser's own calendar."""
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return django_filters.DateFilter(label=label, field_name=field, lookup_expr=lookup, widget=widget)


class DeploymentFilter(django_filters.FilterSet):
    """Who, what, when, where, how it ended."""

    environment = django_filters.ModelChoiceFilter(label=gettext_lazy("Environment"), queryset=_environments)  # type: ignore[arg-type]
    status = django_filters.ChoiceFilter(
        label=gettext_lazy("Outcome"), choices=[(status, Status(status).label) for status in lifecycle.DEPLOYMENT]
    )
    kind = django_filters.ChoiceFilter(label=gettext_lazy("Kind"), choices=DeploymentKind.choices)
    requested_by = django_filters.ModelChoiceFilter(label=gettext_lazy("Who"), queryset=_people)  # type: ignore[arg-type]
    release = django_filters.CharFilter(
        label=gettext_lazy("Release"), field_name="release__version", lookup_expr="icontains"
    )
    since = _date_filter(gettext_lazy("From"), "created_at", "date__gte")
    until = _date_filter(gettext_lazy("To"), "created_at", "date__lte")

    class Meta:
        model = Deployment
        fields: list[str] = []


class AuditFilter(django_filters.FilterSet):
    """Who did what, when."""

    action = django_filters.ChoiceFilter(label=gettext_lazy("Action"), choices=list(audit_words.WORDS.items()))
    actor = django_filters.ModelChoiceFilter(label=gettext_lazy("Who"), queryset=_people)  # type: ignore[arg-type]
    target = django_filters.CharFilter(label=gettext_lazy("Target"), field_name="target_name", lookup_expr="icontains")
    since = _date_filter(gettext_lazy("From"), "at", "date__gte")
    until = _date_filter(gettext_lazy("To"), "at", "date__lte")

    class Meta:
        model = AuditEvent
        fields: list[str] = []


@require_GET
@member_required
def history(request: HttpRequest) -> HttpResponseBase:
    """Every deployment, newest first; `?format=csv` and `?format=json` give all that the filter finds."""
    rows = permissions.visible(Deployment, signed_in(request)).order_by("-pk")
    rows = rows.select_related("environment", "release", "requested_by", "started_by", "plan", "only_service").defer(
        "plan__content"
    )
    found = DeploymentFilter(request.GET, rows, request=request)
    wanted = request.GET.get("format", "")
    if wanted in _EXPORTS:
        return _EXPORTS[wanted](found.qs)
    page = Paginator(found.qs, PAGE).get_page(request.GET.get("page"))
    context = {"page_obj": page, "filter": found, "undoable": undoable(signed_in(request), page)}
    return render(request, "releases/history.html", context)


@require_GET
@member_required
def audit_log(request: HttpRequest) -> HttpResponse:
    """The audit events of one's projects, newest first."""
    rows = permissions.visible(AuditEvent, signed_in(request)).select_related("actor").order_by("-sequence")
    found = AuditFilter(request.GET, rows, request=request)
    page = Paginator(found.qs, PAGE).get_page(request.GET.get("page"))
    audit_words.name_steps(page)
    events = [
        {"event": event, "words": audit_words.sentence(event), "state": audit_words.state_of(event)} for event in page
    ]
    return render(request, "releases/audit.html", {"page_obj": page, "events": events, "filter": found})


@require_GET
@member_required
def audit_verify(request: HttpRequest) -> HttpResponse:
    """Walk the whole chain now and say what was found."""
    breaks = list(audit.verify())
    head = AuditEvent.objects.order_by("-sequence").first()
    return render(request, "releases/audit_verify.html", {"breaks": breaks[:100], "count": len(breaks), "head": head})


def _row(deployment: Deployment) -> dict[str, Any]:
    elapsed = deployment.elapsed(deployment.finished_at) if deployment.finished_at else None
    values = (
        deployment.pk,
        deployment.release.version,
        deployment.environment.key,
        deployment.kind,
        deployment.status,
        deployment.requested_name,
        str(deployment.started_by) if deployment.started_by else "",
        deployment.started_at.isoformat() if deployment.started_at else None,
        deployment.finished_at.isoformat() if deployment.finished_at else None,
        round(elapsed.total_seconds(), 1) if elapsed else None,
        deployment.downtime_measured,
        deployment.lost_requests,
        deployment.error,
    )
    return dict(zip(COLUMNS, values, strict=True))


class _Echo:
    """A file that gives back what is written to it, so that csv can stream."""

    def write(self, text: str) -> str:
        return text


def _as_csv(rows: QuerySet[Deployment]) -> StreamingHttpResponse:
    writer = csv.DictWriter(_Echo(), COLUMNS)

    def lines() -> Iterator[str]:
        # A byte order mark, so that a spreadsheet reads Korean right.
        yield "\ufeff" + ",".join(COLUMNS) + "\r\n"
        for row in rows.iterator(chunk_size=500):
            yield writer.writerow({name: _inert(value) for name, value in _row(row).items()})

    return _attachment(lines(), "text/csv; charset=utf-8", "csv")


def _inert(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def _as_json(rows: QuerySet[Deployment]) -> StreamingHttpResponse:
    def pieces() -> Iterator[str]:
        yield "["
        for index, row in enumerate(rows.iterator(chunk_size=500)):
            yield (",\n" if index else "\n") + json.dumps(_row(row), ensure_ascii=False)
        yield "\n]\n"

    return _attachment(pieces(), "application/json", "json")


def _attachment(pieces: Iterator[str], content_type: str, ending: str) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(pieces, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="deployments.{ending}"'
    return answer


_EXPORTS = {"csv": _as_csv, "json": _as_json}
