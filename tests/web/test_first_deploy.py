"""A new member's checklist: each line is true by itself, and what a person says of themselves needs no right."""

import pytest
from django.test import Client
from django.utils import timezone, translation

from releases.audit import Actor
from releases.engine import consent
from releases.models import AuditEvent, Deployment, Environment, Host, Membership, Reading, Runbook
from releases.views.first_deploy import for_dashboard, items
from tests.factories import SIMPLE_RUNBOOK, World, make_user, save_version


@pytest.fixture
def newcomer(world: World):
    back = Runbook.objects.create(project=world.project, key="back", name="롤백", kind="rollback")
    save_version(back, SIMPLE_RUNBOOK.replace("kind: deploy", "kind: rollback"))
    world.environment.rollback_runbook = back
    world.environment.save()
    user = make_user("newcomer")
    Membership.objects.create(project=world.project, user=user, can_operate=True, can_approve=True)
    return user


@pytest.fixture
def client(newcomer) -> Client:
    made = Client(HTTP_HOST="localhost")
    made.cookies.load({"django_language": "en"})
    made.force_login(newcomer)
    return made


def done(user, world: World) -> list[str]:
    user.refresh_from_db()
    with translation.override("en"):
        return [item.title for item in items(user, world.project) if item.done]


def test_each_line_ticks_itself(client: Client, newcomer, world: World) -> None:
    Host.objects.update(last_check_ok=False)
    assert done(newcomer, world) == ["Log in"]
    client.post("/i18n/setlang/", {"language": "en"})
    assert done(newcomer, world)[-1] == "Choose your language"
    client.post(f"/runbook-versions/{world.runbook.versions.get().pk}/read")
    assert done(newcomer, world)[-1] == "Read the deploy procedure"
    Host.objects.update(last_check_ok=True)
    assert done(newcomer, world)[-1] == "The hosts can be reached"
    staging = Environment.objects.create(project=world.project, key="staging", name="스테이징", runbook=world.runbook)
    rehearsal = world.draft()
    Deployment.objects.filter(pk=rehearsal.pk).update(
        environment=staging, started_by=newcomer, status="succeeded", started_at=timezone.now()
    )
    assert done(newcomer, world)[-1] == "Rehearse on staging"
    draft = world.draft()
    consent.approve(draft, newcomer, Actor(newcomer), draft.plan.digest)
    assert done(newcomer, world)[-1] == "Approve a deployment"
    assert "Your first deployment" in client.get("/").content.decode()
    client.post(f"/runbook-versions/{world.environment.rollback_runbook.versions.get().pk}/read")
    assert len(done(newcomer, world)) == len(items(newcomer, world.project)) == 7
    assert "first-deploy-title" not in client.get("/").content.decode()


def test_a_new_text_wants_to_be_read_again(client: Client, newcomer, world: World) -> None:
    client.post(f"/runbook-versions/{world.runbook.versions.get().pk}/read")
    world.save_runbook(SIMPLE_RUNBOOK.replace("echo one", "echo other"))
    assert "Read the deploy procedure" not in done(newcomer, world)


def test_what_was_read_is_kept_once(client: Client, newcomer, world: World) -> None:
    version = world.runbook.versions.get()
    for _time in range(2):
        assert client.post(f"/runbook-versions/{version.pk}/read").status_code == 302
    assert Reading.objects.get().user == newcomer
    assert AuditEvent.objects.filter(action="runbook.read").count() == 1


def test_it_is_put_away(client: Client, newcomer, world: World) -> None:
    assert "first-deploy-title" in client.get("/").content.decode()
    assert client.post(f"/projects/{world.project.pk}/first-deploy/close").status_code == 302
    assert "first-deploy-title" not in client.get("/").content.decode()
    assert "Choose your language" in client.get(f"/projects/{world.project.pk}/first-deploy").content.decode()
    assert AuditEvent.objects.get(action="onboarding.close").actor == newcomer


def test_a_viewer_is_not_sent_where_they_may_not_go(world: World) -> None:
    viewer = make_user("viewer")
    Membership.objects.create(project=world.project, user=viewer)
    with translation.override("en"):
        titles = [item.title for item in items(viewer, world.project)]
    assert "Log in" in titles
    assert "Rehearse on staging" not in titles
    assert "Approve a deployment" not in titles


def test_queries_do_not_grow_with_projects_and_deployments(
    client: Client, newcomer, world: World, django_assert_max_num_queries
) -> None:
    address = f"/projects/{world.project.pk}/first-deploy"
    client.get(address)
    with django_assert_max_num_queries(22) as one:
        client.get(address)
    for _number in range(5):
        world.draft()
    with django_assert_max_num_queries(len(one.captured_queries)):
        client.get(address)


def test_a_viewers_dashboard_offers_no_way_to_a_deployment(world: World) -> None:
    viewer = make_user(f"looks-{world.project.slug}")
    Membership.objects.create(project=world.project, user=viewer)
    assert for_dashboard(viewer) is None
    Membership.objects.filter(user=viewer).update(can_approve=True)
    assert for_dashboard(viewer) is not None
