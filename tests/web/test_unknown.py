"""The unknown state: on every screen and in the API its own word and shape; what waits; and looking at the machine."""

import csv
import io
import json
import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from releases import lifecycle
from releases.audit import Actor
from releases.engine import attempts, decide, looking
from releases.logs.writer import LogWriter
from releases.models import Announcement, AuditEvent, Deployment, Look, Membership, User
from releases.templatetags.icons import SHAPES
from tests.factories import SIMPLE_RUNBOOK, World, client_of, make_user, make_world
from tests.web.runs import Driven, ready, running

PROBED = SIMPLE_RUNBOOK.replace('"echo one"}', '"echo one"}\n    probe: "cat /app/{version}"', 1)
WORDS = {"ko": "결과 불명", "en": "Unknown"}
# Every page that shows how a deployment or a step stands; {} are the rows' numbers.
PAGES = [
    "/",
    "/deployments/",
    "/deployments/?status=unknown",
    "/deployments/{deployment}/",
    "/deployments/{deployment}/live",
    "/deployments/{draft}/",
    "/history/",
    "/history/?status=unknown",
    "/releases/",
    "/releases/{release}/",
    "/environments/{environment}/",
    "/hosts/{host}/",
    "/audit/",
]
# Where something else is green for a reason of its own: a host that answers, checks that passed.
# What a new member has done already is ticked green, whatever runs.
WAY_IN = re.compile(r'<section class="card" aria-labelledby="first-deploy-title">.*?</section>', re.DOTALL)
GREEN = {"/hosts/{host}/", "/deployments/{draft}/"}


@pytest.fixture
def world(db: None) -> World:
    """A project whose runbook has a probe for its first step."""
    return make_world(PROBED)


@pytest.fixture
def run(world: World) -> Driven:
    """A deployment whose first step ended in a way nobody knows."""
    made = running(world)
    attempt = attempts.begin(made.step("one"), made.token, world.host)
    attempts.show_running(attempt, made.token)
    log = LogWriter(attempt, made.deployment.pk, made.token, secrets=())
    log.write(b"".join(b"\x1b[32mline %d\x1b[0m\n" % number for number in range(1, 21)))
    log.close()
    made.end(attempt, lifecycle.UNKNOWN, "reboot")
    assert made.conclude().status == lifecycle.UNKNOWN
    return made


def text_of(user: User, path: str, language: str = "en") -> str:
    answer = client_of(user, language).get(path)
    assert answer.status_code == 200, path
    body = answer.getvalue() if answer.streaming else answer.content
    return str(body.decode())


def path_of(pattern: str, world: World, run: Driven) -> str:
    rows = {"deployment": run.deployment.pk, "release": world.release.pk, "host": world.host.pk}
    rows |= {"environment": world.environment.pk, "draft": 0}
    if "{draft}" in pattern:
        rows["draft"] = ready(world).pk
    return pattern.format(**rows)


def viewer_of(world: World) -> User:
    user = make_user(f"viewer-{world.project.slug}")
    Membership.objects.create(project=world.project, user=user)
    return user


class TestEveryScreen:
    """Its own word and shape, neither green nor red."""

    @pytest.mark.parametrize("language", ["ko", "en"])
    @pytest.mark.parametrize("pattern", PAGES)
    def test_it_has_its_word_and_its_shape(self, world: World, run: Driven, pattern: str, language: str) -> None:
        html = text_of(world.requester, path_of(pattern, world, run), language)
        main = WAY_IN.sub("", html.split('id="main"')[-1])
        assert WORDS[language].lower() in main.lower()
        assert f's-unknown" viewBox="0 0 20 20" aria-hidden="true">{SHAPES["unknown"]}' in main
        for red in ("failed", "errored", "timed_out"):
            assert f"s-{red}" not in main, red
        if pattern not in GREEN:
            assert "s-succeeded" not in main

    @pytest.mark.parametrize("language", ["ko", "en"])
    def test_the_environments_card_says_it_beside_the_version(self, world: World, run: Driven, language: str) -> None:
        card = text_of(world.requester, "/", language).split('<section class="card"')[1].split("</header>")[0]
        assert 'class="badge s-unknown"' in card
        assert WORDS[language] in card and "v2.8.0" in card

    def test_the_tab_carries_it(self, world: World, run: Driven) -> None:
        html = text_of(world.requester, f"/deployments/{run.deployment.pk}/")
        assert 'href="/static/favicon/unknown.svg"' in html
        assert "<title>? 1/2 · " in html

    def test_the_flow_says_it(self, world: World, run: Driven) -> None:
        html = text_of(world.requester, f"/deployments/{run.deployment.pk}/")
        assert 'class="n-unknown"' in html
        assert "Prepare: Unknown" in html

    @pytest.mark.parametrize(("language", "word"), [("en", "not known"), ("ko", "알 수 없음")])
    def test_nobody_is_told_when_users_are_back(self, db: None, language: str, word: str) -> None:
        world = make_world(PROBED)
        made = running(world)
        made.do("one")
        made.do("two", lifecycle.UNKNOWN, "vanished")
        Deployment.objects.filter(pk=made.deployment.pk).update(downtime_opened_at=timezone.now())
        made.conclude()
        html = text_of(world.requester, f"/deployments/{made.deployment.pk}/", language)
        assert f"<b>{word}</b>" in html.split('class="sm opens"')[1].split("</p>")[0]

    @pytest.mark.parametrize("language", ["ko", "en"])
    def test_the_audit_log_gives_the_reason_in_words(self, world: World, run: Driven, language: str) -> None:
        html = text_of(world.requester, "/audit/", language)
        said = {"ko": "실행 중에 호스트가 다시 시작되었습니다.", "en": "The machine was restarted while it ran."}
        assert said[language] in html
        assert ": reboot" not in html

    def test_the_public_page_announces_no_end(self, world: World, run: Driven) -> None:
        Announcement.objects.create(
            environment=world.environment, deployment=run.deployment, title_ko="점검", title_en="M", state="in_progress"
        )
        html = Client().get(f"/announcements/{world.project.slug}/").content.decode()
        main = html.split("<main")[1]
        assert "ann s-" in main
        assert "ann s-succeeded" not in main
        assert "s-failed" not in main

    def test_exports_name_it(self, world: World, run: Driven) -> None:
        (row,) = csv.DictReader(io.StringIO(text_of(world.requester, "/history/?format=csv").removeprefix("\ufeff")))
        assert row["outcome"] == "unknown"
        (entry,) = json.loads(text_of(world.requester, "/history/?format=json"))
        assert (entry["outcome"], entry["finished_at"]) == ("unknown", None)


class TestApi:
    """The same word, stated in the description."""

    def get(self, world: World, path: str) -> Any:
        return client_of(world.requester).get(f"/api{path}").json()

    def test_lists_and_rows_say_it(self, world: World, run: Driven) -> None:
        (listed,) = self.get(world, "/deployments")["items"]
        assert listed["status"] == "unknown"
        found = self.get(world, f"/deployments/{run.deployment.pk}")
        assert found["status"] == "unknown"
        assert [step["status"] for step in found["steps"]] == ["unknown", "pending"]
        step = found["steps"][0]
        assert (step["reason"], step["finished_at"], step["attempts"][0]["status"]) == ("reboot", None, "unknown")
        assert (step["probe"], step["look"]) == (["cat /app/v2.8.0"], None)

    def test_the_description_lists_it(self, world: World) -> None:
        schemas = self.get(world, "/openapi.json")["components"]["schemas"]
        for name in ("DeploymentOut", "DeploymentDetailOut", "StepOut", "AttemptOut"):
            status = schemas[name]["properties"]["status"]
            assert "unknown" in status["enum"]
            assert "neither a success nor a failure" in status["description"]


class TestWhatWaits:
    """Later steps and the environment, through the pages and the API."""

    def test_a_second_start_is_refused_by_the_page(self, world: World, run: Driven) -> None:
        draft = ready(world)
        html = text_of(world.requester, f"/deployments/{draft.pk}/")
        assert "The outcome of another deployment is unknown" in html
        assert f"#{run.deployment.pk} holds 운영" in html
        data = {"digest": draft.plan.digest, "confirm_name": "운영"}
        answer = client_of(world.requester).post(f"/deployments/{draft.pk}/start", data)
        assert answer.status_code == 409
        assert "a person must decide" in answer.content.decode()
        draft.refresh_from_db()
        assert draft.status == lifecycle.DRAFT

    def test_a_second_start_is_refused_by_the_api(self, world: World, run: Driven) -> None:
        draft = ready(world)
        answer = client_of(world.requester).post(
            f"/api/deployments/{draft.pk}/start", {"digest": draft.plan.digest}, content_type="application/json"
        )
        assert answer.status_code == 409
        (blocker,) = answer.json()["blockers"]
        assert (blocker["code"], blocker["state"], blocker["target"]) == ("active", "unknown", run.deployment.pk)
        assert "a person must decide" in blocker["detail"]
        draft.refresh_from_db()
        assert draft.status == lifecycle.DRAFT

    def test_it_is_not_cancelled_before_somebody_says_how_it_ended(self, world: World, run: Driven) -> None:
        client = client_of(world.requester)
        assert 'data-dialog="ask-cancel"' not in text_of(world.requester, f"/deployments/{run.deployment.pk}/")
        assert client.post(f"/deployments/{run.deployment.pk}/cancel").status_code == 409
        assert client.post(f"/api/deployments/{run.deployment.pk}/cancel").status_code == 409
        assert Deployment.objects.get(pk=run.deployment.pk).status == lifecycle.UNKNOWN

    def test_the_page_says_what_waits(self, world: World, run: Driven) -> None:
        html = text_of(world.requester, f"/deployments/{run.deployment.pk}/")
        assert "Later steps wait, and the environment stays held by this deployment." in html
        assert "deployments/" in text_of(world.requester, f"/environments/{world.environment.pk}/")
        assert run.step("two").status == lifecycle.PENDING


def look_at(run: Driven, user: User, **found: Any) -> Look:
    """A look that ended like this."""
    look = looking.ask(run.step("one"), user, Actor(user))
    values = {"ending": "exited", "began_at": timezone.now(), "ended_at": timezone.now()} | found
    Look.objects.filter(pk=look.pk).update(**values)
    return Look.objects.get(pk=look.pk)


class TestLook:
    """The button, its limits, and what everybody sees."""

    def page(self, user: User, run: Driven, language: str = "en") -> str:
        return text_of(user, f"/deployments/{run.deployment.pk}/", language)

    def look(self, user: User, run: Driven, **headers: str) -> Any:
        return client_of(user).post(f"/steps/{run.step('one').pk}/look", headers=headers)

    def test_what_is_known_stands_before_the_question(self, world: World, run: Driven) -> None:
        html = self.page(world.requester, run)
        panel = html[html.index('class="ask s-unknown"') :]
        order = [
            "The machine was restarted while it ran.",
            "line 20",
            "Look now",
            "cat /app/v2.8.0",
            'value="run_again"',
        ]
        places = [panel.index(text) for text in order]
        assert places == sorted(places)
        assert "line 14\n" not in panel.split("</pre>")[0]

    def test_pressing_it_asks_a_worker_and_is_audited(self, world: World, run: Driven) -> None:
        assert self.look(world.requester, run).status_code == 302
        (look,) = Look.objects.all()
        assert (look.asked_by, look.attempt.step_id, look.host_name) == (world.requester, run.step("one").pk, "prod-1")
        assert AuditEvent.objects.filter(action="step.look", actor=world.requester).count() == 1
        html = self.page(world.approver, run)
        assert "Looking" in html
        assert "1 One was looked at" in html
        assert run.step("one").status == lifecycle.UNKNOWN

    def test_a_script_gets_no_page(self, world: World, run: Driven) -> None:
        assert self.look(world.requester, run, hx_request="true").status_code == 204

    def test_a_second_press_is_refused_with_the_reason(self, world: World, run: Driven) -> None:
        self.look(world.requester, run)
        answer = self.look(world.approver, run)
        assert answer.status_code == 409
        assert "Somebody is looking at this moment" in answer.content.decode()
        assert Look.objects.count() == 1

    def test_who_may_not_operate_sees_but_has_no_button(self, world: World, run: Driven) -> None:
        viewer = viewer_of(world)
        look_at(run, world.requester, exit_code=0, output="v2.7.0\n")
        html = self.page(viewer, run)
        assert "v2.7.0" in html
        assert f"/steps/{run.step('one').pk}/look" not in html
        assert self.look(viewer, run).status_code == 403
        assert self.look(world.outsider, run).status_code == 404

    @pytest.mark.parametrize("language", ["ko", "en"])
    @pytest.mark.parametrize(
        ("found", "words"),
        [
            ({"exit_code": 3, "output": "<b>v2.7.0</b>\n"}, {"en": "exit code 3", "ko": "종료 코드 3"}),
            ({"exit_code": 0, "output": ""}, {"en": "It printed nothing.", "ko": "출력이 없습니다."}),
            ({"exit_code": 0, "output": "x", "is_cut": True}, {"en": "first 64 KB", "ko": "64 KB만"}),
            ({"ending": "unreachable", "problem": "no way"}, {"en": "Not reachable", "ko": "연결 불가"}),
            ({"ending": "timed_out", "problem": "too long"}, {"en": "Took too long", "ko": "시간 초과"}),
            ({"ending": "impossible", "problem": "no key"}, {"en": "Could not look", "ko": "살펴볼 수 없음"}),
        ],
    )
    def test_each_ending_is_said(
        self, world: World, run: Driven, found: dict[str, Any], words: dict[str, str], language: str
    ) -> None:
        look_at(run, world.requester, **found)
        html = self.page(world.approver, run, language)
        panel = html[html.index('class="look"') :].split("</section>")[0]
        assert words[language] in panel
        assert "김민준" in panel
        assert found.get("problem", "") in panel
        assert "<b>v2.7.0" not in panel
        assert "s-failed" not in panel and "s-succeeded" not in panel  # it says nothing of the step's own end

    def test_the_api_asks_and_tells(self, world: World, run: Driven) -> None:
        client, path = client_of(world.requester), f"/api/steps/{run.step('one').pk}/look"
        answer = client.post(path)
        assert answer.status_code == 202
        assert (answer.json()["ending"], answer.json()["asked_by"]) == ("", "김민준")
        assert client.post(path).status_code == 409
        Look.objects.update(ending="exited", exit_code=0, output="v2.7.0\n", ended_at=timezone.now())
        (step, _later) = client.get(f"/api/deployments/{run.deployment.pk}").json()["steps"]
        assert (step["status"], step["look"]["exit_code"], step["look"]["output"]) == ("unknown", 0, "v2.7.0\n")

    def test_a_step_without_a_probe_says_that_the_runbook_may_have_one(self, db: None) -> None:
        world = make_world()
        run = running(world)
        run.do("one", lifecycle.UNKNOWN, "vanished")
        run.conclude()
        html = self.page(world.requester, run)
        assert "The runbook gives this step no probe command." in html
        assert "Look now" not in html
        assert self.look(world.requester, run).status_code == 409
        assert client_of(world.requester).post(f"/api/steps/{run.step('one').pk}/look").status_code == 409

    def test_after_the_decision_it_can_still_be_read(self, world: World, run: Driven) -> None:
        look_at(run, world.requester, exit_code=0, output="v2.7.0\n")
        decide.resolve(run.step("one"), Actor(world.requester), "worked", "saw it")
        html = self.page(world.requester, run)
        assert "What was seen while its outcome was unknown" in html
        assert "v2.7.0" in html
        assert self.look(world.requester, run).status_code == 409

    def test_the_plan_shows_the_probe_before_anybody_approves(self, world: World) -> None:
        html = text_of(world.approver, f"/deployments/{world.draft().pk}/")
        assert "looks when unknown" in html
        assert "cat /app/v2.8.0" in html

    def test_another_probe_is_another_plan(self, world: World) -> None:
        before = world.draft().plan.digest
        world.save_runbook(PROBED.replace("cat /app/", "ls /app/"))
        assert world.draft().plan.digest != before
