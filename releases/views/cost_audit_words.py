"""What audited actions about costs and capacity are called on screen."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: Final[dict[str, Promise]] = {
    "price.create": _("added a price"),
    "price.change": _("changed a price"),
    "price.remove": _("removed a price"),
    "price.import": _("imported a list of prices"),
    "cost_item.create": _("added something that is paid for"),
    "cost_item.change": _("changed something that is paid for"),
    "cost_item.remove": _("removed something that is paid for"),
    "cost_scenario.create": _("added an alternative"),
    "cost_scenario.change": _("changed an alternative"),
    "cost_scenario.remove": _("removed an alternative"),
    "traffic.create": _("added a figure of the traffic"),
    "traffic.change": _("changed a figure of the traffic"),
    "traffic.remove": _("removed a figure of the traffic"),
    "costs.load_seed": _("took over the seed's figures of costs"),
    "host.watch": _("changed whether or how a host is read"),
    "host.read": _("had a host read"),
    "host.load_plan": _("took over the seed's plan of components"),
    "host.component_add": _("planned a component of a host"),
    "host.component_change": _("changed the plan of a component"),
    "host.component_remove": _("took a component out of the plan"),
}
