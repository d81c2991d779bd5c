"""Texts are read for secrets before they are saved; who insists is on record."""

import json

import pytest
from django.test import Client

from releases.models import Announcement, AuditEvent, EnvironmentLock, Release, Variable
from releases.risks.stored_secrets import mark
from tests.factories import SIMPLE_RUNBOOK, World

SECRET = "hunter2hunter2"
TEXT = f"call it with PGPASSWORD={SECRET}"


@pytest.fixture
def person(world: World) -> Client:
    client = Client(HTTP_HOST="localhost", headers={"accept-language": "en"})
    client.force_login(world.requester)
    return client


def insisted() -> list[dict[str, object]]:
    return list(AuditEvent.objects.filter(action="text.insist").values_list("detail", flat=True))


def assert_on_record() -> None:
    (detail,) = insisted()
    assert detail == {"kinds": ["option_password"], "marks": [mark(SECRET)]}
    assert SECRET not in json.dumps(detail)


def test_a_reason_is_refused_and_may_be_insisted_on(world: World, person: Client) -> None:
    path, form = f"/environments/{world.environment.pk}/lock", {"hours": "2", "reason": TEXT}
    answer = person.post(path, form)
    assert answer.status_code == 409 and not EnvironmentLock.objects.exists()
    page = answer.content.decode()
    assert 'name="hours" value="2"' in page and 'name="not_a_secret"' in page
    assert "no-store" in answer["Cache-Control"]
    assert insisted() == []
    assert person.post(path, form | {"not_a_secret": "on"}).status_code == 302
    assert EnvironmentLock.objects.get().reason == TEXT
    assert_on_record()


def test_an_ordinary_reason_is_saved_without_a_question(world: World, person: Client) -> None:
    form = {"hours": "2", "reason": "Deploy of a41f9c2, sha256:" + "0f" * 32}
    assert person.post(f"/environments/{world.environment.pk}/lock", form).status_code == 302
    assert insisted() == []


def test_a_variable_that_should_be_secret(world: World, person: Client) -> None:
    path = f"/environments/{world.environment.pk}/variables"
    form = {"name": "db_password", "type": "string", "value": SECRET}
    answer = person.post(path, form)
    assert answer.status_code == 400 and not Variable.objects.filter(name="db_password").exists()
    assert "value" in answer.context["variable_form"].errors
    assert b'name="not_a_secret"' in answer.content
    assert person.post(path, form | {"is_secret": "on"}).status_code == 302
    assert Variable.objects.get(name="db_password").value == ""
    assert insisted() == []
    assert person.post(path, form | {"name": "old_password", "not_a_secret": "on"}).status_code == 302
    assert Variable.objects.get(name="old_password").value == SECRET
    assert insisted() == [{"kinds": ["assigned"], "marks": [mark(SECRET)]}]


def test_release_notes(world: World, person: Client) -> None:
    form = {"version": "v2.8.0", "commit": "a41f9c2", "branch": "main", "notes": TEXT}
    answer = person.post(f"/releases/{world.release.pk}/edit", form)
    assert answer.status_code == 400 and "notes" in answer.context["form"].errors
    assert Release.objects.get().notes == ""
    assert person.post(f"/releases/{world.release.pk}/edit", form | {"not_a_secret": "on"}).status_code == 302
    assert Release.objects.get().notes == TEXT
    assert_on_record()


def test_a_runbook(world: World, person: Client) -> None:
    path = f"/runbooks/{world.runbook.pk}/edit"
    form = {"text": SIMPLE_RUNBOOK.replace("echo one", f"PGPASSWORD={SECRET} psql"), "base": "1", "note": ""}
    answer = person.post(path, form)
    assert answer.status_code == 400 and b'name="not_a_secret"' in answer.content
    assert world.runbook.versions.count() == 1
    assert person.post(path, form | {"not_a_secret": "on"}).status_code == 302
    assert world.runbook.versions.count() == 2
    assert_on_record()


def test_the_api_refuses_and_may_be_told(world: World, person: Client) -> None:
    deployment = world.draft()
    path, body = f"/api/deployments/{deployment.pk}/approve", {"digest": deployment.plan.digest, "note": TEXT}
    approver = Client(HTTP_HOST="localhost")
    approver.force_login(world.approver)
    answer = approver.post(path, body, content_type="application/json")
    assert answer.status_code == 409 and not deployment.approvals.exists()
    assert SECRET not in answer.content.decode()
    answer = approver.post(path, body | {"not_a_secret": True}, content_type="application/json")
    assert answer.status_code == 200
    assert deployment.approvals.get().note == TEXT
    assert_on_record()


def test_a_person_of_another_right_learns_nothing_by_it(world: World) -> None:
    client = Client(HTTP_HOST="localhost")
    client.force_login(world.outsider)
    path = f"/environments/{world.environment.pk}/lock"
    assert client.post(path, {"hours": "2", "reason": TEXT, "not_a_secret": "on"}).status_code == 404
    assert insisted() == [] and not Announcement.objects.exists()
