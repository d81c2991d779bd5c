"""What the pages about GPU endpoints show, and that they hide what is secret."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import override

from releases.models import (
    EndpointState,
    GpuAccount,
    GpuBill,
    GpuEndpoint,
    GpuProof,
    GpuSample,
    GpuSettings,
    Membership,
)
from releases.templatetags import gpu
from tests.factories import World, make_user, make_world
from tests.web.gpu import account, endpoint

SPEC = {
    "method": "vllm",
    "image": "runpod/worker-v1-vllm:v2.25.2",
    "model": "Qwen/Qwen2.5-7B-Instruct",
    "pools": ["AMPERE_24"],
    "env": {"MODEL_NAME": "Qwen/Qwen2.5-7B-Instruct", "MAX_MODEL_LEN": "8192", "EXTRA": "plain-but-hidden"},
    "secret_env": {"HF_TOKEN": "hf_token"},
}
SEEN = {"running": 1, "idle": 1, "total": 2, "in_queue": 3, "in_progress": 1, "phase": "ready"}


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture
def cards(world: World) -> GpuAccount:
    return account(world.project)


@pytest.fixture
def reader(client: Client, world: World) -> Client:
    """A member without any right, in English."""
    viewer = make_user("viewer", language="en")
    Membership.objects.create(project=world.project, user=viewer)
    client.force_login(viewer)
    client.cookies["django_language"] = "en"
    return client


def live(world: World, cards: GpuAccount, number: int = 1, **fields: object) -> GpuEndpoint:
    given = {"state": "active", "spec": SPEC, "seen": SEEN, "watched_at": timezone.now(), "price": Decimal("0.684")}
    return endpoint(world, cards, number, **{**given, **fields})


def read(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_shows_what_lives_and_what_it_costs(reader: Client, world: World, cards: GpuAccount) -> None:
    GpuSettings.objects.create(environment=world.environment, account=cards, budget_day=Decimal("1.00"))
    row = live(world, cards, problem="It crashes.")
    kept = live(world, cards, 2, state="retained", seen={})
    endpoint(world, cards, 3, state="retired", ref="gone", retired_at=timezone.now())
    GpuSample.objects.create(endpoint=row, at=timezone.now(), cost=Decimal("0.90"))
    GpuSample.objects.create(endpoint=row, at=timezone.now() - timedelta(days=70), cost=Decimal("7.00"))
    text = read(reader, "/gpu/")
    for shown in (
        row.name,
        kept.name,
        "qwen-r3",
        "It crashes.",
        "1 working",
        "1 idle",
        "3 + 1",
        "0.90",
        "budget 1.00 USD",
    ):
        assert shown in text
    assert "7.90" not in text and "32.83" in text  # at worst: 0.684 x 2 x 24
    assert text.index(row.name) < text.index(kept.name) < text.index("qwen-r3")


def test_nothing_yet_says_how_to_begin(reader: Client, world: World) -> None:
    assert "No GPU endpoint yet" in read(reader, "/gpu/")


def test_one_shows_its_history_and_no_value_of_a_variable(reader: Client, world: World, cards: GpuAccount) -> None:
    member = {"id": "worker_1", "status": "IDLE", "card": "NVIDIA L4", "stale": False}
    row = live(world, cards, seen={**SEEN, "members": [member]})
    other = live(world, cards, 2, state="retained", spec={**SPEC, "env": {**SPEC["env"], "MAX_MODEL_LEN": "4096"}})  # type: ignore[dict-item]
    times = {"first": 41.5, "warm": 0.4, "together": 0.9, "at_once": 4}
    GpuProof.objects.create(endpoint=row, occasion="deploy", at=timezone.now(), passed=True, was_cold=True, **times)
    GpuProof.objects.create(
        endpoint=row, occasion="daily", at=timezone.now(), passed=False, was_cold=False, problem="It said nonsense."
    )
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    GpuSample.objects.create(endpoint=row, at=hour, cost=Decimal("0.25"), running=2)
    GpuBill.objects.create(
        endpoint=row, hour=hour, amount=Decimal("0.30"), estimate=Decimal("0.25"), read_at=timezone.now()
    )
    text = read(reader, f"/gpu/endpoints/{row.pk}/")
    for shown in (
        "41.5 s",
        "It said nonsense.",
        f"/gpu/endpoints/{row.pk}/workers/worker_1/log",
        "NVIDIA L4",
        other.name,
    ):
        assert shown in text
    for shown in ("8192", "4096", "1 difference", "HF_TOKEN", "EXTRA", '0.25 USD</td><td class="num r">0.3 USD</td>'):
        assert shown in text
    assert "plain-but-hidden" not in text and "hf_token" not in text


def test_its_live_part_is_asked_for_alone(reader: Client, world: World, cards: GpuAccount) -> None:
    row = live(world, cards)
    part = reader.get(f"/gpu/endpoints/{row.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert 'id="seen"' in part and "<html" not in part and "41.5" not in part


def test_it_can_be_compared_with_another_one(reader: Client, world: World, cards: GpuAccount) -> None:
    row, third = live(world, cards), live(world, cards, 3, state="failed", spec={**SPEC, "image": "own/image:1"})
    text = read(reader, f"/gpu/endpoints/{row.pk}/?beside={third.pk}")
    assert f"Beside {third.name}" in text and "own/image:1" in text
    assert "Beside" not in read(reader, f"/gpu/endpoints/{row.pk}/?beside=999999999999999")


@pytest.mark.parametrize("path", ["/gpu/", "/gpu/endpoints/{}/"])
def test_the_number_of_queries_stays(reader: Client, world: World, cards: GpuAccount, path: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            read(reader, path.format(first.pk))
        return len(caught)

    first = live(world, cards)
    few = queries()
    for number in range(2, 15):
        row = live(world, cards, number, state="retained")
        GpuSample.objects.create(endpoint=row, at=timezone.now(), cost=Decimal("0.01"))
        GpuProof.objects.create(endpoint=first, occasion="daily", at=timezone.now(), passed=True, was_cold=False)
    assert queries() == few


def test_a_worker_that_is_none_has_no_log(reader: Client, world: World, cards: GpuAccount) -> None:
    row = live(world, cards)
    assert "worker-log" in read(reader, f"/gpu/endpoints/{row.pk}/workers/worker_1/log")
    for name in ("a%20b", "a" * 65, "..%2F"):
        assert reader.get(f"/gpu/endpoints/{row.pk}/workers/{name}/log").status_code == 404


def test_every_state_has_its_own_look() -> None:
    with override("en"):
        shown = {gpu.gpu_state(state) for state in EndpointState.values}
    assert len(shown) == len(EndpointState.values) and set(gpu.LOOKS) == set(EndpointState.values)


@pytest.mark.parametrize(
    ("amount", "shown"), [(None, "–"), ("0", "0.00"), ("0.0046", "0.0046"), ("12.345", "12.35"), ("1234.5", "1,234.50")]
)
def test_money(amount: str | None, shown: str) -> None:
    assert gpu.usd(None if amount is None else Decimal(amount)) == shown.replace("12.35", f"{Decimal('12.345'):,.2f}")
