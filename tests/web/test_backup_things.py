"""The page of an environment's backups, its rules, the button, removing by hand, and the gate's rule."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from releases import lifecycle
from releases.engine import clock, start, wake
from releases.models import (
    Attempt,
    AuditEvent,
    Backup,
    BackupOrder,
    Deployment,
    Environment,
    KeptDatabase,
    Membership,
)
from tests.factories import SIMPLE_RUNBOOK, World, make_user

RUNBOOK = SIMPLE_RUNBOOK.replace(
    "steps:\n",
    """steps:
  - key: keep
    title: {ko: 파일 백업, en: Keep the files}
    role: DevOps
    phase: prepare
    action: backup_files
    runs_on: app
    estimate: 60
    parameters: {files: [{path: app/app.jar, link: app.jar.bak}], destination: backup}
  - key: dump
    title: {ko: 데이터베이스 백업, en: Dump the database}
    role: DevOps
    phase: prepare
    action: backup_database
    runs_on: app
    estimate: 60
    parameters: {database: shop, user: shop, destination: shop.sql}
""",
)


@pytest.fixture
def person(client: Client, world: World) -> Client:
    world.save_runbook(RUNBOOK)
    client.force_login(world.requester)
    client.cookies["django_language"] = "en"
    return client


@pytest.fixture
def page(world: World) -> str:
    return reverse("releases:environment_backups", args=[world.environment.pk])


@pytest.fixture
def take(world: World) -> str:
    return reverse("releases:take_backups", args=[world.environment.pk])


def keep(world: World, **changes: Any) -> Backup:
    values: dict[str, Any] = {
        "environment": world.environment, "host": world.host, "kind": "files", "name": "app.jar.bak",
        "series": "app.jar.bak", "location": f"/backup/app.jar.bak-{Backup.objects.count()}", "size": 84_000_000,
        "sha256": "ab" * 32, "seconds": 1,
    }  # fmt: skip
    return Backup.objects.create(**values | changes)


def dump(world: World, **changes: Any) -> Backup:
    return keep(world, **{"kind": "database", "name": "shop.sql", "series": "shop -:5432", **changes})


def replaced(world: World, **changes: Any) -> KeptDatabase:
    """A database that a rollback kept."""
    number = KeptDatabase.objects.count()
    step = world.draft().steps.order_by("position")[0]
    attempt = Attempt.objects.create(step=step, number=1, remote_id=f"kept-{number}", status="dispatching")
    values: dict[str, Any] = {
        "environment": world.environment, "host": world.host, "runs_on": "app", "deployment": step.deployment,
        "attempt": attempt, "name": f"shop_before_{number:08x}", "database": "shop", "size": 84_000_000, "oid": 7,
    }  # fmt: skip
    return KeptDatabase.objects.create(**values | changes)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Keep the files", "Dump the database", "never backed up", "no proved copy is asked for"]),
        ("ko", ["파일 백업", "데이터베이스 백업"]),
    ],
)
def test_it_shows_what_the_runbook_backs_up(person: Client, page: str, language: str, words: list[str]) -> None:
    person.cookies["django_language"] = language
    text = person.get(page).content.decode()
    assert [word for word in words if word not in text] == []
    assert "app.jar.bak" in text and "shop -:5432" in text


def test_it_shows_the_newest_copy_of_each(person: Client, page: str, world: World) -> None:
    old, new = keep(world), keep(world, proved_at=clock.now())
    gone = dump(world, removed_at=clock.now(), removed_because="person")
    text = person.get(page).content.decode()
    assert reverse("releases:backup", args=[new.pk]) in text and "proved" in text
    for other in (old, gone):
        assert reverse("releases:backup", args=[other.pk]) not in text


def test_one_step_or_all_are_taken_once(
    person: Client, page: str, take: str, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr(wake, "send", lambda *arguments: sent.append(arguments) or True)
    with django_capture_on_commit_callbacks(execute=True):
        assert person.post(take, {"step": "keep"}).status_code == 302
        assert person.post(take).status_code == 302
    first, second = BackupOrder.objects.order_by("pk")
    assert sent == [("take_backup", first.pk), ("take_backup", second.pk)]
    assert (first.step_key, second.step_key) == ("keep", "dump")
    assert [event.detail["steps"] for event in AuditEvent.objects.filter(action="backup.order").order_by("pk")] == [
        ["keep"],
        ["dump"],
    ]
    assert person.post(take).status_code == 409
    assert person.post(take, {"step": "nonsense"}).status_code == 409
    text = person.get(page).content.decode()
    assert 'hx-trigger="every 2s"' in text and "waits" in text
    part = person.get(page, headers={"HX-Request": "true"}).content.decode()
    assert part.startswith('<div id="seen"') and "<nav" not in part


def test_who_may_not_operate_looks_only(client: Client, page: str, take: str, world: World) -> None:
    world.save_runbook(RUNBOOK)
    viewer = make_user("viewer")
    Membership.objects.create(project=world.project, user=viewer)
    client.force_login(viewer)
    assert take not in client.get(page).content.decode()
    assert client.post(take).status_code == 403
    assert not BackupOrder.objects.exists()


def test_a_runbook_without_backups_says_so(client: Client, page: str, world: World) -> None:
    client.force_login(world.requester)
    client.cookies["django_language"] = "en"
    answer = client.get(page)
    assert answer.status_code == 200 and "no step that backs anything up" in answer.content.decode()


def test_the_number_of_queries_does_not_grow(person: Client, page: str, world: World) -> None:
    def order(key: str) -> None:
        planned = {"title": {"ko": "하나", "en": "One"}}
        BackupOrder.objects.create(
            environment=world.environment, step_key=key, planned=planned, remote_id=key, ending="failed",
            ended_at=clock.now(), asked_by=world.requester,
        )  # fmt: skip

    keep(world)
    order("one")
    replaced(world)
    backup = reverse("releases:backup", args=[keep(world).pk])
    for path in (page, backup):
        person.get(path)
    with CaptureQueriesContext(connection) as few:
        assert [person.get(path).status_code for path in (page, backup)] == [200, 200]
    for number in range(12):
        keep(world, series=f"other-{number}")
        dump(world)
        order(f"more-{number}")
        replaced(world)
    with CaptureQueriesContext(connection) as many:
        assert [person.get(path).status_code for path in (page, backup)] == [200, 200]
    assert len(many) == len(few)


def test_a_backup_is_removed_by_hand_by_a_manager(person: Client, world: World) -> None:
    old, new = keep(world), keep(world)
    path = reverse("releases:backup", args=[old.pk])
    verb = reverse("releases:remove_backup", args=[old.pk])
    assert verb in person.get(path).content.decode()
    needed = person.get(reverse("releases:backup", args=[new.pk])).content.decode()
    assert "newest copy that is not known to be damaged" in needed
    assert person.post(reverse("releases:remove_backup", args=[new.pk])).status_code == 409
    operator = make_user("operator")
    Membership.objects.create(project=world.project, user=operator, can_operate=True)
    other = Client(HTTP_HOST="localhost")
    other.force_login(operator)
    assert other.post(verb).status_code == 403
    assert person.post(verb).status_code == 302
    old.refresh_from_db()
    assert (old.removed_by, old.removed_because) == (world.requester, "person")
    assert "Its bytes are being erased." in person.get(path).content.decode()
    assert person.post(verb).status_code == 409
    listed = person.get("/backups/").content.decode()
    assert path not in listed
    assert path in person.get("/backups/?removed=on").content.decode()


def test_a_kept_database_is_shown_and_dropped_by_a_manager(person: Client, page: str, world: World) -> None:
    assert "Databases that rollbacks replaced" not in person.get(page).content.decode()
    row = replaced(world)
    verb = reverse("releases:drop_kept_database", args=[row.pk])
    text = person.get(page).content.decode()
    assert row.name in text and verb in text and "84.0 MB" in text and "It stays until a manager" in text
    assert reverse("releases:deployment", args=[row.deployment_id]) in text
    operator = make_user("operator")
    Membership.objects.create(project=world.project, user=operator, can_operate=True)
    other = Client(HTTP_HOST="localhost")
    other.force_login(operator)
    assert verb not in other.get(page).content.decode()
    assert other.post(verb).status_code == 403
    draft = world.draft()
    Deployment.objects.filter(pk=draft.pk).update(status=lifecycle.RUNNING, started_at=clock.now())
    text = person.get(page).content.decode()
    assert "A deployment is active" in text and verb not in text
    assert person.post(verb).status_code == 409
    Deployment.objects.filter(pk=draft.pk).update(status=lifecycle.CANCELLED, finished_at=clock.now())
    assert person.post(verb).status_code == 302
    row.refresh_from_db()
    assert (row.removed_by, row.removed_because) == (world.requester, "person")
    text = person.get(page).content.decode()
    assert "is being dropped" in text and verb not in text and 'hx-trigger="every 2s"' in text
    assert person.post(verb).status_code == 409
    event = AuditEvent.objects.get(action="kept_database.remove")
    assert (event.target_name, event.detail["oid"]) == (row.name, 7)


def test_what_became_of_kept_databases_is_told(person: Client, page: str, world: World) -> None:
    gone = {"removed_at": clock.now(), "removed_because": "retention"}
    replaced(world, **gone, problem="Somebody is connected.")
    replaced(world, **gone, erased_at=clock.now())
    Environment.objects.filter(pk=world.environment.pk).update(backup_days=14)
    text = person.get(page).content.decode()
    for words in ("not dropped", "Somebody is connected.", "past its time", "It is dropped after 14 days."):
        assert words in text
    assert 'hx-trigger="every 2s"' not in text


def codes(deployment: Deployment) -> dict[str, str]:
    return {blocker.code: blocker.detail for blocker in start.blockers(Deployment.objects.get(pk=deployment.pk))}


def test_a_start_asks_for_young_proved_copies_of_each_thing(person: Client, world: World) -> None:
    draft = world.draft()
    assert "backup_unproved" not in codes(draft)
    Environment.objects.filter(pk=world.environment.pk).update(backup_proof_hours=24)
    assert codes(draft)["backup_unproved"] == "shop -:5432", "before the first deployment there are no files"
    earlier = world.draft()
    Deployment.objects.filter(pk=earlier.pk).update(
        status=lifecycle.SUCCEEDED, started_at=clock.now(), finished_at=clock.now()
    )
    assert codes(draft)["backup_unproved"] == "app.jar.bak, shop -:5432"
    keep(world, proved_at=clock.now())
    unproved = dump(world)
    assert codes(draft)["backup_unproved"] == "shop -:5432"
    Backup.objects.filter(pk=unproved.pk).update(proved_at=clock.now())
    assert "backup_unproved" not in codes(draft)
    for change in (
        {"created_at": clock.now() - timedelta(hours=25)},
        {"removed_at": clock.now(), "removed_because": "person"},
        {"host": None},
        {"series": "other -:5432"},
    ):
        before = Backup.objects.filter(pk=unproved.pk).values(*change).get()
        Backup.objects.filter(pk=unproved.pk).update(**change)
        assert codes(draft)["backup_unproved"] == "shop -:5432", change
        Backup.objects.filter(pk=unproved.pk).update(**before)
    assert "backup_unproved" not in codes(draft)
    text = person.get(reverse("releases:deployment", args=[draft.pk])).content.decode()
    assert "Proved backups are younger than 24 h" in text


def test_the_reason_leads_to_the_backups(person: Client, page: str, world: World) -> None:
    Environment.objects.filter(pk=world.environment.pk).update(backup_proof_hours=1)
    text = person.get(reverse("releases:deployment", args=[world.draft().pk])).content.decode()
    assert page in text and "No proved backup is younger than 1 h" in text


def test_the_rules_are_set_and_shown(person: Client, page: str, world: World) -> None:
    edit = reverse("releases:edit_environment", args=[world.environment.pk])
    form = person.get(edit).context["form"]
    data = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    rules = {"backup_at": "03:30", "backup_days": "14", "backups_kept": "3", "backup_proof_hours": "24"}
    assert person.post(edit, data | rules).status_code == 302
    environment = Environment.objects.get(pk=world.environment.pk)
    assert (environment.backup_days, environment.backups_kept, environment.backup_proof_hours) == (14, 3, 24)
    text = person.get(page).content.decode()
    for words in ("03:30", "for 14 days", "the newest 3 of each thing", "younger than 24 hours"):
        assert words in text
    for wrong in ({"backups_kept": "0"}, {"backup_days": "0"}, {"backup_proof_hours": "9000"}, {"backup_at": "25:00"}):
        assert person.post(edit, data | rules | wrong).status_code == 400, wrong
