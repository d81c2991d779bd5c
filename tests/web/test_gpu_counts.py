"""What the pages about GPU endpoints count: costs as the guard counts them, workers once, retired ones page by page."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from releases.endpoints import costs
from releases.engine import clock
from releases.models import (
    GpuAccount,
    GpuBill,
    GpuEndpoint,
    GpuSample,
    GpuSettings,
)
from releases.views import gpu_charts
from tests.factories import World
from tests.web.gpu import account as account_at
from tests.web.gpu import browser
from tests.web.gpu import endpoint as endpoint_at

TOKEN = "hf_a-token-typed-into-the-spec"
NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
MEMBER = {"id": "w1a2b3", "status": "RUNNING", "card": "NVIDIA L4", "stale": False}


@pytest.fixture
def account(world: World) -> GpuAccount:
    return account_at(world.project)


@pytest.fixture
def client(world: World) -> Client:
    return browser(world)


def spec(**changes: Any) -> dict[str, Any]:
    env = {"MODEL_NAME": "Qwen/Qwen2.5-7B", "MAX_MODEL_LEN": "8192", "HF_HOME": TOKEN}
    given = {"image": "runpod/worker-v1-vllm:v2.25.2", "model": "Qwen/Qwen2.5-7B", "max_workers": 2, "env": env}
    return {**given, "secret_env": {"HF_TOKEN": "hugging_face"}, **changes}


def seen(**changes: Any) -> dict[str, Any]:
    given = {"running": 1, "initializing": 1, "total": 2, "in_queue": 3, "in_progress": 1, "phase": "ready"}
    return {**given, "members": [MEMBER], **changes}


def endpoint(world: World, account: GpuAccount, number: int = 1, state: str = "retained", **fields: Any) -> GpuEndpoint:
    given = {"state": state, "spec": spec(), "price": Decimal("0.684"), "watched_at": clock.now(), "seen": seen()}
    return endpoint_at(world, account, number, **{**given, **fields})


def text(client: Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200
    return str(answer.content.decode())


def page(client: Client, row: GpuEndpoint, query: str = "", **headers: str) -> str:
    return text(client, f"/gpu/endpoints/{row.pk}/{query}", **headers)


def sample(row: GpuEndpoint, at: datetime, cost: str = "0", **counts: int) -> None:
    GpuSample.objects.create(endpoint=row, at=at, cost=Decimal(cost), seconds=60, **counts)


def test_a_row_says_what_it_does_and_costs(client: Client, world: World, account: GpuAccount) -> None:
    row = endpoint(world, account, release=world.release, problem="It lost a worker.", watched_at=clock.now())
    sample(row, clock.now(), "1.25")
    shown = text(client, "/gpu/")
    assert "1 working" in shown and "1 starting" in shown and "3 + 1" in shown
    assert world.release.version in shown and "Qwen/Qwen2.5-7B" in shown
    assert "0.68" in shown and "at worst 32.83 a day" in shown and "1.25" in shown
    assert "It lost a worker." in shown and "just now" in shown


def test_retired_ones_stand_apart_and_keep_their_page(client: Client, world: World, account: GpuAccount) -> None:
    for number in range(25):
        endpoint(world, account, number, "retired", retired_at=clock.now() - timedelta(days=number))
    first, second = text(client, "/gpu/"), text(client, "/gpu/?page=2")
    assert "qwen-r0<" in first and "qwen-r24<" in second and "qwen-r24<" not in first
    assert "No endpoint lives here now." in first
    # What the page asks for by itself must not bring the first page back.
    assert 'hx-get="/gpu/?page=2"' in second
    assert "qwen-r24<" in text(client, "/gpu/?page=2", **{"HX-Request": "true"})


@pytest.mark.parametrize(("cost", "look"), [("7.99", None), ("8.00", "s-waiting"), ("10.00", "s-failed")])
def test_a_budget_turns_amber_and_red(
    client: Client, world: World, account: GpuAccount, cost: str, look: str | None
) -> None:
    GpuSettings.objects.create(environment=world.environment, account=account, budget_day=Decimal(10))
    sample(endpoint(world, account, seen={}), clock.now(), cost)
    shown = text(client, "/gpu/")
    bars = [part.split('"')[0] for part in shown.split('<svg class="')[1:] if part.startswith("bar")]
    assert bars == [f"bar {look}" if look else "bar"]


def test_what_is_counted_is_what_the_guard_counts(client: Client, world: World, account: GpuAccount) -> None:
    """Also what only the bill knows of, and what a retired endpoint cost."""
    now = clock.now()
    living, gone = endpoint(world, account, 1), endpoint(world, account, 2, "retired", retired_at=now)
    sample(living, now, "1.00")
    sample(gone, now, "2.00")
    hour = now.replace(minute=0, second=0, microsecond=0)
    GpuBill.objects.create(endpoint=living, hour=hour, amount=Decimal("4.50"), estimate=Decimal("1.00"), read_at=now)
    month = costs.month_begins(world.environment, now)
    assert costs.spent(world.environment, month) == Decimal("6.50")
    assert "6.50" in text(client, "/gpu/")
    assert "4.50 this month" in page(client, living)


def test_an_environment_whose_endpoints_are_all_retired_keeps_its_costs(
    client: Client, world: World, account: GpuAccount
) -> None:
    gone = endpoint(world, account, 2, "retired", retired_at=clock.now())
    sample(gone, clock.now(), "2.75")
    assert "2.75" in text(client, "/gpu/")


def test_one_worker_that_worked_and_idled_in_an_hour_is_one(world: World, account: GpuAccount) -> None:
    row = endpoint(world, account)
    sample(row, NOON - timedelta(minutes=5), running=1)
    sample(row, NOON - timedelta(minutes=4), idle=1)
    workers = gpu_charts.of(row, NOON)[0]
    assert [words for _label, words in workers.rows if words != [""]] == [["1"]]


def test_an_hour_in_which_nobody_looked_is_not_free(world: World, account: GpuAccount) -> None:
    row = endpoint(world, account)
    hour = NOON.replace(minute=0) - timedelta(hours=2)
    sample(row, hour, "0.25", running=1)
    GpuBill.objects.create(endpoint=row, hour=hour + timedelta(hours=1), amount="0.5", estimate=0, read_at=NOON)
    costs_by_hour = gpu_charts.of(row, NOON)[1]
    last = [words for _label, words in costs_by_hour.rows[-3:]]
    assert last == [["0.25 USD", ""], ["", "0.5 USD"], ["", ""]]
    assert (len(costs_by_hour.columns), len(costs_by_hour.marks)) == (1, 1)


def test_what_is_kept_is_not_crowded_out_by_what_is_gone(client: Client, world: World, account: GpuAccount) -> None:
    kept, row = endpoint(world, account, 0, name="kept"), endpoint(world, account, 1, "active")
    for number in range(2, 14):
        endpoint(world, account, number, "retired", retired_at=clock.now())
    assert f"Beside {kept.name}" in page(client, row)
