"""The seed's totals, and months that are not whole."""

from datetime import date
from decimal import Decimal

import pytest

from releases.insights import costs_seed
from releases.insights.costs import PriceTable, month_of, months
from releases.insights.scenarios import compared
from releases.models import CostItem, CostScenario, Price, Project

PROJECT = Project(pk=1, name="Moyeobab")


def price(amount: str, valid_from: date, key: str = "gp3", **more: str) -> Price:
    fields = {"unit": "gb_month", "currency": "USD", "kind": "storage"} | more
    return Price(project=PROJECT, key=key, amount=Decimal(amount), valid_from=valid_from, **fields)


def item(quantity: str = "100", **more: object) -> CostItem:
    fields = {"price_key": "gp3", "kind": "storage", "name": "disk", "starts_on": date(2026, 1, 1)} | more
    return CostItem(project=PROJECT, quantity=Decimal(quantity), **fields)


def test_the_seeds_figures_come_to_the_seeds_totals() -> None:
    table = PriceTable(costs_seed.prices(PROJECT))
    month = month_of(date(2026, 3, 1), costs_seed.items(PROJECT, date(2026, 1, 1)), table)
    amounts = {line.item.name: line.amount for line in month.lines}
    assert amounts == {
        "EC2 t4g.xlarge": Decimal("97.893"),  # 0.1341 * 730; ~$98
        "EBS gp3 100 GB": Decimal("11.4"),
        "10 GB out": Decimal("1"),
        "RunPod L4 24 GB (Flex Worker)": Decimal("0.9"),
    }
    assert month.without_gpu == {"USD": Decimal("110.293")}  # ~$110
    assert round(month.without_gpu["USD"]) == 110
    assert month.sums == {"USD": Decimal("111.193")}
    assert month.unpriced == []


def test_the_seeds_plan_of_one_host() -> None:
    parts = costs_seed.components(None, "en")  # type: ignore[arg-type]
    assert (sum(part.memory_low or 0 for part in parts), sum(part.memory_high or 0 for part in parts)) == (5100, 8700)
    assert sum(part.cpu_high or 0 for part in parts) == 56
    middle = sum(((part.memory_low or 0) + (part.memory_high or 0)) / 2 for part in parts)
    assert round(middle / 1000) == 7  # ~7 GB
    assert [(part.name, part.memory_low, part.memory_high, part.cpu_low, part.cpu_high) for part in parts][:2] == [
        ("Nginx", 100, 200, 0, 1),
        ("Next.js", 500, 1000, 5, 10),
    ]


def test_the_seeds_traffic_and_its_instance() -> None:
    assert [(row.what, row.low, row.high) for row in costs_seed.traffic(PROJECT)] == [
        ("dau", 30, None),
        ("concurrent", 3, 5),
        ("requests", 500, None),
    ]
    instance = next(row for row in costs_seed.prices(PROJECT) if row.key == costs_seed.INSTANCE)
    assert (instance.vcpu, instance.memory_gb, instance.cpu_baseline) == (4, Decimal(16), 40)


def test_a_part_of_a_month_costs_its_part() -> None:
    table = PriceTable([price("0.1", date(2026, 1, 1))])
    later = item(starts_on=date(2026, 4, 16))
    assert month_of(date(2026, 4, 1), [later], table).sums == {"USD": Decimal(5)}
    ended = item(ends_on=date(2026, 4, 3))
    assert month_of(date(2026, 4, 1), [ended], table).sums == {"USD": Decimal(1)}
    assert month_of(date(2026, 5, 1), [ended], table).lines == []


def test_a_new_price_counts_from_its_day() -> None:
    table = PriceTable([price("0.2", date(2026, 4, 16)), price("0.1", date(2026, 1, 1))])
    assert month_of(date(2026, 4, 1), [item()], table).sums == {"USD": Decimal(15)}
    assert month_of(date(2026, 3, 1), [item()], table).sums == {"USD": Decimal(10)}
    assert month_of(date(2026, 5, 1), [item()], table).sums == {"USD": Decimal(20)}


def test_days_without_a_price_make_the_sum_not_known() -> None:
    table = PriceTable([price("0.1", date(2026, 4, 2))])
    month = month_of(
        date(2026, 4, 1),
        [item(), item("1", name="other", price_key="", own_amount=Decimal(3), own_unit="month", own_currency="USD")],
        table,
    )
    assert [line.amount for line in month.lines] == [None, Decimal(3)]
    assert [one.name for one in month.unpriced] == ["disk"]
    assert month.sums == {"USD": Decimal(3)}


def test_currencies_are_not_mixed() -> None:
    table = PriceTable([price("0.1", date(2026, 1, 1)), price("100", date(2026, 1, 1), "won", currency="KRW")])
    month = month_of(date(2026, 4, 1), [item(), item("2", price_key="won")], table)
    assert month.sums == {"USD": Decimal(10), "KRW": Decimal(200)}
    changed = PriceTable([price("0.1", date(2026, 1, 1)), price("100", date(2026, 4, 10), currency="KRW")])
    assert month_of(date(2026, 4, 1), [item()], changed).lines[0].amount is None


@pytest.mark.parametrize(
    ("unit", "a_month"), [("hour", "730"), ("month", "1"), ("gb", "1"), ("hour_used", "1"), ("second_used", "1")]
)
def test_what_a_unit_makes_of_a_month(unit: str, a_month: str) -> None:
    own = item("1", price_key="", own_amount=Decimal(1), own_unit=unit, own_currency="USD")
    assert month_of(date(2026, 2, 1), [own], PriceTable([])).sums == {"USD": Decimal(a_month)}


def test_months_end_with_that_of_the_day() -> None:
    assert months(date(2026, 2, 27), 3) == [date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1)]


def scenario(low: str, basis: str = "a", **more: object) -> CostScenario:
    fields = {"currency": "USD", "name_en": low} | more
    return CostScenario(project=PROJECT, basis=basis, low=Decimal(low), **fields)


def test_differences_stay_within_a_basis_and_a_currency() -> None:
    rows = [
        scenario("61", is_chosen=True),
        scenario("47"),
        scenario("85", high=Decimal(90)),
        scenario("5", currency="KRW"),
    ]
    (_basis, found), (_other, lonely) = compared([*rows, scenario("1", "b")])
    assert [one.month and (one.month.low, one.month.high) for one in found] == [None, (-14, -14), (24, 29), None]
    assert found[1].year is not None
    assert found[1].year.low == -168
    assert lonely[0].month is None
