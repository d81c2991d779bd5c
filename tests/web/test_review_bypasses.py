"""What a review found around the start: ways past an approval, gaps in the audit log, forms that broke."""

from datetime import timedelta

import pytest
from django.test import Client

from releases import lifecycle, secrets
from releases.actions import artifacts
from releases.actions.base import ActionError
from releases.audit import Actor
from releases.engine import clock, decide, start
from releases.engine.errors import Blocked, EngineError
from releases.models import Artifact, AuditEvent, ChecklistItem, Deployment, Host, Membership, Release, Variable
from tests.factories import SIMPLE_RUNBOOK, World, make_user
from tests.web.test_gate import codes, go, ready

UPLOAD = """
kind: deploy
title: {ko: 배포, en: Deploy}
steps:
  - key: send
    title: {ko: 전송, en: Send}
    role: DevOps
    phase: replace
    action: upload
    runs_on: app
    estimate: 60
    parameters: {artifact: jar, source: build/app.jar, destination: /srv/app.jar}
"""


@pytest.fixture
def client(world: World) -> Client:
    client = Client(HTTP_HOST="localhost")
    client.force_login(world.requester)
    return client


def secret(world: World, value: str) -> Variable:
    return Variable.objects.create(
        environment=world.environment, name="password", is_secret=True, ciphertext=secrets.seal(value)
    )


def stopped(deployment: Deployment, minutes_ago: int, status: str = lifecycle.FAILED) -> None:
    at = clock.now() - timedelta(minutes=minutes_ago)
    Deployment.objects.filter(pk=deployment.pk).update(status=status, started_at=at, finished_at=at)


def test_a_secret_removed_and_added_again_voids_the_approval(world: World) -> None:
    old = secret(world, "the-first-password")
    deployment = ready(world)
    assert codes(deployment) == []
    old.delete()
    secret(world, "quite-another-password")
    assert codes(deployment) == ["plan_changed"]


def test_a_stopped_deployment_does_not_go_on_over_one_that_was_prepared_earlier_but_ran_later(world: World) -> None:
    earlier, later = world.draft(), world.draft()
    stopped(later, 20)
    stopped(earlier, 10, lifecycle.SUCCEEDED)
    step = later.steps.first()
    assert step is not None
    type(step).objects.filter(pk=step.pk).update(status=lifecycle.FAILED)
    with pytest.raises(Blocked) as caught:
        decide.retry(step, Actor(world.requester))
    assert [blocker.code for blocker in caught.value.blockers] == ["superseded"]


def test_an_artifact_named_after_the_approval_is_not_sent_in_place_of_the_approved_file(world: World) -> None:
    world.save_runbook(UPLOAD)
    deployment = world.draft()
    assert artifacts.row(deployment, "jar").path == "build/app.jar"
    Artifact.objects.create(release=world.release, name="jar", path="other/app.jar")
    with pytest.raises(ActionError):
        artifacts.row(Deployment.objects.get(pk=deployment.pk), "jar")


def test_a_right_given_in_the_admin_is_in_the_audit_log(world: World) -> None:
    admin = make_user("root", is_staff=True, is_superuser=True)
    client = Client(HTTP_HOST="localhost")
    client.force_login(admin)
    project, member = world.project, make_user("new")
    form = {"slug": project.slug, "name": "Renamed", "repository": "", "workspace_folder": ""}
    for inline, rows in (
        ("memberships", [{"user": member.pk, "can_approve": "on"}]),
        ("services", []),
        ("environments", []),
    ):
        form |= {f"{inline}-TOTAL_FORMS": len(rows), f"{inline}-INITIAL_FORMS": 0}
        for number, row in enumerate(rows):
            form |= {f"{inline}-{number}-{name}": value for name, value in row.items()}
    answer = client.post(f"/admin/releases/project/{project.pk}/change/", form)
    assert answer.status_code == 302
    assert Membership.objects.get(project=project, user=member).can_approve
    event = AuditEvent.objects.get(action="admin.change")
    assert (event.actor, event.project) == (admin, project)
    assert "can_approve" in str(event.detail) or "new" in str(event.detail)


def test_a_version_that_exists_is_refused_when_a_release_is_changed(client: Client, world: World) -> None:
    Release.objects.create(project=world.project, version="v9.9.9", commit="a41f9c2")
    form = {"version": "v9.9.9", "commit": "a41f9c2", "branch": "main"}
    assert client.post(f"/releases/{world.release.pk}/edit", form).status_code == 400


@pytest.mark.parametrize("changed", [{"name": "prod-2"}, {"role": "db"}])
def test_a_name_or_role_that_exists_is_refused_when_a_host_is_changed(
    client: Client, world: World, changed: dict[str, str]
) -> None:
    Host.objects.create(environment=world.environment, name="prod-2", role="db", address="127.0.0.2", user="deploy")
    form = {"name": "prod-1", "role": "app", "address": "127.0.0.1", "port": 22, "user": "deploy", **changed}
    assert client.post(f"/hosts/{world.host.pk}/edit", form).status_code == 400


def test_hours_that_are_no_number_are_refused(client: Client, world: World) -> None:
    answer = client.post(f"/environments/{world.environment.pk}/lock", {"hours": "nan", "reason": "why"})
    assert answer.status_code == 409


def test_a_zero_byte_is_refused_and_nothing_is_changed(client: Client, world: World) -> None:
    item = world.draft().checklist.get()
    given = {"digest": item.deployment.plan.digest, "note": "a\0b"}
    assert client.post(f"/checklist/{item.pk}/tick", given).status_code == 400
    answer = client.post(f"/api/checklist/{item.pk}/tick", given, content_type="application/json")
    assert answer.status_code == 422
    assert ChecklistItem.objects.get(pk=item.pk).ticked_at is None


def test_a_box_that_a_person_ticks_has_no_check_to_run(client: Client, world: World) -> None:
    item = world.draft().checklist.get()
    assert client.post(f"/checklist/{item.pk}/prove").status_code == 403
    assert ChecklistItem.objects.get(pk=item.pk).proof == ChecklistItem.Proof.NONE


def test_the_digest_names_no_secret_value(world: World) -> None:
    secret(world, "the-first-password")
    deployment = world.draft()
    assert "the-first-password" not in str(deployment.plan.content)
    assert start.current_digest(deployment) == deployment.plan.digest


CHECKED_ELSEWHERE = SIMPLE_RUNBOOK.replace(
    "en: Looked at it}", "en: Looked at it}, proof: disk_free, parameters: {runs_on: db, path: /}"
)
TOKEN = SIMPLE_RUNBOOK.replace("steps:", "variables:\n  - {name: token, type: secret}\nsteps:").replace(
    "echo one", "cat {token_file}"
)


def test_a_host_that_only_a_check_looks_at_is_part_of_the_plan_and_of_the_gate(world: World) -> None:
    world.save_runbook(CHECKED_ELSEWHERE)
    with pytest.raises(EngineError, match="db"):
        world.draft()
    host = Host.objects.create(environment=world.environment, name="db-1", role="db", address="127.0.0.2", user="x")
    deployment = world.draft()
    assert "host_unpinned" in codes(deployment)
    Host.objects.filter(pk=host.pk).update(address="127.0.0.3")
    assert "plan_changed" in codes(deployment)


@pytest.mark.parametrize("change", [{"repository": "/srv/other.git"}, {"workspace_folder": "/srv/other"}])
def test_another_repository_or_workspace_voids_the_approval(world: World, change: dict[str, str]) -> None:
    deployment = ready(world)
    type(world.project).objects.filter(pk=world.project.pk).update(**change)
    assert codes(deployment) == ["plan_changed"]


def test_a_value_called_workspace_is_the_environments_own(world: World) -> None:
    text = SIMPLE_RUNBOOK.replace("steps:", "variables:\n  - {name: workspace}\nsteps:")
    world.save_runbook(text.replace("echo one", "echo {workspace}"))
    Variable.objects.create(environment=world.environment, name="workspace", value="/srv/mine")
    assert world.draft().plan.content["steps"][0]["lines"] == ["echo /srv/mine"]


def test_what_the_runbook_takes_for_secret_is_not_taken_from_a_plain_variable(world: World) -> None:
    world.save_runbook(TOKEN)
    Variable.objects.create(environment=world.environment, name="token", value="in-plain-text")
    with pytest.raises(EngineError, match="token") as caught:
        world.draft()
    assert "in-plain-text" not in str(caught.value)


def test_an_optional_secret_that_a_step_opens_must_be_there(world: World) -> None:
    world.save_runbook(TOKEN.replace("type: secret", "type: secret, required: false"))
    with pytest.raises(EngineError, match="token"):
        world.draft()


def test_a_plain_value_does_not_replace_a_secret_while_its_deployment_runs(client: Client, world: World) -> None:
    row = secret(world, "the-first-password")
    go(world, ready(world))
    form = {"name": row.name, "type": "string", "value": "plain"}
    assert client.post(f"/environments/{world.environment.pk}/variables", form).status_code == 400
    assert Variable.objects.get(pk=row.pk).is_secret


def test_texts_of_runbooks_are_read_only_for_those_who_may_write_them(client: Client, world: World) -> None:
    assert client.post("/runbooks/validate", {"text": "kind: deploy"}).status_code == 200
    Membership.objects.filter(user=world.requester).update(can_manage=False)
    assert client.post("/runbooks/validate", {"text": "kind: deploy"}).status_code == 403
