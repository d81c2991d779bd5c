"""The costs page: the seed's totals, forms, alternatives, bills beside plans."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from releases.models import AuditEvent, CostItem, CostScenario, GpuAccount, GpuBill, GpuEndpoint, Price, TrafficEstimate
from releases.views.costs import context_of
from tests.costs import numbers_of_rows, seeded
from tests.factories import World, make_world


@pytest.fixture
def manager(client: Client, world: World) -> Client:
    client.force_login(world.requester)
    return client


def read(client: Client, path: str) -> str:
    answer = client.get(path, headers={"accept-language": "en"})
    assert answer.status_code == 200
    return answer.content.decode()


def page(world: World) -> str:
    return f"/projects/{world.project.pk}/costs"


def test_the_page_shows_the_seeds_total_and_its_parts(manager: Client, world: World) -> None:
    seeded(world.project)
    text = read(manager, page(world))
    for figure in ("111.19 USD", "97.89 USD", "11.40 USD", "1.00 USD", "0.90 USD"):
        assert figure in text


def test_an_empty_page_offers_the_seed_and_takes_it_once(manager: Client, world: World) -> None:
    assert "load-seed" in read(manager, page(world))
    assert manager.post(f"{page(world)}/load-seed").status_code == 302
    assert world.project.prices.count() == 3
    assert "load-seed" not in read(manager, page(world))
    assert manager.post(f"{page(world)}/load-seed").status_code == 409
    assert world.project.prices.count() == 3
    assert AuditEvent.objects.filter(action="costs.load_seed", project=world.project).count() == 1


def test_an_item_without_a_price_is_not_known_and_said(manager: Client, world: World) -> None:
    CostItem.objects.create(
        project=world.project, kind="other", name="Domain", price_key="nowhere", starts_on=date(2026, 1, 1)
    )
    text = read(manager, page(world))
    assert "Without a price for all its days" in text
    assert "0.00 USD" not in text.split('id="gpu-title"')[0]


def test_a_gpu_without_a_price_has_no_plan_to_be_above(manager: Client, world: World) -> None:
    CostItem.objects.create(
        project=world.project, kind="gpu", name="Card", price_key="nowhere", starts_on=date(2026, 1, 1)
    )
    assert context_of(world.project)["gpu_months"][0]["planned"] is None
    gpu = read(manager, page(world)).split('id="gpu-title"')[1]
    assert "no price" in gpu and "0.00 USD" not in gpu


def test_bills_stand_beside_the_plan_of_their_month(manager: Client, world: World) -> None:
    seeded(world.project)
    account = GpuAccount.objects.create(project=world.project, name="cards")
    endpoint = GpuEndpoint.objects.create(environment=world.environment, account=account, name="a", ref="a")
    first = timezone.localdate().replace(day=1)
    hour = datetime(first.year, first.month, 1, 3, tzinfo=ZoneInfo("Asia/Seoul"))
    for hours, amount in ((hour, "1.25"), (hour.replace(hour=4), "0.75")):
        GpuBill.objects.create(endpoint=endpoint, hour=hours, amount=amount, estimate=0, read_at=hours)
    newest = context_of(world.project)["gpu_months"][0]
    assert (newest["first"], newest["planned"], newest["billed"]) == (first, Decimal("0.9"), Decimal(2))
    chart = context_of(world.project)["chart"]
    assert chart.rows[-1][1][1] == "2.00 USD" and len(chart.marks) == 1
    assert "above the plan" in read(manager, page(world))


def test_a_month_without_a_bill_is_not_free(manager: Client, world: World) -> None:
    seeded(world.project)
    context = context_of(world.project)
    assert context["gpu_months"][0]["billed"] is None
    assert context["chart"].rows[-1][1][1] == "" and not context["chart"].marks
    assert "no bill" in read(manager, page(world))


def test_alternatives_tell_the_difference_a_month_and_a_year(manager: Client, world: World) -> None:
    seeded(world.project)
    text = read(manager, page(world))
    for words in ("−14.00", "−168.00", "+24.00 to +29.00", "+288.00 to +348.00", "2026-01-07"):
        assert words in text


def item_values(**changes: Any) -> dict[str, Any]:
    values = {"kind": "storage", "name": "Disk", "quantity": "100", "starts_on": "2026-01-01"}
    return values | {"own_currency": "USD", "own_amount": "0.1", "own_unit": "gb_month"} | changes


def test_an_item_is_added_changed_and_removed_with_what_was_before(manager: Client, world: World) -> None:
    assert manager.post(f"{page(world)}/items/new", item_values()).status_code == 302
    item = CostItem.objects.get(name="Disk")
    seen = manager.get(f"/cost-items/{item.pk}/edit").context["form"].initial["seen"]
    assert manager.post(f"/cost-items/{item.pk}/edit", item_values(quantity="200", seen=seen)).status_code == 302
    changed = AuditEvent.objects.get(action="cost_item.change")
    assert changed.detail["changed"]["quantity"] == ["100.0000", "200"]
    assert manager.post(f"/cost-items/{item.pk}/remove").status_code == 302
    assert not CostItem.objects.exists()
    assert AuditEvent.objects.filter(action="cost_item.remove", project=world.project).count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"own_amount": ""}, "price_key"),
        ({"own_unit": ""}, "own_unit"),
        ({"own_currency": "dollar"}, "own_currency"),
        ({"ends_on": "2025-12-31"}, "ends_on"),
        ({"quantity": "-1"}, "quantity"),
        ({"price_key": "t4g.large"}, "own_amount"),
    ],
)
def test_a_faulty_item_is_refused_at_its_field(
    manager: Client, world: World, changes: dict[str, str], field: str
) -> None:
    numbers_of_rows(world)
    answer = manager.post(f"{page(world)}/items/new", item_values(**changes))
    assert answer.status_code == 400
    assert field in answer.context["form"].errors
    assert CostItem.objects.count() == 1


def test_two_prices_of_one_day_are_refused(manager: Client, world: World) -> None:
    numbers_of_rows(world)
    values = {"kind": "instance", "key": "t4g.large", "unit": "hour", "amount": "1", "currency": "USD"}
    answer = manager.post(f"{page(world)}/prices/new", values | {"valid_from": "2026-01-01"})
    assert answer.status_code == 400
    assert manager.post(f"{page(world)}/prices/new", values | {"valid_from": "2026-02-01"}).status_code == 302


def test_one_alternative_of_a_basis_is_the_chosen_one(manager: Client, world: World) -> None:
    seeded(world.project)
    basis = CostScenario.objects.filter(is_chosen=True).first().basis  # type: ignore[union-attr]
    values = {"basis": basis, "name_en": "Own rack", "low": "5", "currency": "USD", "as_of": "2026-02-01"}
    answer = manager.post(f"{page(world)}/scenarios/new", values | {"is_chosen": "on"})
    assert answer.status_code == 400
    assert "is_chosen" in answer.context["form"].errors
    assert manager.post(f"{page(world)}/scenarios/new", values).status_code == 302


def test_a_measured_figure_needs_its_day(manager: Client, world: World) -> None:
    values = {"what": "dau", "low": "30", "measured": "41"}
    answer = manager.post(f"{page(world)}/traffic/new", values)
    assert answer.status_code == 400
    assert "measured_on" in answer.context["form"].errors
    assert manager.post(f"{page(world)}/traffic/new", values | {"measured_on": "2026-11-20"}).status_code == 302
    assert TrafficEstimate.objects.get().measured == 41
    assert "41" in read(manager, page(world))


def test_a_price_of_another_project_is_not_found(client: Client, world: World) -> None:
    other = make_world()
    client.force_login(other.requester)
    number = numbers_of_rows(world)["prices"]
    assert client.post(f"/prices/{number}/remove").status_code == 404
    assert Price.objects.filter(pk=number).exists()


def test_the_number_of_queries_does_not_grow(
    manager: Client, world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    seeded(world.project)
    with django_assert_max_num_queries(20) as few:
        read(manager, page(world))
    for number in range(40):
        CostItem.objects.create(
            project=world.project, environment=world.environment, kind="storage", name=f"disk {number}",
            price_key="gp3", quantity=number, starts_on=date(2026, 1, 1),
        )  # fmt: skip
        CostScenario.objects.create(
            project=world.project, basis=f"b{number % 3}", name_en="x", low=number, as_of=date(2026, 1, 1)
        )
    with django_assert_max_num_queries(len(few.captured_queries)):
        read(manager, page(world))


def test_the_list_of_projects_needs_as_many_queries_for_many(
    client: Client, world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    world.requester.is_superuser = True
    world.requester.save()
    client.force_login(world.requester)
    seeded(world.project)
    with django_assert_max_num_queries(20) as few:
        assert "111.19 USD" in read(client, "/costs/")
    for _number in range(4):
        seeded(make_world().project)
    with django_assert_max_num_queries(len(few.captured_queries)):
        read(client, "/costs/")
