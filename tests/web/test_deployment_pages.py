"""The page of a deployment: every state, who sees which buttons, what a refused POST says, how many queries."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from releases import lifecycle, secrets
from releases.audit import Actor
from releases.engine import consent, decide, prepare
from releases.models import Deployment, Membership, Probe, Service, User, Variable
from tests.factories import World, client_of, make_user, make_world
from tests.web.runs import ready, running

MANUAL = """
kind: deploy
title: {ko: 사람, en: Person}
steps:
  - {key: ask, title: {ko: 확인, en: Look}, role: DevOps, phase: verify, action: manual, estimate: 60,
     runs_on: controller, parameters: {instructions: {ko: 화면을 보세요, en: Look at the screen}, allow_file: true}}
"""


def page(user: User, deployment: Deployment, name: str = "deployment", language: str = "en") -> str:
    response = client_of(user, language).get(reverse(f"releases:{name}", args=[deployment.pk]))
    assert response.status_code == 200
    return str(response.content.decode())


def viewer_of(world: World) -> User:
    user = make_user(f"viewer-{world.project.slug}")
    Membership.objects.create(project=world.project, user=user)
    return user


class TestDraft:
    """May it start, and if not, why."""

    def test_it_lists_the_reasons_with_their_buttons(self, world: World) -> None:
        html = page(world.requester, world.draft())
        assert "Not ticked: Looked at it" in html
        assert 'href="#check-looked"' in html
        assert "1 approval missing" in html
        assert 'disabled aria-describedby="reasons"' in html

    def test_it_shows_every_command_filled_in(self, world: World) -> None:
        html = page(world.requester, world.draft())
        assert "echo one" in html
        assert "echo two v2.8.0" in html

    def test_a_draft_without_reasons_can_be_started(self, world: World) -> None:
        html = page(world.requester, ready(world))
        assert "Nothing is in the way" in html
        assert "disabled" not in html.split('id="start"')[1]
        assert 'data-expected="운영"' in html

    def test_the_requester_is_told_why_they_may_not_approve(self, world: World) -> None:
        deployment = world.draft()
        html = page(world.requester, deployment)
        assert "Whoever asked for a deployment may not approve it" in html
        assert reverse("releases:approve", args=[deployment.pk]) not in html
        assert reverse("releases:approve", args=[deployment.pk]) in page(world.approver, deployment)

    def test_void_ticks_and_approvals_are_shown_as_void(self, world: World) -> None:
        deployment = ready(world)
        world.save_runbook(world.runbook.latest().text.replace("echo one", "echo 1"))
        assert "The plan is out of date" in page(world.requester, deployment)
        prepare.rebuild(deployment, Actor(world.requester))
        html = page(world.requester, deployment)
        assert html.count("Void: the plan changed") == 2

    def test_it_shows_a_failed_and_a_running_proof(self, world: World) -> None:
        deployment = world.draft()
        item = deployment.checklist.get()
        deployment.checklist.update(check_kind="git_ref")
        consent.record_proof(item, Actor(world.requester), deployment.plan.digest, False, [], "no such commit")
        assert "no such commit" in page(world.requester, deployment)
        item.refresh_from_db()
        consent.proof_begins(item)
        assert "being checked" in page(world.requester, deployment)

    def test_it_shows_what_changed_since_the_last_run(self, world: World) -> None:
        run = running(world)
        run.do("one")
        run.do("two")
        run.conclude()
        world.save_runbook(world.runbook.latest().text.replace("echo one", "echo 1"))
        html = page(world.requester, world.draft())
        assert f">#{run.deployment.pk}</a>" in html
        assert "<span>echo one</span>" in html
        assert "<span>echo 1</span>" in html

    def test_a_draft_put_away_offers_nothing(self, world: World) -> None:
        deployment = world.draft()
        decide.cancel(deployment, Actor(world.requester))
        html = page(world.requester, deployment)
        assert "Put away" in html
        assert reverse("releases:start", args=[deployment.pk]) not in html


class TestStart:
    """The server decides, whatever the page showed."""

    def post(self, user: User, deployment: Deployment, **data: str) -> tuple[int, str]:
        values = {"digest": deployment.plan.digest, "confirm_name": deployment.environment.name} | data
        response = client_of(user).post(reverse("releases:start", args=[deployment.pk]), values)
        deployment.refresh_from_db()
        return response.status_code, response.content.decode()

    def test_a_forged_start_is_refused_with_the_same_reasons(self, world: World) -> None:
        deployment = world.draft()
        status, html = self.post(world.requester, deployment)
        assert status == 409
        assert "Not ticked: Looked at it" in html
        assert "1 approval missing" in html
        assert deployment.status == lifecycle.DRAFT
        assert not deployment.events.filter(action="deployment.start").exists()

    def test_a_wrong_name_is_refused(self, world: World) -> None:
        deployment = ready(world)
        status, html = self.post(world.requester, deployment, confirm_name="staging")
        assert status == 409
        assert "운영" in html
        assert deployment.status == lifecycle.DRAFT

    def test_a_stale_tab_is_refused(self, world: World) -> None:
        deployment = ready(world)
        status, html = self.post(world.requester, deployment, digest="0" * 64)
        assert status == 409
        assert "read it again" in html
        assert deployment.status == lifecycle.DRAFT

    def test_a_double_click_starts_once(self, world: World) -> None:
        deployment = ready(world)
        assert self.post(world.requester, deployment)[0] == 302
        assert self.post(world.requester, deployment)[0] == 409
        assert deployment.status == lifecycle.RUNNING
        assert deployment.events.filter(action="deployment.start").count() == 1

    def test_a_viewer_and_an_outsider_may_not(self, world: World) -> None:
        deployment = ready(world)
        assert self.post(viewer_of(world), deployment)[0] == 403
        assert self.post(world.outsider, deployment)[0] == 404
        assert deployment.status == lifecycle.DRAFT


class TestRun:
    """Every state of a started one, in both languages."""

    def test_running(self, world: World) -> None:
        run = running(world)
        attempt = run.begin("one")
        html = page(world.requester, run.deployment)
        assert "1 One" in html
        assert f'id="log-{attempt.pk}"' in html
        assert '<details id="step-one-details" open>' in html
        assert 'data-dialog="ask-cancel"' in html
        assert "favicon/running.svg" in html
        assert "▶ 1/2" in html
        assert "하나" in page(world.requester, run.deployment, language="ko")

    def test_two_attempts_are_told_apart(self, world: World) -> None:
        run = running(world)
        run.do("one", lifecycle.FAILED, "Exit code 1.", exit_code=1)
        run.conclude()
        decide.retry(run.step("one"), Actor(world.requester))
        second = run.do("one")
        html = page(world.requester, run.deployment)
        assert "#1 failed · #2 succeeded" in html
        assert html.index(f'id="log-{second.pk}"') < html.index("Log of attempt 1")

    @pytest.mark.parametrize("status", [lifecycle.FAILED, lifecycle.ERRORED, lifecycle.TIMED_OUT])
    def test_stopped(self, world: World, status: str) -> None:
        run = running(world)
        run.do("one", status, "It broke here.")
        assert run.conclude().status in lifecycle.STOPPED
        for language in ("en", "ko"):
            html = page(world.requester, run.deployment, language=language)
            assert "It broke here." in html
            assert reverse("releases:retry", args=[run.step("one").pk]) in html
            assert f'class="ask s-{status}"' in html
            assert 'data-dialog="ask-cancel"' not in html

    def test_unknown(self, world: World) -> None:
        run = running(world)
        run.do("one", lifecycle.UNKNOWN, "vanished")
        assert run.conclude().status == lifecycle.UNKNOWN
        html = page(world.requester, run.deployment)
        assert "Its process is gone and left no exit code." in html
        assert 'name="decision" value="run_again"' in html
        assert 'class="step s-unknown' in html

    def test_lost(self, world: World) -> None:
        from releases.engine import attempts

        run = running(world)
        attempt = run.begin("one")
        attempts.show_lost(attempt, run.token, "prod-1 does not answer.", timedelta(seconds=20))
        attempt.refresh_from_db()
        html = page(world.requester, run.deployment)
        assert 'class="step s-lost' in html
        assert "prod-1 does not answer." in html
        seen = world.environment.local(attempt.last_seen_at)
        assert f"last heard of at {seen:%H:%M:%S}" in html

    def test_waiting(self, db: None) -> None:
        world = make_world(MANUAL)
        run = running(world)
        run.begin("ask", lifecycle.WAITING)
        assert run.conclude().status == lifecycle.WAITING
        html = page(world.requester, run.deployment)
        assert "Look at the screen" in html
        assert 'type="file"' in html
        assert "화면을 보세요" in page(world.requester, run.deployment, language="ko")

    def test_cancelled(self, world: World) -> None:
        run = running(world)
        attempt = run.begin("one")
        decide.cancel(run.deployment, Actor(world.requester))
        run.end(attempt, lifecycle.CANCELLED, "Cancelled; its processes were ended.")
        assert run.conclude().status == lifecycle.CANCELLED
        html = page(world.requester, run.deployment)
        assert "Cancelled by" in html
        assert "favicon/cancelled.svg" in html

    def test_succeeded(self, world: World) -> None:
        run = running(world)
        run.do("one", evidence={"size": 84_200_000, "sha256": "ab" * 32})
        run.do("two")
        assert run.conclude().status == lifecycle.SUCCEEDED
        html = page(world.requester, run.deployment)
        assert "84.2 MB · SHA-256 checked" in html
        assert "2 / 2" in html
        assert "All steps are done" in html
        assert "data-clock=" not in html.split('id="live"')[1]

    def test_a_failed_verification_turns_the_flow_to_the_emergency(self, db: None) -> None:
        world = make_world(MANUAL)
        run = running(world)
        attempt = run.begin("ask", lifecycle.WAITING)
        assert "edge alt hot" not in page(world.requester, run.deployment)
        decide.confirm(run.step("ask"), Actor(world.requester), False, "white screen", [])
        attempt.refresh_from_db()
        run.conclude()
        html = page(world.requester, run.deployment)
        assert "edge alt hot" in html
        assert "white screen" in html

    def test_the_live_part_is_the_same_without_the_frame(self, world: World) -> None:
        run = running(world)
        html = page(world.requester, run.deployment, "live")
        run.deployment.refresh_from_db()
        assert html.strip().startswith('<div id="live"')
        assert f'data-version="{run.deployment.version}"' in html
        assert f'data-cursor="{run.deployment.version}' in html
        assert "<nav" not in html


class TestWhoMay:
    """Rights, on the page and behind it."""

    def test_other_projects_people_get_404(self, world: World) -> None:
        for deployment in (world.draft(), running(world).deployment):
            for name in ("deployment", "live"):
                address = reverse(f"releases:{name}", args=[deployment.pk])
                assert client_of(world.outsider).get(address).status_code == 404

    def test_a_viewer_sees_no_button_that_acts(self, world: World) -> None:
        viewer = viewer_of(world)
        run = running(world)
        run.do("one", lifecycle.FAILED, "no")
        for deployment in (world.draft(), run.conclude()):
            html = page(viewer, deployment).split('id="live"')[1].split("</main>")[0]
            assert 'method="post"' not in html
            assert "data-dialog=" not in html

    @pytest.mark.parametrize("verb", ["retry", "skip", "confirm", "resolve"])
    def test_a_viewer_may_not_decide(self, world: World, verb: str) -> None:
        run = running(world)
        run.do("one", lifecycle.FAILED, "no")
        run.conclude()
        address = reverse(f"releases:{verb}", args=[run.step("one").pk])
        assert client_of(viewer_of(world)).post(address, {"reason": "x"}).status_code == 403
        assert run.step("one").status == lifecycle.FAILED

    def test_a_decision_about_an_older_attempt_is_refused(self, world: World) -> None:
        run = running(world)
        first = run.do("one", lifecycle.FAILED, "no")
        run.conclude()
        decide.retry(run.step("one"), Actor(world.requester))
        run.do("one", lifecycle.FAILED, "no again")
        run.conclude()
        address = reverse("releases:skip", args=[run.step("one").pk])
        answer = client_of(world.requester).post(address, {"reason": "old news", "version": first.pk})
        assert answer.status_code == 409
        assert run.step("one").status == lifecycle.FAILED

    def test_the_forms_field_names_reach_the_engine(self, world: World) -> None:
        run = running(world)
        attempt = run.do("one", lifecycle.UNKNOWN, "vanished")
        run.conclude()
        address = reverse("releases:resolve", args=[run.step("one").pk])
        data = {"decision": "succeeded", "reason": "I looked", "version": attempt.pk}
        client = client_of(world.requester)
        assert client.post(address, data | {"decision": "perhaps"}).status_code == 409
        assert client.post(address, data).status_code == 302
        assert run.step("one").status == lifecycle.SUCCEEDED

    def test_a_secret_never_shows(self, world: World) -> None:
        value = "s3cret-of-this-test"
        Variable.objects.create(
            environment=world.environment, name="token", is_secret=True, ciphertext=secrets.seal(value)
        )
        text = world.runbook.latest().text.replace("echo one", "curl -H @{token_file} http://x")
        world.save_runbook(text.replace("steps:", "variables:\n  - {name: token, type: secret}\nsteps:", 1))
        run = running(world)
        run.do("one")
        for deployment in (world.draft(), run.deployment):
            for name in ("deployment", "live"):
                assert value not in page(world.requester, deployment, name)


def long_runbook(count: int) -> str:
    steps = [
        f"  - {{key: s{n}, title: {{ko: 단계 {n}, en: Step {n}}}, role: DevOps, phase: prepare, action: shell,"
        f" runs_on: app, estimate: 60, parameters: {{command: 'echo {n}'}}}}"
        for n in range(count)
    ]
    return "\n".join(["kind: deploy", "title: {ko: 긴 것, en: Long}", "steps:", *steps])


def check_queries(world: World, deployment: Deployment, check: DjangoAssertNumQueries, exactly: int) -> None:
    client = client_of(world.requester)
    address = reverse("releases:deployment", args=[deployment.pk])
    with check(exactly):
        client.get(address)


@pytest.mark.parametrize("count", [14, 60])
def test_the_queries_do_not_grow_with_the_steps(
    db: None, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    world = make_world(long_runbook(count))
    for n in range(count // 7):
        service = Service.objects.create(project=world.project, key=f"s{n}", name=f"S{n}", kind="backend")
        Probe.objects.create(environment=world.environment, service=service, url=f"http://127.0.0.1:{9000 + n}/")
    run = running(world)
    for n in range(count // 2):
        run.do(f"s{n}")
    check_queries(world, run.deployment, django_assert_num_queries, 25)
    check_queries(world, world.draft(), django_assert_num_queries, 33)


class TestListAndNew:
    """The list, and making a draft."""

    def test_the_list_shows_ones_own_and_filters(self, world: World) -> None:
        draft, run = world.draft(), running(world)
        other = make_world().draft()
        address = reverse("releases:deployments")
        html = client_of(world.requester).get(address).content.decode()
        assert f">#{draft.pk}<" in html
        assert f">#{other.pk}<" not in html
        html = client_of(world.requester).get(address, {"status": "running"}).content.decode()
        assert f">#{run.deployment.pk}<" in html
        assert f">#{draft.pk}<" not in html

    def test_the_form_makes_one_draft_however_often_it_is_sent(self, world: World) -> None:
        client = client_of(world.requester)
        address = reverse("releases:new_deployment")
        form = client.get(address).context["form"]
        data = {
            "release": world.release.pk,
            "environment": world.environment.pk,
            "idempotency_key": form["idempotency_key"].value(),
        }
        first, second = client.post(address, data), client.post(address, data)
        assert first.status_code == 302
        assert first["Location"] == second["Location"]
        assert Deployment.objects.filter(environment=world.environment).count() == 1

    def test_what_is_missing_is_said_at_the_field(self, world: World) -> None:
        world.save_runbook(world.runbook.latest().text.replace("steps:", "variables:\n  - {name: db_name}\nsteps:", 1))
        data = {"release": world.release.pk, "environment": world.environment.pk, "idempotency_key": "k" * 32}
        response = client_of(world.requester).post(reverse("releases:new_deployment"), data)
        assert response.status_code == 422
        assert "db_name" in str(response.context["form"].errors["environment"])
        assert not Deployment.objects.filter(environment=world.environment).exists()

    def test_a_viewer_may_not_and_other_projects_are_no_choice(self, world: World) -> None:
        address = reverse("releases:new_deployment")
        data = {"release": world.release.pk, "environment": world.environment.pk, "idempotency_key": "k" * 32}
        assert client_of(viewer_of(world)).post(address, data).status_code == 403
        stranger = make_world()
        assert client_of(stranger.requester).post(address, data).status_code == 422
        assert not Deployment.objects.filter(environment=world.environment).exists()

    def test_the_list_has_a_fixed_number_of_queries(
        self, world: World, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        client, address = client_of(world.requester), reverse("releases:deployments")
        for _round in range(2):
            for _draft in range(3):
                world.draft()
            with django_assert_num_queries(10):
                client.get(address)


def test_started_at_is_shown_in_the_environments_zone(world: World) -> None:
    run = running(world)
    started = run.deployment.started_at
    assert started is not None
    assert f"{world.environment.local(started):%H:%M:%S}" in page(world.requester, run.deployment)
    assert timezone.is_aware(started)
