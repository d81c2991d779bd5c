"""The insights pages: what was measured, and the rows behind each number."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from releases import permissions
from releases.engine import clock
from releases.insights import dora, measures, sets, thresholds
from releases.models import Deployment, Project
from releases.permissions import Need, member_required, signed_in
from releases.views import insights_charts
from releases.views.insights_scope import looked_at
from releases.views.insights_words import OUTAGES, RULES, SETS
from releases.views.offers import undoable

PAGE = 50


@require_GET
@member_required
def insights(request: HttpRequest) -> HttpResponse:
    """The quantities of the seed's 3.2.1 and DORA's four keys, for one environment and a period."""
    looked = looked_at(request)
    context: dict[str, Any] = {"looked": looked, "scope": looked.scope, "tab": "measures"}
    if looked.scope is not None:
        context |= {
            "measures": measures.of(looked.scope),
            "dora": dora.of(looked.scope),
            "charts": insights_charts.of(looked.scope),
        }
    return render(request, "insights/measures.html", context)


@require_GET
@member_required
def deployments(request: HttpRequest) -> HttpResponse:
    """The deployments behind a number: `set` names which, as the number's link does."""
    looked, name = looked_at(request), request.GET.get("set", "")
    if looked.scope is None or name not in sets.SETS:
        raise Http404
    rows = sets.SETS[name](looked.scope)
    if (who := _number(request.GET.get("who", ""))) is not None:
        rows = rows.filter(started_by=who)
    return _list(request, rows, {"looked": looked, "scope": looked.scope, "title": SETS[name]})


@require_GET
@member_required
def threshold_deployments(request: HttpRequest) -> HttpResponse:
    """The deployments that a threshold counts."""
    number, rule = _number(request.GET.get("project", "")), request.GET.get("rule", "")
    if number is None or rule not in thresholds.DEPLOYMENTS:
        raise Http404
    project = permissions.get(Project, signed_in(request), Need.VIEW, pk=number)
    rows = thresholds.DEPLOYMENTS[rule](project, clock.now())
    return _list(request, rows, {"project": project, "rule": rule, "title": RULES[rule]})


@require_GET
@member_required
def outages(request: HttpRequest) -> HttpResponse:
    """The outages behind a number, with the deployment that each began in or after."""
    looked, name = looked_at(request), request.GET.get("set", "")
    if looked.scope is None or name not in sets.OUTAGES:
        raise Http404
    rows = sets.OUTAGES[name](looked.scope).select_related("probe__service", "deployment__release")
    page = Paginator(rows.order_by("-started_at"), PAGE).get_page(request.GET.get("page"))
    context = {"page_obj": page, "looked": looked, "scope": looked.scope, "title": OUTAGES[name], "section": "insights"}
    return render(request, "insights/outages.html", context)


def _number(text: str) -> int | None:
    """A number of a row; `int` would stumble over digits such as ²."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _list(request: HttpRequest, rows: QuerySet[Deployment], context: dict[str, Any]) -> HttpResponse:
    loaded = rows.select_related("environment", "release", "requested_by", "started_by", "plan", "only_service").defer(
        "plan__content"
    )
    page = Paginator(loaded.order_by("-pk"), PAGE).get_page(request.GET.get("page"))
    more = {"page_obj": page, "undoable": undoable(signed_in(request), page), "section": "insights"}
    return render(request, "insights/deployments.html", context | more)
