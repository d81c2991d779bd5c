"""Taking over the shipped figures of the seed: for pages that are still empty, never over what people entered."""

from django.db import transaction
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from releases import audit
from releases.audit import Actor
from releases.engine.errors import EngineError
from releases.insights import costs_seed
from releases.models import Component, CostItem, CostScenario, Host, Price, Project, TrafficEstimate


def load_costs(project: Project, actor: Actor) -> None:
    """Prices, what is bought, traffic, alternatives. Raises EngineError where the project has costs of its own."""
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if project.prices.exists() or project.cost_items.exists():
            raise EngineError(_("This project has prices already. The seed's figures are for an empty page."))
        make_costs(project)
        audit.record(actor, "costs.load_seed", project)


def make_costs(project: Project) -> None:
    """The rows alone, for a project without any. The demo makes them, too, which is nobody's act."""
    prices = costs_seed.prices(project)
    Price.objects.bulk_create(prices)
    CostItem.objects.bulk_create(costs_seed.items(project, min(price.valid_from for price in prices)))
    TrafficEstimate.objects.bulk_create(costs_seed.traffic(project), ignore_conflicts=True)
    if not project.cost_scenarios.exists():
        CostScenario.objects.bulk_create(costs_seed.scenarios(project))


def load_plan(host: Host, actor: Actor) -> None:
    """The planned components of one host. Raises EngineError where it has some already."""
    with transaction.atomic():
        Host.objects.select_for_update(of=("self",), no_key=True).get(pk=host.pk)
        if host.components.exists():
            raise EngineError(_("This host has planned components already. The seed's are for an empty table."))
        make_plan(host)
        audit.record(actor, "host.load_plan", host)


def make_plan(host: Host) -> None:
    """The rows alone, for a host without any."""
    Component.objects.bulk_create(costs_seed.components(host, get_language() or "ko"))
