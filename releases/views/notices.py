"""Announcements inside: the list, one with all that was said and sent, writing and changing them."""

from typing import Any, Final
from zoneinfo import ZoneInfo

import django_filters
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from releases import permissions
from releases.models import Announcement, Delivery, Environment
from releases.permissions import Need, member_required, signed_in
from releases.views import notice_context

PAGE: Final = 50


def _environments(request: HttpRequest) -> QuerySet[Environment]:
    return permissions.visible(Environment, signed_in(request))


class NoticeFilter(django_filters.FilterSet):
    """Where it stands, what about, where."""

    state = django_filters.ChoiceFilter(label=gettext_lazy("State"), choices=Announcement.State.choices)
    kind = django_filters.ChoiceFilter(label=gettext_lazy("Kind"), choices=Announcement.Kind.choices)
    environment = django_filters.ModelChoiceFilter(label=gettext_lazy("Environment"), queryset=_environments)  # type: ignore[arg-type]

    class Meta:
        model = Announcement
        fields: list[str] = []


@require_GET
@member_required
def notices(request: HttpRequest) -> HttpResponse:
    """Every announcement of one's projects, newest first."""
    user = signed_in(request)
    failed = Count("notices__deliveries", filter=Q(notices__deliveries__state=Delivery.State.FAILED))
    rows = permissions.visible(Announcement, user).select_related("environment__project", "deployment__release")
    found = NoticeFilter(request.GET, rows.annotate(failed=failed).order_by("-created_at", "-pk"), request=request)
    page = Paginator(found.qs, PAGE).get_page(request.GET.get("page"))
    projects = permissions.visible_projects(user).order_by("name")
    context = {
        "page_obj": page,
        "filter": found,
        "rows": [{"row": row, "shape": notice_context.SHAPES[row.state]} for row in page],
        "may_operate": permissions.may_somewhere(user, Need.OPERATE),
        "projects": projects,
    }
    return render(request, "releases/notices/list.html", context)


@require_GET
@member_required
def notice(request: HttpRequest, number: int) -> HttpResponse:
    """One announcement: its times, every wording it had, what became of each message."""
    user = signed_in(request)
    joined = ("environment__project", "deployment__release", "created_by")
    row = permissions.get(Announcement, user, Need.VIEW, *joined, pk=number)
    context: dict[str, Any] = notice_context.of(row)
    context["may_operate"] = permissions.may(user, Need.OPERATE, row.environment.project_id)
    context["zone"] = ZoneInfo(row.environment.zone)
    return render(request, "releases/notices/notice.html", context)
