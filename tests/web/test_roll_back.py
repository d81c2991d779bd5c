"""The page before a rollback, and where it is offered."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from releases import lifecycle
from releases.engine import clock, wake
from releases.models import Backup, Deployment, Membership
from tests.factories import World, make_user, save_version

ROLLBACK = """
kind: rollback
title: {ko: 롤백, en: Rollback}
steps:
  - key: files
    title: {ko: 파일 복원, en: Put the files back}
    role: DevOps
    phase: replace
    action: restore_files
    runs_on: app
    estimate: 48
    parameters: {files: [{path: /app/app.jar, link: app.jar.bak}]}
  - key: data
    title: {ko: DB 복원, en: Restore the data}
    role: DevOps
    phase: replace
    action: restore_database
    runs_on: app
    estimate: 180
    condition: schema_changed
    parameters: {database: app}
"""


@pytest.fixture
def deployed(world: World) -> Deployment:
    """A deployment that succeeded and had backed up one file; the environment knows how to go back."""
    made = world.project.runbooks.create(key="back", name="Back", kind="rollback")
    save_version(made, ROLLBACK)
    world.environment.rollback_runbook = made
    world.environment.save()
    deployment = world.draft()
    Backup.objects.create(
        environment=world.environment, host=world.host, deployment=deployment, kind="files", name="app.jar.bak",
        location="/app/backup/app.jar.bak-1-1", size=84_000_000, sha256="ab" * 32, seconds=1,
    )  # fmt: skip
    Deployment.objects.filter(pk=deployment.pk).update(
        status=lifecycle.SUCCEEDED, started_at=clock.now(), finished_at=clock.now()
    )
    deployment.refresh_from_db()
    return deployment


@pytest.fixture
def page(client: Client, world: World, deployed: Deployment) -> str:
    client.force_login(world.requester)
    client.cookies["django_language"] = "en"
    return reverse("releases:roll_back", args=[deployed.pk])


@pytest.mark.parametrize("language", ["ko", "en"])
def test_it_says_what_will_happen(client: Client, page: str, deployed: Deployment, language: str) -> None:
    client.cookies["django_language"] = language
    text = client.get(page).content.decode()
    words = {
        "en": ["Put the files back", "The database stays as it is", "nothing was rolled back here yet", "84.0 MB"],
        "ko": ["파일 복원", "데이터베이스는 그대로 둡니다", "여기서 롤백한 적이 없습니다"],
    }
    for word in [*words[language], "before-v2.8.0", "app.jar.bak"]:
        assert word in text
    assert "Restore the data" not in text and "DB 복원" not in text
    assert not Deployment.objects.filter(undoes=deployed).exists()


def test_a_press_makes_one_draft(
    client: Client, page: str, deployed: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake, "send", lambda *arguments: True)
    for _press in range(2):
        answer = client.post(page, {"idempotency_key": "one-press-of-it"})
        assert answer.status_code == 302
    draft = Deployment.objects.get(undoes=deployed)
    assert answer["Location"] == reverse("releases:deployment", args=[draft.pk])
    text = client.get(answer["Location"]).content.decode()
    for word in ("Rollback", "What is put back", "app.jar.bak-1-1", f"#{deployed.pk}"):
        assert word in text
    assert client.post(page, {}).status_code == 409


def test_where_it_can_not_be_the_page_says_why(client: Client, world: World, page: str, deployed: Deployment) -> None:
    world.environment.rollback_runbook = None
    world.environment.save()
    text = client.get(page).content.decode()
    assert "has no rollback runbook yet" in text and "Choose a rollback runbook" in text
    answer = client.post(page, {"idempotency_key": "one-press-of-it"})
    assert answer.status_code == 409 and "has no rollback runbook yet" in answer.content.decode()


def test_it_is_offered_to_those_who_may_and_where_it_helps(
    client: Client, world: World, page: str, deployed: Deployment
) -> None:
    of_run = reverse("releases:deployment", args=[deployed.pk])
    assert page in client.get(of_run).content.decode()
    viewer = make_user("viewer")
    Membership.objects.create(project=world.project, user=viewer)
    other = Client(HTTP_HOST="localhost")
    other.force_login(viewer)
    assert page not in other.get(of_run).content.decode()
    later = world.draft()
    Deployment.objects.filter(pk=later.pk).update(
        status=lifecycle.SUCCEEDED, started_at=clock.now(), finished_at=clock.now()
    )
    assert page not in client.get(of_run).content.decode()
    Deployment.objects.filter(pk=later.pk).update(undoes=deployed, kind="rollback")
    text = client.get(of_run).content.decode()
    assert page not in text and "Undone by" in text


def test_its_queries_do_not_grow_with_backups(client: Client, page: str, deployed: Deployment) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            client.get(page)
        return len(asked)

    client.get(page)
    few = queries()
    row: Any = Backup.objects.get()
    for number in range(10):
        row.pk, row.name, row.location = None, f"more-{number}.bak", f"/app/more-{number}"
        row.save()
    Backup.objects.update(created_at=Backup.objects.earliest("created_at").created_at)
    assert "more-7.bak" in client.get(page).content.decode()
    assert queries() == few
