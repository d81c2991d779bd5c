"""Backups: what a rollback could use."""

import django_filters
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from releases import permissions
from releases.models import Backup, Environment
from releases.permissions import member_required, signed_in

PAGE = 50


def _environments(request: HttpRequest) -> QuerySet[Environment]:
    return permissions.visible(Environment, signed_in(request))


class BackupFilter(django_filters.FilterSet):
    """Where and what."""

    environment = django_filters.ModelChoiceFilter(label=gettext_lazy("Environment"), queryset=_environments)  # type: ignore[arg-type]
    kind = django_filters.ChoiceFilter(label=gettext_lazy("Kind"), choices=Backup.Kind.choices)
    name = django_filters.CharFilter(label=gettext_lazy("Name"), lookup_expr="icontains")

    class Meta:
        model = Backup
        fields: list[str] = []


@require_GET
@member_required
def backups(request: HttpRequest) -> HttpResponse:
    """Every backup of one's projects, newest first."""
    rows = permissions.visible(Backup, signed_in(request)).order_by("-created_at", "-pk")
    rows = rows.select_related("environment", "service", "host", "release", "created_by")
    found = BackupFilter(request.GET, rows, request=request)
    page = Paginator(found.qs, PAGE).get_page(request.GET.get("page"))
    return render(request, "releases/backups.html", {"page_obj": page, "filter": found})
