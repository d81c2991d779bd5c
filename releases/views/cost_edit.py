"""The forms of what the costs page shows, and the presses that take something away."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from releases import permissions
from releases.audit import Actor
from releases.engine import costs as verbs
from releases.engine.costs import Row
from releases.engine.errors import EngineError
from releases.models import CostItem, CostScenario, Price, Project, TrafficEstimate
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import done, once, verb
from releases.views.cost_forms import ITEM_GROUPS, ItemForm, OwnForm, PriceForm, ScenarioForm, TrafficForm
from releases.views.grouped_forms import Group, form_page


@dataclass(frozen=True)
class Kind:
    """One sort of row: its form, its page, its title and how to take it away."""

    form: type[OwnForm[Any]]
    page: str
    title: Promise
    remove: str
    groups: Iterable[Group] = ()

    def back(self, project: int) -> str:
        """The path of the page that lists them."""
        return reverse(f"releases:{self.page}", args=[project])


PRICE: Final = Kind(PriceForm, "project_prices", gettext_lazy("Price"), "remove_price")
ITEM: Final = Kind(ItemForm, "project_costs", gettext_lazy("What is paid for"), "remove_cost_item", ITEM_GROUPS)
SCENARIO: Final = Kind(ScenarioForm, "project_costs", gettext_lazy("Alternative"), "remove_cost_scenario")
TRAFFIC: Final = Kind(TrafficForm, "project_costs", gettext_lazy("Traffic assumed"), "remove_cost_traffic")


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
    is_new = row.pk is None
    title = str(kind.title) if is_new else f"{kind.title}: {row}"
    form = kind.form(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid() and _saved(form, row, is_new, actor(request)):
        return redirect(kind.back(row.project_id))
    more: dict[str, Any] = {"section": "costs"}
    if not is_new:
        more |= {"remove_url": reverse(f"releases:{kind.remove}", args=[row.pk]), "remove_text": _("Remove")}
    groups = kind.groups or (Group(kind.title, tuple(form.fields)),)
    return form_page(request, form, groups, title, kind.back(row.project_id), **more)


def _saved(form: OwnForm[Any], row: Row, is_new: bool, who: Actor) -> bool:
    """Have it kept; what the engine refuses stands in the form."""
    try:
        if is_new:
            verbs.add(row, form.values(), who)
        else:
            verbs.change(row, form.held, form.values(), who)
    except EngineError as error:
        form.add_error(None, str(error))
        return False
    return True


def _remove(request: HttpRequest, kind: Kind, row: Row) -> HttpResponse:
    verbs.remove(row, actor(request))
    done(request, _("Removed: %s.") % row)
    return redirect(kind.back(row.project_id))
