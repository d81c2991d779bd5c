"""The page of what works together, a manager's word on a pair, and a rollback of one service on its page."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from releases import lifecycle
from releases.engine import clock
from releases.models import AuditEvent, Backup, Compatibility, Deployment, Membership, Recovery, Release, Service
from tests.factories import World, make_user, save_version
from tests.web.test_roll_back import ROLLBACK

TWO = (
    ROLLBACK.replace("link: app.jar.bak}]}", "link: app.jar.bak}], service: backend}")
    + """
  - key: pages
    title: {ko: 화면 복원, en: Put the pages back}
    role: DevOps
    phase: replace
    action: restore_files
    runs_on: app
    estimate: 20
    parameters: {files: [{path: /app/.next, link: .next.bak, folder: true}], service: frontend}
"""
)


@pytest.fixture
def frontend(world: World) -> Service:
    return Service.objects.create(project=world.project, key="frontend", name="Frontend", kind="frontend", position=1)


@pytest.fixture
def older(world: World) -> Release:
    return Release.objects.create(project=world.project, version="v2.7.0", commit="a41f9c1")


@pytest.fixture
def page(client: Client, world: World, frontend: Service) -> str:
    client.force_login(world.requester)
    client.cookies["django_language"] = "en"
    return reverse("releases:compatibility", args=[world.project.pk])


def pair(world: World, frontend: Service, older: Release, **more: str) -> dict[str, Any]:
    backend = world.project.services.get(key="backend")
    return {
        "one": backend.pk, "one_release": older.pk, "other": frontend.pk, "other_release": world.release.pk,
        "verdict": "fails", "reason": "the login differs", **more,
    }  # fmt: skip


def test_a_manager_puts_a_pair_on_record(
    client: Client, page: str, world: World, frontend: Service, older: Release
) -> None:
    say = reverse("releases:say_compatibility", args=[world.project.pk])
    answer = client.post(say, pair(world, frontend, older), follow=True)
    assert answer.redirect_chain[0][0].startswith(page)
    assert "Backend v2.7.0 beside Frontend v2.8.0 is on record." in answer.content.decode()
    row = Compatibility.objects.get()
    assert (row.works, row.reason, row.decided_by) == (False, "the login differs", world.requester)
    text = client.get(page).content.decode()
    assert "does not work" in text and "the login differs" in text
    event = AuditEvent.objects.get(action="compatibility.set")
    assert (event.project, event.detail["works"]) == (world.project, False)
    # The other way round it is the same pair.
    turned = pair(world, frontend, older, one=str(frontend.pk), one_release=str(world.release.pk), verdict="works")
    turned |= {"other": row.first_service_id, "other_release": older.pk}
    client.post(say, turned)
    assert Compatibility.objects.get().works
    client.post(say, pair(world, frontend, older, verdict="unknown"))
    assert not Compatibility.objects.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reason": " "}, "Say why: whoever is refused a rollback for it reads this."),
        ({"other": "one"}, "Choose another service than the first."),
        ({"verdict": "maybe"}, "Select a valid choice"),
        ({"one_release": "999999"}, "Select a valid choice"),
    ],
)
def test_a_wrong_pair_is_told_at_its_field(
    client: Client, page: str, world: World, frontend: Service, older: Release, change: dict[str, str], words: str
) -> None:
    given = pair(world, frontend, older) | change
    if given["other"] == "one":
        given["other"] = given["one"]
    answer = client.post(reverse("releases:say_compatibility", args=[world.project.pk]), given)
    assert answer.status_code == 422 and words in answer.content.decode()
    assert not Compatibility.objects.exists()


def test_releases_of_another_project_are_no_choice(
    client: Client, page: str, world: World, frontend: Service, older: Release
) -> None:
    from tests.factories import make_world

    strange = make_world().release
    answer = client.post(
        reverse("releases:say_compatibility", args=[world.project.pk]),
        pair(world, frontend, older, one_release=str(strange.pk)),
    )
    assert answer.status_code == 422


def test_an_operator_reads_it_and_changes_nothing(client: Client, page: str, world: World) -> None:
    operator = make_user("operator")
    Membership.objects.create(project=world.project, user=operator, can_operate=True)
    client.force_login(operator)
    assert "Put a pair on record" not in client.get(page).content.decode()
    assert client.post(reverse("releases:say_compatibility", args=[world.project.pk])).status_code == 403


@pytest.mark.parametrize("address", ["?one=x&other=-1", "?one=999999&other=1", "?one=1&other=1", "?one_release=9"])
def test_any_address_is_a_page(client: Client, page: str, address: str) -> None:
    assert client.get(page + address).status_code == 200


def test_its_queries_do_not_grow(client: Client, page: str, world: World, frontend: Service, older: Release) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(page).status_code == 200
        return len(asked)

    client.get(page)
    few = queries()
    backend = world.project.services.get(key="backend")
    for number in range(9):
        release = Release.objects.create(project=world.project, version=f"v3.{number}", commit="abcdef1")
        Compatibility.objects.create(
            project=world.project, first_service=backend, first_release=release, second_service=frontend,
            second_release=older, works=True, decided_by=world.requester, decided_at=clock.now(),
        )  # fmt: skip
    assert queries() == few


@pytest.fixture
def back(client: Client, world: World, page: str, older: Release) -> str:
    """The page before the rollback of the second of two deployments, each of which backed two things up."""
    made = world.project.runbooks.create(key="back", name="Back", kind="rollback")
    save_version(made, TWO)
    world.environment.rollback_runbook = made
    world.environment.save()
    for release in (older, world.release):
        world.release = release
        deployment = world.draft()
        now = clock.now()
        Deployment.objects.filter(pk=deployment.pk).update(status=lifecycle.SUCCEEDED, started_at=now, finished_at=now)
        for number, name in enumerate(("app.jar.bak", ".next.bak")):
            attempt = deployment.steps.earliest("position").attempts.create(
                number=number + 1,
                remote_id=f"{deployment.pk}-{name}",
                status="succeeded",
                started_at=now,
                finished_at=now,
            )
            Backup.objects.create(
                environment=world.environment, host=world.host, deployment=deployment, kind="files", name=name,
                series=name, location=f"/app/backup/{name}-{deployment.pk}", size=84_000_000, sha256="ab" * 32,
                seconds=1, attempt=attempt,
            )  # fmt: skip
    return reverse("releases:roll_back", args=[deployment.pk])


def test_the_page_before_a_rollback_offers_versions_and_services(client: Client, back: str, older: Release) -> None:
    text = client.get(back).content.decode()
    assert "Backend only" in text and "Frontend only" in text and "Everything" in text
    first = Deployment.objects.earliest("pk")
    assert f'<option value="{first.pk}">before-v2.7.0 · undoes v2.7.0, too</option>' in text
    assert "Roll back without approvals" in text
    text = client.get(f"{back}?service=frontend").content.decode()
    assert "Put the pages back" in text and "Put the files back" not in text
    assert "Beside Backend" in text and "nobody knows yet" in text
    assert "Roll back without approvals" not in text, "an emergency takes everything back"
    text = client.get(f"{back}?first={first.pk}").content.decode()
    assert f'href="/deployments/{first.pk}/">#{first.pk}</a> v2.7.0' in text


def test_a_partial_rollback_is_made_and_named_everywhere(
    client: Client, back: str, world: World, frontend: Service
) -> None:
    answer = client.post(back, {"idempotency_key": "k" * 12, "service": "frontend"})
    made = Deployment.objects.get(kind="rollback")
    assert answer["Location"] == f"/deployments/{made.pk}/"
    assert (made.only_service, made.release.version) == (frontend, "v2.7.0")
    assert "Rollback: Frontend only" in client.get(answer["Location"]).content.decode()
    assert "Rollback: Frontend" in client.get("/deployments/").content.decode()
    assert "it is about another service" in client.get(answer["Location"]).content.decode()
    Deployment.objects.filter(pk=made.pk).update(
        status=lifecycle.SUCCEEDED, started_at=clock.now(), finished_at=clock.now()
    )
    text = client.get("/").content.decode()
    assert "Frontend v2.7.0" in text
    assert '<span class="ver">v2.8.0</span>' in text, "the environment as a whole runs what it ran"
    assert back in text, "the whole can still be undone"


def test_a_broken_pair_has_no_button(
    client: Client, back: str, world: World, frontend: Service, older: Release
) -> None:
    backend = world.project.services.get(key="backend")
    Compatibility.objects.create(
        project=world.project, first_service=backend, first_release=world.release, second_service=frontend,
        second_release=older, works=False, reason="the login differs", decided_by=world.requester,
        decided_at=clock.now(),
    )  # fmt: skip
    text = client.get(f"{back}?service=frontend").content.decode()
    assert "are known not to work together. the login differs" in text and 'name="idempotency_key"' not in text
    answer = client.post(back, {"idempotency_key": "k" * 12, "service": "frontend"})
    assert answer.status_code == 409 and not Deployment.objects.filter(kind="rollback").exists()


@pytest.mark.parametrize("choice", ["first=999999", "first=x", "service=nginx", "service=%00"])
def test_what_is_not_offered_is_told(client: Client, back: str, choice: str) -> None:
    assert "That is not offered here any more" in client.get(f"{back}?{choice}").content.decode()


def test_a_version_whose_backups_are_gone_is_told(client: Client, back: str) -> None:
    first = Deployment.objects.earliest("pk")
    Backup.objects.filter(deployment=first, name=".next.bak").update(
        removed_at=clock.now(), removed_because="retention"
    )
    text = client.get(f"{back}?first={first.pk}").content.decode()
    assert "go back there" in text and "was removed" in text and 'name="idempotency_key"' not in text


def posted(client: Client, path: str, wish: dict[str, Any]) -> Any:
    return client.post(path, wish, content_type="application/json")


def test_the_api_rolls_back(client: Client, back: str, frontend: Service) -> None:
    undone, first = Deployment.objects.latest("pk"), Deployment.objects.earliest("pk")
    path, key = f"/api/deployments/{undone.pk}/roll-back", "api-press-1"
    answer = posted(client, path, {"idempotency_key": key, "service": "frontend", "first": first.pk})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["undoes"], made["undoes_first"], made["only_service"]) == (undone.pk, first.pk, "frontend")
    again = posted(client, path, {"idempotency_key": key, "service": "frontend", "first": first.pk})
    assert (again.status_code, again.json()["id"]) == (200, made["id"])
    wrong = posted(client, path, {"idempotency_key": "api-press-2", "service": "nothing"})
    assert wrong.status_code == 409 and "has no service nothing" in wrong.json()["message"]
    wrong = posted(client, path, {"idempotency_key": "api-press-3", "first": 999999})
    assert wrong.status_code == 409 and "#999999 is not one of those" in wrong.json()["message"]


def test_the_api_rolls_back_in_an_emergency(client: Client, back: str, world: World) -> None:
    undone = Deployment.objects.latest("pk")
    path = f"/api/deployments/{undone.pk}/emergency"
    answer = posted(client, path, {"reason": "orders fail"})
    assert answer.status_code == 409 and "confirm_name: give 운영 exactly" in answer.json()["message"]
    assert posted(client, path, {"reason": "", "confirm_name": "운영"}).status_code == 422
    answer = posted(client, path, {"reason": "orders fail", "confirm_name": "운영"})
    recovery = Recovery.objects.get()
    assert (answer.status_code, answer.json()) == (202, {"recovery": recovery.pk})
    assert (recovery.deployment, recovery.reason, recovery.asked_by) == (undone, "orders fail", world.requester)
