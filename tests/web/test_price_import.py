"""Importing price tables: every fault with line and column, nothing saved before it was looked at, nothing by half."""

from datetime import date
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from releases.models import AuditEvent, Price
from releases.views.price_import import EXAMPLE
from tests.factories import World

HEAD = "kind,key,unit,amount,currency,valid_from"


@pytest.fixture
def manager(client: Client, world: World) -> Client:
    client.force_login(world.requester)
    return client


def path(world: World) -> str:
    return f"/projects/{world.project.pk}/costs/prices/import"


def faults(client: Client, world: World, text: str) -> list[tuple[int, str]]:
    answer = client.post(path(world), {"text": text})
    assert answer.status_code == 400
    assert not Price.objects.exists()
    return [(fault.line, fault.column) for fault in answer.context["found"].faults]


def test_the_example_is_shown_then_saved(manager: Client, world: World) -> None:
    answer = manager.post(path(world), {"text": EXAMPLE})
    assert answer.status_code == 200
    assert [row.price.key for row in answer.context["found"].changing] == ["t4g.xlarge", "gp3"]
    assert not Price.objects.exists()
    assert manager.post(path(world), {"text": EXAMPLE, "save": "1"}).status_code == 302
    saved = Price.objects.get(key="t4g.xlarge")
    assert (saved.amount, saved.vcpu, saved.cpu_baseline, saved.region) == (Decimal("0.1341"), 4, 40, "ap-northeast-2")
    event = AuditEvent.objects.get(action="price.import")
    assert event.detail["count"] == 2


def test_a_list_that_is_there_already_changes_nothing(manager: Client, world: World) -> None:
    for _time in range(2):
        assert manager.post(path(world), {"text": EXAMPLE, "save": "1"}).status_code == 302
    assert Price.objects.count() == 2
    assert AuditEvent.objects.filter(action="price.import").count() == 1
    assert manager.post(path(world), {"text": EXAMPLE}).context["found"].changing == []


def test_another_amount_of_the_same_day_replaces_and_is_audited(manager: Client, world: World) -> None:
    manager.post(path(world), {"text": EXAMPLE, "save": "1"})
    text = EXAMPLE.replace("0.1341", "0.15")
    shown = manager.post(path(world), {"text": text}).context["found"].changing
    assert [(row.before.amount, row.price.amount) for row in shown] == [(Decimal("0.1341"), Decimal("0.15"))]
    manager.post(path(world), {"text": text, "save": "1"})
    assert Price.objects.get(key="t4g.xlarge").amount == Decimal("0.15")
    before = AuditEvent.objects.filter(action="price.import").latest("sequence").detail["before"]
    assert before == {"t4g.xlarge 2026-01-01": "0.13410000"}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f"{HEAD}\nstorage,gp3,gb_month,free,USD,2026-01-01", (2, "amount")),
        (f"{HEAD}\nstorage,gp3,gb_month,NaN,USD,2026-01-01", (2, "amount")),
        (f"{HEAD}\nstorage,gp3,gb_month,-1,USD,2026-01-01", (2, "amount")),
        (f"{HEAD}\nstorage,gp3,gb_month,0.123456789,USD,2026-01-01", (2, "amount")),
        (f"{HEAD}\ndisk,gp3,gb_month,1,USD,2026-01-01", (2, "kind")),
        (f"{HEAD}\nstorage,gp3,week,1,USD,2026-01-01", (2, "unit")),
        (f"{HEAD}\nstorage,gp 3,gb_month,1,USD,2026-01-01", (2, "key")),
        (f"{HEAD}\nstorage,,gb_month,1,USD,2026-01-01", (2, "key")),
        (f"{HEAD}\nstorage,gp3,gb_month,1,dollar,2026-01-01", (2, "currency")),
        (f"{HEAD}\nstorage,gp3,gb_month,1,USD,31.01.2026", (2, "valid_from")),
        (f"{HEAD}\nstorage,gp3,gb_month,1,USD", (2, "")),
        (f"{HEAD},vcpu\ninstance,a,hour,1,USD,2026-01-01,four", (2, "vcpu")),
        (f"{HEAD},cpu_baseline\ninstance,a,hour,1,USD,2026-01-01,140", (2, "cpu_baseline")),
        (f"{HEAD}\nstorage,gp3,gb_month,1,USD,2026-01-01\nstorage,gp3,gb_month,2,USD,2026-01-01", (3, "key")),
        (f"{HEAD},colour\nstorage,gp3,gb_month,1,USD,2026-01-01,red", (1, "colour")),
        ("kind,key,unit,amount,valid_from\nstorage,gp3,gb_month,1,2026-01-01", (1, "currency")),
        (HEAD, (1, "")),
        (f'{HEAD}\nstorage,"gp3,gb_month,1,USD,2026-01-01', (2, "")),
    ],
)
def test_a_fault_is_named_with_its_place(manager: Client, world: World, text: str, where: tuple[int, str]) -> None:
    assert where in faults(manager, world, text)


def test_one_fault_among_good_lines_saves_nothing(manager: Client, world: World) -> None:
    text = f"{HEAD}\nstorage,gp3,gb_month,1,USD,2026-01-01\nstorage,gp2,gb_month,x,USD,2026-01-01"
    assert faults(manager, world, text) == [(3, "amount")]
    assert manager.post(path(world), {"text": text, "save": "1"}).status_code == 409
    assert not Price.objects.exists()


def test_a_file_of_a_spreadsheet(manager: Client, world: World) -> None:
    text = "\ufeff" + EXAMPLE.replace("\n", "\r\n")
    file = SimpleUploadedFile("prices.csv", text.encode())
    assert len(manager.post(path(world), {"file": file}).context["found"].changing) == 2
    file = SimpleUploadedFile("prices.csv", "kind,이름\n".encode("euc-kr"))
    answer = manager.post(path(world), {"file": file})
    assert (answer.status_code, list(answer.context["form"].errors)) == (400, ["file"])


def test_too_long_a_list_is_refused(manager: Client, world: World) -> None:
    line = "storage,gp3,gb_month,1,USD,2026-01-01\n"
    assert faults(manager, world, f"{HEAD}\n{line * 1001}") == [(1, "")]


def test_nothing_at_all_is_said_at_the_field(manager: Client, world: World) -> None:
    answer = manager.post(path(world), {"text": " "})
    assert (answer.status_code, list(answer.context["form"].errors)) == (400, ["text"])


def test_a_price_of_an_earlier_day_stays(manager: Client, world: World) -> None:
    Price.objects.create(
        project=world.project, kind="storage", key="gp3", unit="gb_month", amount=1, valid_from=date(2025, 1, 1)
    )
    manager.post(path(world), {"text": EXAMPLE, "save": "1"})
    assert Price.objects.filter(key="gp3").count() == 2
