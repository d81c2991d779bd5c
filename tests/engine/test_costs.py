"""What a project costs is changed and recorded, or neither; nobody undoes what another one saved a moment before."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import Error, IntegrityError

from releases.audit import THE_SYSTEM
from releases.engine import costs
from releases.engine.costs import Row
from releases.engine.errors import Conflict
from releases.models import AuditEvent, CostItem, CostScenario, Price, TrafficEstimate
from tests.factories import World, make_world
from tests.refusals import no_record_of

DAY = date(2026, 1, 1)
KINDS: dict[str, tuple[type[Row], dict[str, Any], dict[str, Any]]] = {
    "price": (
        Price,
        {"kind": "storage", "key": "gp3", "valid_from": DAY, "unit": "gb_month", "amount": Decimal("0.1140")},
        {"amount": Decimal("0.2")},
    ),
    "cost_item": (
        CostItem,
        {"kind": "storage", "name": "Disk", "price_key": "gp3", "starts_on": DAY, "environment": None},
        {"name": "Disks"},
    ),
    "cost_scenario": (
        CostScenario,
        {"basis": "4 vCPU", "name_en": "Own rack", "low": Decimal("5.00"), "as_of": DAY, "is_chosen": True},
        {"name_en": "Their rack", "is_chosen": False},
    ),
    "traffic": (TrafficEstimate, {"what": "dau", "low": Decimal(30)}, {"low": Decimal(40)}),
}


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def made(world: World, kind: str) -> Row:
    model, values, _changes = KINDS[kind]
    costs.add(model(project=world.project), values, THE_SYSTEM)
    found: Row = model._default_manager.get()
    return found


def rows(kind: str) -> list[dict[str, Any]]:
    return list(KINDS[kind][0]._default_manager.values())


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_added_changed_and_removed_on_record(world: World, kind: str) -> None:
    _model, values, changes = KINDS[kind]
    row = made(world, kind)
    costs.change(row, values, values, THE_SYSTEM)  # nothing changes, so nothing is recorded
    costs.change(row, values, values | changes, THE_SYSTEM)
    changed = AuditEvent.objects.get(action=f"{kind}.change")
    assert set(changed.detail["changed"]) == set(changes)
    assert (changed.project, changed.target_id) == (world.project, str(row.pk))
    assert {name: getattr(KINDS[kind][0]._default_manager.get(), name) for name in changes} == changes
    costs.remove(row, THE_SYSTEM)
    assert rows(kind) == []
    assert actions() == [f"{kind}.create", f"{kind}.change", f"{kind}.remove"]
    assert AuditEvent.objects.get(action=f"{kind}.remove").target_id == str(row.pk)


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_recorded_is_not_done(world: World, kind: str) -> None:
    _model, values, changes = KINDS[kind]
    with no_record_of(f"{kind}.create"), pytest.raises(Error, match="refused"):
        made(world, kind)
    assert rows(kind) == []
    row = made(world, kind)
    before = rows(kind)
    with no_record_of(f"{kind}.change"), pytest.raises(Error, match="refused"):
        costs.change(row, values, values | changes, THE_SYSTEM)
    with no_record_of(f"{kind}.remove"), pytest.raises(Error, match="refused"):
        costs.remove(row, THE_SYSTEM)
    assert rows(kind) == before
    assert actions() == [f"{kind}.create"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_changed_meanwhile_is_not_written_over(world: World, kind: str) -> None:
    _model, values, changes = KINDS[kind]
    row = made(world, kind)
    costs.change(row, values, values | changes, THE_SYSTEM)
    before = rows(kind)
    with pytest.raises(Conflict):
        costs.change(row, values, values, THE_SYSTEM)
    assert rows(kind) == before
    costs.remove(row, THE_SYSTEM)
    with pytest.raises(Conflict):
        costs.change(row, values | changes, values, THE_SYSTEM)
    with pytest.raises(Conflict):
        costs.remove(row, THE_SYSTEM)
    assert actions() == [f"{kind}.create", f"{kind}.change", f"{kind}.remove"]


@pytest.mark.parametrize("kind", ["price", "cost_scenario", "traffic"])
def test_what_may_be_there_once_is_not_added_twice(world: World, kind: str) -> None:
    made(world, kind)
    with pytest.raises(IntegrityError):
        made(world, kind)
    assert actions() == [f"{kind}.create"]
