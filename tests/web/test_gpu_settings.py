"""The GPU settings of an environment: what counts without any, what is refused, and that every change is on record."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from releases.models import AuditEvent, GpuAccount, GpuSettings, Membership, Runbook
from tests.factories import World, make_user, make_world
from tests.web.gpu import account, browser

DEFAULTS = {"max_workers": "2", "idle_timeout": "60", "execution_timeout": "600", "retained_days": "14"}


@pytest.fixture
def client(world: World) -> Client:
    return browser(world)


@pytest.fixture
def cards(world: World) -> GpuAccount:
    return account(world.project)


@pytest.fixture
def path(world: World) -> str:
    return f"/environments/{world.environment.pk}/gpu"


def runbook(world: World, kind: str) -> Runbook:
    return Runbook.objects.create(project=world.project, key=kind, name=f"The {kind}", kind=kind)


def test_without_any_the_careful_defaults_are_shown(client: Client, path: str, world: World) -> None:
    text = client.get(path).content.decode()
    assert "Nothing is set yet" in text and "The project has no GPU account yet." in text
    assert (
        "at most 2 workers" in text and "none while nobody asks" in text and f"{world.project.slug}-production-" in text
    )
    assert not GpuSettings.objects.exists(), "looking makes no row"
    assert path in client.get(f"/environments/{world.environment.pk}/").content.decode()


@pytest.mark.parametrize("language", ["ko", "en"])
def test_they_are_saved_and_shown(client: Client, path: str, world: World, cards: GpuAccount, language: str) -> None:
    client.cookies["django_language"] = language
    worker, back = runbook(world, "gpu_deploy"), runbook(world, "gpu_rollback")
    given = DEFAULTS | {
        "account": cards.pk, "worker_runbook": worker.pk, "rollback_runbook": back.pk, "name_prefix": "qwen",
        "pools": "AMPERE_24,\r\n ADA_24\r\nAMPERE_24", "budget_day": "12.5", "budget_month": "100",
    }  # fmt: skip
    assert client.post(f"{path}/edit", given)["Location"] == path
    rules = GpuSettings.objects.get()
    assert (rules.pools, rules.budget_day, rules.budget_deployment) == (["AMPERE_24", "ADA_24"], Decimal("12.50"), None)
    assert (rules.account, rules.worker_runbook, rules.handler_runbook, rules.prefix) == (cards, worker, None, "qwen")
    text = client.get(path).content.decode()
    for shown in ("cards", "The gpu_deploy", "The gpu_rollback", "qwen-", "AMPERE_24", "ADA_24", "12.50 USD"):
        assert shown in text
    assert "AMPERE_24\nADA_24" in client.get(f"{path}/edit").content.decode()


def test_every_change_is_on_record_with_what_it_was(client: Client, path: str, world: World, cards: GpuAccount) -> None:
    client.post(f"{path}/edit", DEFAULTS | {"account": cards.pk})
    first = AuditEvent.objects.get(action="environment.gpu")
    assert (first.project, first.target_name) == (world.project, "운영")
    assert first.detail["changed"]["account"] == [None, "cards"]
    assert first.detail["changed"]["budget_day"] == [None, None]
    other = account(world.project, name="other cards")
    changed = DEFAULTS | {
        "account": other.pk, "max_workers": "3", "budget_day": "20", "pools": "ADA_24", "allow_always_on": "on",
    }  # fmt: skip
    client.post(f"{path}/edit", changed)
    assert AuditEvent.objects.filter(action="environment.gpu").latest("sequence").detail["changed"] == {
        "account": ["cards", "other cards"],
        "max_workers": [2, 3],
        "pools": [[], ["ADA_24"]],
        "allow_always_on": [False, True],
        "budget_day": [None, "20"],
    }
    client.post(f"{path}/edit", changed)
    assert AuditEvent.objects.filter(action="environment.gpu").count() == 2, "what changes nothing is no event"
    assert "changed the GPU settings of an environment" in client.get("/audit/").content.decode()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("max_workers", "0", "greater than or equal to 1"),
        ("max_workers", "40000", "less than or equal to 32767"),
        ("idle_timeout", "3601", "less than or equal to 3600"),
        ("idle_timeout", "", "required"),
        ("execution_timeout", "-1", "greater than or equal to"),
        ("retained_days", "0", "greater than or equal to 1"),
        ("budget_day", "-1", "greater than or equal to 0"),
        ("budget_day", "NaN", "Enter a number"),
        ("budget_day", "101", "more than the budget of a month"),
        ("pools", "AMPERE_24\nNVIDIA L4", "NVIDIA L4 is no such name"),
        ("pools", "AMPERE\0_24", "zero byte"),
        ("name_prefix", "no spaces", "valid"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(client: Client, path: str, field: str, value: str, words: str) -> None:
    answer = client.post(f"{path}/edit", DEFAULTS | {"budget_month": "100", field: value})
    assert answer.status_code == 400
    assert list(answer.context["form"].errors) == [field] and words in answer.content.decode()
    assert not GpuSettings.objects.exists()


@pytest.mark.parametrize("field", ["account", "worker_runbook", "handler_runbook", "rollback_runbook"])
def test_only_what_fits_is_a_choice(client: Client, path: str, world: World, field: str) -> None:
    other = make_world()
    strange: Any = {
        "account": account(other.project),
        "worker_runbook": runbook(world, "gpu_rollback"),
        "handler_runbook": world.runbook,
        "rollback_runbook": runbook(other, "gpu_rollback"),
    }[field]
    answer = client.post(f"{path}/edit", DEFAULTS | {field: strange.pk})
    assert answer.status_code == 400 and list(answer.context["form"].errors) == [field]


def test_a_stale_tab_is_refused(client: Client, path: str, world: World) -> None:
    GpuSettings.objects.create(environment=world.environment)
    seen = client.get(f"{path}/edit").context["form"]["seen"].value()
    GpuSettings.objects.update(max_workers=5)
    answer = client.post(f"{path}/edit", DEFAULTS | {"seen": seen})
    assert answer.status_code == 400 and "changed meanwhile" in answer.content.decode()
    assert GpuSettings.objects.get().max_workers == 5


def test_an_operator_reads_them_and_changes_nothing(client: Client, path: str, world: World) -> None:
    operator = make_user("operator")
    Membership.objects.create(project=world.project, user=operator, can_operate=True)
    client.force_login(operator)
    text = client.get(path).content.decode()
    assert "at most 2 workers" in text and "/gpu/edit" not in text and "/gpu/accounts/new" not in text
    assert client.post(f"{path}/edit", DEFAULTS).status_code == 403


def test_a_broken_account_and_a_missing_budget_are_told(client: Client, path: str, world: World) -> None:
    broken = account(world.project, problem="RunPod refused the key.")
    GpuSettings.objects.create(environment=world.environment, account=broken)
    text = client.get(path).content.decode()
    assert "RunPod refused the key." in text and "Without a budget" in text
    GpuSettings.objects.update(budget_month=10)
    assert "Without a budget" not in client.get(path).content.decode()


@pytest.mark.parametrize("ending", ["", "/edit"])
def test_the_number_of_queries_does_not_grow(
    client: Client, path: str, world: World, cards: GpuAccount, ending: str
) -> None:
    books = {
        f"{name}_runbook": runbook(world, f"gpu_{kind}")
        for name, kind in [("worker", "deploy"), ("rollback", "rollback")]
    }
    GpuSettings.objects.create(environment=world.environment, account=cards, **books)
    client.get(path + ending)
    with CaptureQueriesContext(connection) as few:
        client.get(path + ending)
    for number in range(10):
        account(world.project, name=f"n{number}")
        Runbook.objects.create(project=world.project, key=f"k{number}", name=f"n{number}", kind="gpu_deploy")
    with CaptureQueriesContext(connection) as many:
        assert client.get(path + ending).status_code == 200
    assert len(many) <= len(few), "\n".join(query["sql"][:200] for query in many)
