"""The delivery log: what is on its way, what arrived, what failed and why."""

from typing import Final

import django_filters
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from releases import permissions
from releases.engine import delivering
from releases.models import Channel, Delivery
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import back_where_it_was_pressed, done, verb
from releases.views.notice_context import DELIVERY_SHAPES

PAGE: Final = 50


def _channels(request: HttpRequest) -> QuerySet[Channel]:
    return permissions.visible(Channel, signed_in(request)).order_by("name")


class DeliveryFilter(django_filters.FilterSet):
    """Where it is, by which channel."""

    state = django_filters.ChoiceFilter(label=gettext_lazy("State"), choices=Delivery.State.choices)
    channel = django_filters.ModelChoiceFilter(label=gettext_lazy("Channel"), queryset=_channels)  # type: ignore[arg-type]

    class Meta:
        model = Delivery
        fields: list[str] = []


@require_GET
@member_required
def deliveries(request: HttpRequest) -> HttpResponse:
    """Every delivery of one's projects, newest first."""
    user = signed_in(request)
    rows = permissions.visible(Delivery, user).select_related("notice", "channel__project").order_by("-pk")
    found = DeliveryFilter(request.GET, rows, request=request)
    page = Paginator(found.qs, PAGE).get_page(request.GET.get("page"))
    operated = permissions.projects(user, Need.OPERATE)
    entries = [
        {
            "delivery": row,
            "shape": DELIVERY_SHAPES[row.state],
            "may_try": row.state == Delivery.State.FAILED
            and row.channel.removed_at is None
            and row.channel.project_id in operated,
        }
        for row in page
    ]
    context = {"page_obj": page, "entries": entries, "filter": found, "section": "notices"}
    return render(request, "releases/notices/deliveries.html", context)


@verb
def retry_delivery(request: HttpRequest, number: int) -> HttpResponse:
    """Try a failed delivery again."""
    joined = ("channel__project", "notice")
    delivery = permissions.get(Delivery, signed_in(request), Need.OPERATE, *joined, pk=number)
    delivering.try_again(delivery, actor(request))
    done(request, _("It is tried again."))
    return back_where_it_was_pressed(request)
