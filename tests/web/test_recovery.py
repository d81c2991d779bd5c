"""Emergency rollbacks on their pages: the form, the countdown, the no, what is held afterwards."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from releases import lifecycle
from releases.engine import clock, wake
from releases.models import Attempt, Backup, Deployment, Environment, Membership, Recovery
from tests.factories import World, make_user, save_version
from tests.web.test_roll_back import ROLLBACK

WHY = "orders are lost"


@pytest.fixture(autouse=True)
def no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "send", lambda *told, **_more: True)


@pytest.fixture
def deployed(world: World) -> Deployment:
    """A deployment that failed, in an environment that knows how to go back."""
    made = world.project.runbooks.create(key="back", name="Back", kind="rollback")
    save_version(made, ROLLBACK)
    world.environment.rollback_runbook = made
    world.environment.save()
    deployment = ended(world.draft())
    step = deployment.steps.all()[0]
    attempt = Attempt.objects.create(step=step, number=1, remote_id="r1", status="dispatching", started_at=clock.now())
    Backup.objects.create(
        environment=world.environment, host=world.host, deployment=deployment, kind="files", name="app.jar.bak",
        series="app.jar.bak",
        attempt=attempt,
        location="/app/backup/app.jar.bak-1-1", size=84_000_000, sha256="ab" * 32, seconds=1,
    )  # fmt: skip
    return deployment


def ended(deployment: Deployment, status: str = lifecycle.FAILED, **fields: Any) -> Deployment:
    moments = {"started_at": clock.now(), "finished_at": clock.now()} | fields
    Deployment.objects.filter(pk=deployment.pk).update(status=status, **moments)
    deployment.refresh_from_db()
    return deployment


@pytest.fixture
def person(client: Client, world: World) -> Client:
    client.force_login(world.requester)
    client.cookies["django_language"] = "en"
    return client


def text_of(person: Client, deployment: Deployment, language: str = "en") -> str:
    person.cookies["django_language"] = language
    answer = person.get(reverse("releases:deployment", args=[deployment.pk]))
    assert answer.status_code == 200
    return str(answer.content.decode())


def by_rule(deployment: Deployment, **fields: Any) -> Recovery:
    given = {"rule": "health", "facts": {"service": "Backend", "number": 3}, "starts_at": clock.now()} | fields
    return Recovery.objects.create(deployment=deployment, **given)


def rolled_back(world: World, deployment: Deployment, **fields: Any) -> Recovery:
    """By a rule, to the end."""
    rollback = ended(world.draft(), lifecycle.SUCCEEDED, undoes=deployment, kind="rollback")
    return by_rule(deployment, rollback=rollback, ending="succeeded", ended_at=clock.now(), **fields)


def test_the_form_asks_why_and_where(person: Client, world: World, deployed: Deployment) -> None:
    page = person.get(reverse("releases:roll_back", args=[deployed.pk])).content.decode()
    assert "Emergency: roll back now" in page and "Make the rollback&#x27;s plan" in page.replace("'", "&#x27;")
    url = reverse("releases:emergency", args=[deployed.pk])
    for sent, said in (
        ({"reason": WHY}, "Environment name: type 운영 exactly"),
        ({"reason": WHY, "confirm_name": "운용"}, "Environment name: type 운영 exactly"),
        ({"reason": " ", "confirm_name": "운영"}, "Reason: say why it can"),
    ):
        answer = person.post(url, sent)
        assert answer.status_code == 409 and said in answer.content.decode()
    assert not Recovery.objects.exists()
    for _press in range(2):
        answer = person.post(url, {"reason": WHY, "confirm_name": "운영"})
        assert answer["Location"] == reverse("releases:deployment", args=[deployed.pk])
    made = Recovery.objects.get(ended_at=None)
    assert (made.reason, made.asked_by, made.rule) == (WHY, world.requester, "person")


def test_what_runs_can_be_aborted_and_rolled_back_in_one_press(person: Client, deployed: Deployment) -> None:
    ended(deployed, lifecycle.RUNNING, finished_at=None)
    assert "Abort and roll back…" in text_of(person, deployed)
    page = person.get(reverse("releases:roll_back", args=[deployed.pk])).content.decode()
    assert "It is aborted first" in page and "Make the rollback" not in page
    answer = person.post(reverse("releases:emergency", args=[deployed.pk]), {"reason": WHY, "confirm_name": "운영"})
    assert answer.status_code == 302
    text = text_of(person, deployed)
    assert "It is aborted, then rolled back" in text and WHY in text and "Abort and roll back…" not in text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["It is going to be rolled back by itself in", "Backend failed 3 health checks in a row", "Don"]),
        ("ko", ["자동 롤백까지", "Backend의 상태 확인이 3번 잇따라 실패했습니다", "롤백하지 않기"]),
    ],
)
def test_the_countdown_and_the_no(person: Client, deployed: Deployment, language: str, words: list[str]) -> None:
    found = by_rule(deployed, starts_at=clock.now() + timedelta(seconds=60))
    text = text_of(person, deployed, language)
    assert all(word in text for word in words) and 'data-clock="down"' in text
    assert person.post(reverse("releases:refuse_recovery", args=[found.pk])).status_code == 302
    found.refresh_from_db()
    assert found.ending == "refused"
    assert words[0] not in text_of(person, deployed, language)
    assert person.post(reverse("releases:hurry_recovery", args=[found.pk])).status_code == 409


def test_a_viewer_sees_it_and_has_no_button(client: Client, world: World, deployed: Deployment) -> None:
    found = by_rule(deployed, starts_at=clock.now() + timedelta(seconds=60))
    viewer = make_user("viewer")
    Membership.objects.create(project=world.project, user=viewer)
    client.force_login(viewer)
    text = text_of(client, deployed)
    assert "Backend failed 3 health checks in a row" in text
    assert reverse("releases:refuse_recovery", args=[found.pk]) not in text
    assert client.post(reverse("releases:refuse_recovery", args=[found.pk])).status_code == 403


def test_after_a_rule_the_release_is_held_until_somebody_lets_it_go(
    person: Client, world: World, deployed: Deployment
) -> None:
    found = rolled_back(world, deployed)
    text = text_of(person, deployed)
    assert "Rolled back in an emergency" in text and "until a person lets them go on" in text
    assert "by a rule of the environment" in text_of(person, found.rollback) if found.rollback else False
    draft = text_of(person, world.draft())
    assert "The release was rolled back by itself" in draft
    of_environment = person.get(reverse("releases:environment", args=[world.environment.pk])).content.decode()
    assert "Automatic rollback" in of_environment
    url = reverse("releases:clear_recovery", args=[found.pk])
    assert person.post(url, {"reason": ""}).status_code == 409
    assert person.post(url, {"reason": "the proxy was wrong"}).status_code == 302
    assert "let the rules and the release go on" in text_of(person, deployed)
    assert "The release was rolled back by itself" not in text_of(person, world.draft())


@pytest.mark.parametrize(
    ("ending", "word"),
    [("impossible", "could not start"), ("refused", "Not rolled back by itself"), ("failed", "rollback stopped")],
)
def test_how_it_ended_is_said(person: Client, world: World, deployed: Deployment, ending: str, word: str) -> None:
    rollback = world.draft() if ending == "failed" else None
    by_rule(deployed, ending=ending, ended_at=clock.now(), problem="A backup is missing", rollback=rollback)
    assert word in text_of(person, deployed)


def test_the_page_says_until_when_it_is_watched(person: Client, world: World, deployed: Deployment) -> None:
    assert "Watched until" not in text_of(person, deployed)
    Environment.objects.update(automatic_rollback="ask")
    assert "Watched until" in text_of(person, deployed)
    ended(deployed, finished_at=clock.now() - timedelta(minutes=31))
    assert "Watched until" not in text_of(person, deployed)


def test_the_rules_are_set_in_the_environment_s_form(person: Client, world: World) -> None:
    url = reverse("releases:edit_environment", args=[world.environment.pk])
    form = person.get(url).context["form"]
    data = {name: form.initial.get(name) for name in form.fields if form.initial.get(name) not in (None, False)}
    refused = person.post(url, data | {"rollback_minutes": "0", "automatic_rollback": "on"})
    assert refused.status_code == 400 and "rollback_minutes" in refused.context["form"].errors
    done = person.post(url, data | {"rollback_minutes": "45", "automatic_rollback": "on", "rollback_on_log": ""})
    assert done.status_code == 302
    found = Environment.objects.get(pk=world.environment.pk)
    assert (found.automatic_rollback, found.rollback_minutes, found.rollback_on_log) == ("on", 45, False)


def test_its_queries_do_not_grow(person: Client, world: World, deployed: Deployment) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            text_of(person, deployed)
        return len(queries)

    rolled_back(world, deployed)
    before = count()
    for _time in range(5):
        Recovery.objects.create(
            deployment=deployed, rule="person", reason=WHY, asked_by=world.requester, starts_at=clock.now(),
            ending="refused", ended_at=clock.now(),
        )  # fmt: skip
    assert count() <= before


def test_what_is_held_can_be_let_go_also_after_another_try(person: Client, world: World, deployed: Deployment) -> None:
    found = rolled_back(world, deployed)
    Recovery.objects.filter(pk=found.pk).update(ending="failed")
    Recovery.objects.create(
        deployment=deployed, rule="person", reason=WHY, asked_by=world.requester, starts_at=clock.now(),
        ending="succeeded", ended_at=clock.now(), rollback=ended(world.draft(), undoes=deployed, kind="rollback"),
    )  # fmt: skip
    assert reverse("releases:clear_recovery", args=[found.pk]) in text_of(person, deployed)


def test_nobody_is_named_for_what_a_rule_asked(person: Client, world: World, deployed: Deployment) -> None:
    found = rolled_back(world, deployed)
    Deployment.objects.filter(pk=found.rollback_id).update(requested_by=None, started_by=None)
    assert found.rollback is not None
    page = text_of(person, found.rollback)
    assert "Cloud Wiki</dd>" in page and "· None" not in page
    listed = person.get(reverse("releases:deployments")).content.decode()
    assert '<td class="wide">Cloud Wiki</td>' in listed
    row = person.get("/api/deployments").json()["items"][0]
    assert (row["requested_by"], row["started_by"], row["undoes"]) == ("Cloud Wiki", "Cloud Wiki", deployed.pk)
