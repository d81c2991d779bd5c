"""Adding, changing and removing what the costs page shows. Each change is in the audit log with what was before."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from releases import audit, permissions
from releases.models import CostItem, CostScenario, Price, Project, TrafficEstimate
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import done, once, verb
from releases.views.cost_forms import ITEM_GROUPS, ItemForm, OwnForm, PriceForm, ScenarioForm, TrafficForm
from releases.views.grouped_forms import Group, differences, form_page

type Row = Price | CostItem | CostScenario | TrafficEstimate


@dataclass(frozen=True)
class Kind:
    """One sort of row: its form, its first word in the audit log, its page, its title and how to take it away."""

    form: type[OwnForm[Any]]
    action: str
    page: str
    title: Promise
    remove: str
    groups: Iterable[Group] = ()

    def back(self, project: int) -> str:
        """The path of the page that lists them."""
        return reverse(f"releases:{self.page}", args=[project])


PRICE: Final = Kind(PriceForm, "price", "project_prices", gettext_lazy("Price"), "remove_price")
ITEM: Final = Kind(
    ItemForm, "cost_item", "project_costs", gettext_lazy("What is paid for"), "remove_cost_item", ITEM_GROUPS
)
SCENARIO: Final = Kind(
    ScenarioForm, "cost_scenario", "project_costs", gettext_lazy("Alternative"), "remove_cost_scenario"
)
TRAFFIC: Final = Kind(TrafficForm, "traffic", "project_costs", gettext_lazy("Traffic assumed"), "remove_cost_traffic")


@require_http_methods(["GET", "POST"])
@member_required
@once
def new_price(request: HttpRequest, number: int) -> HttpResponse:
    """Add a price."""
    project = permissions.get(Project, signed_in(request), Need.MANAGE, pk=number)
    return _edit(request, PRICE, Price(project=project, valid_from=timezone.localdate()))


@require_http_methods(["GET", "POST"])
@member_required
@once
def edit_price(request: HttpRequest, number: int) -> HttpResponse:
    """Correct a price; what a new price is gets a row of its own."""
    return _edit(request, PRICE, permissions.get(Price, signed_in(request), Need.MANAGE, "project", pk=number))


@verb
def remove_price(request: HttpRequest, number: int) -> HttpResponse:
    """Take a price away; what is bought at it has none on those days then."""
    return _remove(request, PRICE, permissions.get(Price, signed_in(request), Need.MANAGE, "project", pk=number))


@require_http_methods(["GET", "POST"])
@member_required
@once
def new_item(request: HttpRequest, number: int) -> HttpResponse:
    """Add something that is paid for."""
    project = permissions.get(Project, signed_in(request), Need.MANAGE, pk=number)
    return _edit(request, ITEM, CostItem(project=project, starts_on=timezone.localdate()))


@require_http_methods(["GET", "POST"])
@member_required
@once
def edit_item(request: HttpRequest, number: int) -> HttpResponse:
    """Change it, or end it by its last day."""
    return _edit(request, ITEM, permissions.get(CostItem, signed_in(request), Need.MANAGE, "project", pk=number))


@verb
def remove_item(request: HttpRequest, number: int) -> HttpResponse:
    """Take away what was entered by mistake; months that are over lose it, too."""
    return _remove(request, ITEM, permissions.get(CostItem, signed_in(request), Need.MANAGE, "project", pk=number))


@require_http_methods(["GET", "POST"])
@member_required
@once
def new_scenario(request: HttpRequest, number: int) -> HttpResponse:
    """Add an alternative."""
    project = permissions.get(Project, signed_in(request), Need.MANAGE, pk=number)
    return _edit(request, SCENARIO, CostScenario(project=project, as_of=timezone.localdate()))


@require_http_methods(["GET", "POST"])
@member_required
@once
def edit_scenario(request: HttpRequest, number: int) -> HttpResponse:
    """Change an alternative."""
    row = permissions.get(CostScenario, signed_in(request), Need.MANAGE, "project", pk=number)
    return _edit(request, SCENARIO, row)


@verb
def remove_scenario(request: HttpRequest, number: int) -> HttpResponse:
    """Take an alternative away."""
    row = permissions.get(CostScenario, signed_in(request), Need.MANAGE, "project", pk=number)
    return _remove(request, SCENARIO, row)


@require_http_methods(["GET", "POST"])
@member_required
@once
def new_traffic(request: HttpRequest, number: int) -> HttpResponse:
    """Add a figure of the traffic."""
    project = permissions.get(Project, signed_in(request), Need.MANAGE, pk=number)
    return _edit(request, TRAFFIC, TrafficEstimate(project=project))


@require_http_methods(["GET", "POST"])
@member_required
@once
def edit_traffic(request: HttpRequest, number: int) -> HttpResponse:
    """Change an assumption, or say what was measured."""
    row = permissions.get(TrafficEstimate, signed_in(request), Need.MANAGE, "project", pk=number)
    return _edit(request, TRAFFIC, row)


@verb
def remove_traffic(request: HttpRequest, number: int) -> HttpResponse:
    """Take a figure away."""
    row = permissions.get(TrafficEstimate, signed_in(request), Need.MANAGE, "project", pk=number)
    return _remove(request, TRAFFIC, row)


def _edit(request: HttpRequest, kind: Kind, row: Row) -> HttpResponse:
    """The form of a row, new or not. The caller has checked who asks."""
    before = type(row)._default_manager.filter(pk=row.pk).first() if row.pk else None
    form = kind.form(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            saved: Row = form.save()
            changes = differences(before, saved, [name for name in form.fields if name != "seen"])
            if changes:
                verb_word = "change" if before else "create"
                audit.record(actor(request), f"{kind.action}.{verb_word}", saved, changed=changes)
        return redirect(kind.back(row.project_id))
    title = f"{kind.title}: {before}" if before else str(kind.title)
    more: dict[str, Any] = {"section": "costs"}
    if before:
        more |= {"remove_url": reverse(f"releases:{kind.remove}", args=[row.pk]), "remove_text": _("Remove")}
    groups = kind.groups or (Group(kind.title, tuple(form.fields)),)
    return form_page(request, form, groups, title, kind.back(row.project_id), **more)


def _remove(request: HttpRequest, kind: Kind, row: Row) -> HttpResponse:
    with transaction.atomic():
        audit_name = f"{kind.action}.remove"
        audit.record(actor(request), audit_name, row)
        row.delete()
    done(request, _("Removed: %s.") % row)
    return redirect(kind.back(row.project_id))
