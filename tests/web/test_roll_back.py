"""The page before a rollback, and where it is offered."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from releases import lifecycle
from releases.engine import clock, start, wake
from releases.models import Backup, Deployment, Environment, Membership, Plan, Release, Step
from tests.factories import SIMPLE_RUNBOOK, World, make_user, save_version

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
        series="app.jar.bak",
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
        row.pk, row.series, row.location = None, f"more-{number}.bak", f"/app/more-{number}"
        row.name = row.series
        row.save()
    Backup.objects.update(created_at=Backup.objects.earliest("created_at").created_at)
    named = "".join(f", {{path: /app/{number}, link: more-{number}.bak}}" for number in range(10))
    assert deployed.environment.rollback_runbook is not None
    save_version(deployed.environment.rollback_runbook, ROLLBACK.replace("app.jar.bak}]", f"app.jar.bak}}{named}]"))
    assert "more-7.bak" in client.get(page).content.decode()
    assert queries() == few


def test_lists_offer_it_for_the_last_deployment_that_stands(client: Client, page: str, deployed: Deployment) -> None:
    world_pages = ["/", "/history/", "/deployments/", f"/releases/{deployed.release_id}/"]
    assert [path for path in world_pages if page not in client.get(path).content.decode()] == []
    viewer = make_user("viewer")
    Membership.objects.create(project=deployed.environment.project, user=viewer)
    client.force_login(viewer)
    assert [path for path in world_pages if page in client.get(path).content.decode()] == []


def test_lists_offer_it_no_more_once_it_was_undone(client: Client, page: str, deployed: Deployment) -> None:
    Deployment.objects.create(
        environment=deployed.environment, release=deployed.release, plan=deployed.plan, kind="rollback",
        undoes=deployed, status=lifecycle.SUCCEEDED, requested_by=deployed.requested_by, idempotency_key="undone-it",
        started_at=clock.now(), finished_at=clock.now(),
    )  # fmt: skip
    assert [path for path in ("/", "/history/", "/deployments/") if page in client.get(path).content.decode()] == []


POINT = "irreversible: {ko: 옛 토큰은 되살아나지 않음, en: Old tokens stay revoked}"
TWO = 'parameters: {command: "echo two'


def test_past_the_point_of_no_return_the_words_change(client: Client, world: World, deployed: Deployment) -> None:
    world.save_runbook(SIMPLE_RUNBOOK.replace(TWO, f"{POINT}\n    {TWO}"))
    later = world.draft()
    plan_page = reverse("releases:deployment", args=[later.pk])
    client.force_login(world.requester)
    client.cookies["django_language"] = "en"
    text = client.get(plan_page).content.decode()
    assert "point of no return" in text and "Old tokens stay revoked" in text
    Deployment.objects.filter(pk=later.pk).update(
        status=lifecycle.FAILED, started_at=clock.now(), finished_at=clock.now()
    )
    asked = reverse("releases:roll_back", args=[later.pk])
    assert "It is past the point of no return" not in client.get(asked).content.decode(), "the step has not begun"
    assert "Roll back…" in client.get(plan_page).content.decode()
    later.steps.filter(key="two").update(status=lifecycle.FAILED)
    text = client.get(asked).content.decode()
    assert "It is past the point of no return" in text and "Old tokens stay revoked" in text
    text = client.get(plan_page).content.decode()
    assert "Roll back past the point of no return…" in text and "Roll back…" not in text


class TestRehearsal:
    """The way back is tried in another environment; the page tells how long it took, and a start may need it."""

    def rehearse(self, deployed: Deployment, with_database: bool = False) -> Deployment:
        production = deployed.environment
        runbook = production.rollback_runbook
        assert runbook is not None
        staging, made_now = Environment.objects.get_or_create(
            project=production.project, key="staging", defaults={"name": "스테이징", "rollback_runbook": runbook}
        )
        if made_now:
            Environment.objects.filter(pk=production.pk).update(rehearsed_in=staging, rehearsal_days=7)
        plan = Plan.objects.create(
            environment=staging, release=deployed.release, runbook_version=runbook.versions.get(),
            content=deployed.plan.content, digest="0" * 64, estimate=1, downtime_estimate=1,
        )  # fmt: skip
        undone = Deployment.objects.create(
            environment=staging, release=deployed.release, plan=plan, requested_by=deployed.requested_by,
            status=lifecycle.FAILED, idempotency_key=uuid.uuid4().hex, started_at=clock.now(), finished_at=clock.now(),
        )  # fmt: skip
        made = Deployment.objects.create(
            environment=staging, release=deployed.release, plan=plan, kind="rollback", undoes=undone,
            status=lifecycle.SUCCEEDED, requested_by=deployed.requested_by, idempotency_key=uuid.uuid4().hex,
            started_at=clock.now() - timedelta(seconds=48), finished_at=clock.now(),
        )  # fmt: skip
        if with_database:
            Step.objects.create(
                deployment=made, position=1, number="1", key="data", title_ko="", title_en="", role="devops",
                phase="replace", action="restore_database", status=lifecycle.SUCCEEDED, estimate=1,
            )  # fmt: skip
        return made

    def codes(self, deployment: Deployment) -> set[str]:
        found = Deployment.objects.select_related("environment__rehearsed_in", "environment__rollback_runbook")
        return {blocker.code for blocker in start.blockers(found.get(pk=deployment.pk))}

    def test_the_page_tells_how_long_it_took(self, client: Client, page: str, deployed: Deployment) -> None:
        assert "Rehearsed" not in client.get(page).content.decode()
        rehearsed = self.rehearse(deployed)
        text = client.get(page).content.decode()
        assert "Rehearsed" in text and "0:48" in text and f"#{rehearsed.pk}" in text
        shown = client.get(reverse("releases:environment", args=[deployed.environment_id])).content.decode()
        assert f"#{rehearsed.pk}" in shown and "a start needs one within 7 days" in shown

    def test_a_start_needs_one_that_is_young_and_of_the_same_runbook(self, world: World, deployed: Deployment) -> None:
        draft = world.draft()
        assert "not_rehearsed" not in self.codes(draft)
        Environment.objects.filter(pk=world.environment.pk).update(rehearsal_days=7)
        assert "not_rehearsed" in self.codes(draft), "nowhere to rehearse"
        rehearsed = Deployment.objects.filter(pk=self.rehearse(deployed).pk)
        assert "not_rehearsed" not in self.codes(draft)
        for change in ({"finished_at": clock.now() - timedelta(days=8)}, {"status": lifecycle.FAILED}):
            before = rehearsed.values(*change).get()
            rehearsed.update(**change)
            assert "not_rehearsed" in self.codes(draft), change
            rehearsed.update(**before)
        assert "not_rehearsed" not in self.codes(draft)
        runbook = world.environment.rollback_runbook
        assert runbook is not None
        save_version(runbook, f"{ROLLBACK}\n# changed")
        assert "not_rehearsed" in self.codes(draft)

    def test_a_schema_change_needs_one_that_restored_a_database(self, world: World, deployed: Deployment) -> None:
        self.rehearse(deployed)
        draft = world.draft()
        assert "not_rehearsed" not in self.codes(draft)
        Release.objects.filter(pk=world.release.pk).update(schema_changed=True)
        assert "not_rehearsed" in self.codes(draft)
        self.rehearse(deployed, with_database=True)
        assert "not_rehearsed" not in self.codes(draft)
