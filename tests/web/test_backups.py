"""The page of a backup: what it holds, its proofs, who may ask for one."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from releases.engine import clock, wake
from releases.models import AuditEvent, Backup, BackupProof, Membership
from tests.factories import World, make_user

FACTS: dict[str, Any] = {
    "tables": {f"public.table_{n}": [n, str(n)] for n in range(60)},
    "sequences": {"public.tickets": [41, 42]},
    "extensions": {"vector": "0.8.0"},
    "objects": ["index public.by_price"],
    "size": 12_000_000,
}


@pytest.fixture
def backup(world: World) -> Backup:
    return Backup.objects.create(
        environment=world.environment, host=world.host, kind=Backup.Kind.DATABASE, name="backup_20260101.sql",
        series="shop -:5432", parameters={"database": "shop", "user": "shop"},
        location="/home/app/backup_20260101.sql", size=1000, sha256="0" * 64, seconds=0.1, facts=FACTS,
    )  # fmt: skip


@pytest.fixture
def page(client: Client, world: World, backup: Backup) -> str:
    client.force_login(world.requester)
    client.cookies["django_language"] = "en"
    return reverse("releases:backup", args=[backup.pk])


def ended(backup: Backup, ending: str, **values: Any) -> BackupProof:
    values = {"ended_at": clock.now(), "ending": ending, **values}
    return BackupProof.objects.create(backup=backup, remote_id=f"proof-{BackupProof.objects.count()}", **values)


def test_it_tells_what_the_dump_holds(client: Client, page: str) -> None:
    text = client.get(page).content.decode()
    assert "60 tables, 1770 rows" in text
    assert "public.table_59" in text and "public.table_1<" not in text
    assert "and 10 smaller tables" in text
    assert "vector 0.8.0" in text
    assert "Never proved" in text


def test_a_proof_is_asked_for_once(
    client: Client, page: str, backup: Backup, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr(wake, "send", lambda *arguments: sent.append(arguments) or True)
    verb = reverse("releases:prove_backup", args=[backup.pk])
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(verb).status_code == 302
    proof = BackupProof.objects.get()
    assert sent == [("prove_backup", proof.pk)]
    assert AuditEvent.objects.filter(action="backup.prove").count() == 1
    assert client.post(verb).status_code == 409
    text = client.get(page).content.decode()
    assert 'hx-trigger="every 2s"' in text
    assert verb not in text
    part = client.get(page, headers={"HX-Request": "true"}).content.decode()
    assert part.startswith('<div id="seen"') and "<nav" not in part


def test_a_refuted_backup_says_what_differs(client: Client, page: str, backup: Backup) -> None:
    wrong = ["public.meal has 2 rows in place of 3.", "index public.by_price is missing."]
    ended(backup, "refuted", problem=wrong[0], differences=wrong, seconds=1.5, output="<b>psql</b>")
    Backup.objects.update(refuted_at=clock.now())
    for path in (page, "/backups/"):
        text = client.get(path).content.decode()
        assert "not restorable" in text
    text = client.get(page).content.decode()
    assert wrong[0] in text and wrong[1] in text and "2 differences" in text
    assert "&lt;b&gt;psql&lt;/b&gt;" in text
    assert 'hx-trigger="every 2s"' not in text


def test_who_may_not_run_deployments_may_look_but_not_prove(client: Client, page: str, backup: Backup) -> None:
    viewer = make_user("viewer")
    Membership.objects.create(project=backup.environment.project, user=viewer)
    client.force_login(viewer)
    verb = reverse("releases:prove_backup", args=[backup.pk])
    assert verb not in client.get(page).content.decode()
    assert client.post(verb).status_code == 403
    assert not BackupProof.objects.exists()


def test_the_number_of_queries_does_not_grow_with_proofs(client: Client, page: str, backup: Backup) -> None:
    ended(backup, "proved", seconds=1.0)
    client.get(page)
    with CaptureQueriesContext(connection) as few:
        client.get(page)
    for _number in range(30):
        ended(backup, "refuted", problem="x")
    with CaptureQueriesContext(connection) as many:
        client.get(page)
    assert len(many) == len(few)
