"""The pages of costs and capacity of the demo, which has the seed's figures and reads its own hosts."""

import re

from tests.browser.installation import Person

COSTS = "/projects/1/costs"


def cost_pages(admin: Person) -> dict[str, str]:
    """An address for each page, by the name of its URL."""
    found = {"costs": "/costs/", "project_costs": COSTS, "project_prices": f"{COSTS}/prices"}
    found |= {"import_prices": f"{COSTS}/prices/import", "new_price": f"{COSTS}/prices/new"}
    found |= {f"new_cost_{one.removesuffix('s')}": f"{COSTS}/{one}/new" for one in ("items", "scenarios", "traffic")}
    page = admin.open(COSTS)
    for name, kind in (
        ("edit_cost_item", "cost-items"),
        ("edit_cost_scenario", "cost-scenarios"),
        ("edit_cost_traffic", "cost-traffic"),
    ):
        found[name] = _first(page.content(), kind)
    found["edit_price"] = _first(admin.open(found["project_prices"]).content(), "prices")
    host = "/hosts/1/capacity"
    found |= {"capacity": "/capacity/", "capacity_host": host, "edit_capacity_host": f"{host}/edit"}
    found["new_component"] = "/hosts/1/components/new"
    found["edit_component"] = _first(admin.open(host).content(), "components")
    return found


def _first(html: str, kind: str) -> str:
    """The first address of a form of this kind on the page."""
    match = re.search(rf'href="(/{kind}/\d+/edit)"', html)
    assert match, kind
    return match[1]
