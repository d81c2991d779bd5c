"""Thresholds: counted from rows, put on record once, fed by people and by an address, complaints with them."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from releases.engine import thresholds as watching
from releases.engine import user_reports
from releases.engine.errors import Conflict
from releases.insights import active_users, crossing_words, thresholds
from releases.models import (
    ActiveUsers,
    ActiveUsersSource,
    AuditEvent,
    Complaint,
    Delivery,
    Deployment,
    Host,
    Membership,
    Outage,
    Threshold,
    ThresholdCrossing,
)
from releases.views.insights_thresholds import ComplaintForm
from tests.factories import World, make_user, make_world
from tests.web.insights_past import make_past
from tests.web.notices import channel
from tests.web.test_failure_events import events_by_hand
from tests.web.test_insights_numbers import raw
from tests.web.test_insights_pages import text_of


@pytest.fixture
def reader(client: Client, world: World) -> Client:
    client.force_login(world.requester)
    client.cookies["django_language"] = "en"
    return client


def values(world: World, now: datetime) -> dict[str, int | None]:
    return {reading.rule.value: reading.value for reading in thresholds.readings(world.project, now)}


@pytest.mark.parametrize("seed", [4, 5])
def test_counts_agree_with_sql(world: World, seed: int) -> None:
    past = make_past(world, seed)
    for days in range(0, 390, 30):
        now = past.now - timedelta(days=days)
        found = values(world, now)
        (week,) = raw(
            """SELECT count(*) AS n FROM releases_deployment d, releases_environment e WHERE e.id = d.environment_id
            AND e.is_production AND e.project_id = %s AND d.kind = 'deploy'
            AND d.started_at <= %s AND d.started_at > %s""",
            world.project.pk, now, now - timedelta(days=7),
        )  # fmt: skip
        events = events_by_hand(world, now)
        assert set(thresholds.failures(world.project, now).values_list("pk", flat=True)) == events
        assert (found["deploys"], found["failures"]) == (week["n"], len(events))


def test_a_machine_counts_once_and_staging_does_not(world: World) -> None:
    now = datetime.now(UTC)
    assert values(world, now)["hosts"] == 1
    Host.objects.create(environment=world.environment, name="same", role="db", address="127.0.0.1", user="deploy")
    assert values(world, now)["hosts"] == 1
    Host.objects.create(environment=world.environment, name="other", role="ai", address="127.0.0.2", user="deploy")
    assert values(world, now)["hosts"] == 2


def test_a_crossing_is_one_row_with_one_event(world: World) -> None:
    user_reports.enter_users(world.project, 999, world.requester, _actor(world))
    assert watching.watch(datetime.now(UTC)) == []
    user_reports.enter_users(world.project, 1000, world.requester, _actor(world))
    (row,) = watching.watch(datetime.now(UTC))
    assert (row.rule, row.value) == (Threshold.USERS, 1000)
    user_reports.enter_users(world.project, 3, world.requester, _actor(world))
    watching.watch(datetime.now(UTC))
    user_reports.enter_users(world.project, 5000, world.requester, _actor(world))
    assert watching.watch(datetime.now(UTC)) == []
    assert ThresholdCrossing.objects.get().value == 1000
    event = AuditEvent.objects.get(action="threshold.cross")
    assert event.project == world.project
    assert event.detail == {"rule": "users", "value": 1000}


def test_the_team_is_told_once_of_a_crossing(world: World) -> None:
    listening = channel(world, events=["team"], audience="team")
    user_reports.enter_users(world.project, 1234, world.requester, _actor(world))
    watching.watch(datetime.now(UTC))
    watching.watch(datetime.now(UTC))
    told = Delivery.objects.get()
    assert told.channel == listening
    assert told.notice.link == f"/insights/thresholds?project={world.project.pk}"
    assert "1234" in told.notice.text_en


def test_the_news_of_a_crossing_is_in_both_languages(world: World) -> None:
    user_reports.enter_users(world.project, 1234, world.requester, _actor(world))
    (row,) = watching.watch(datetime.now(UTC))
    found = crossing_words.said(row)
    assert found.subject["ko"] == "Moyeobab: 임계점 도달 - 월간 활성 사용자 1,000명 이상 도달"
    assert "1,000 monthly active users or more reached" in found.subject["en"]
    assert "1234" in found.text["ko"] and "1234" in found.text["en"]


def test_each_rule_is_crossed_on_its_own(world: World) -> None:
    now = datetime.now(UTC)
    for number in range(2):
        row = world.draft(key=f"key-{number}-long")
        Deployment.objects.filter(pk=row.pk).update(status="failed", started_at=now, finished_at=now)
    assert {row.rule for row in watching.watch(now + timedelta(seconds=1))} == {"deploys", "failures"}
    _complain(world, "It was down for an hour")
    assert [row.rule for row in watching.watch(now + timedelta(seconds=2))] == ["complaints"]


def test_a_withdrawn_complaint_counts_no_more_and_stays(reader: Client, world: World) -> None:
    made = _complain(world, "slow")
    path = reverse("releases:withdraw_complaint", args=[made.pk])
    assert reader.post(path).status_code == 302
    assert values(world, datetime.now(UTC))["complaints"] == 0
    assert "slow withdrawn" in text_of(reader.get(reverse("releases:insights_thresholds")))
    assert reader.post(path).status_code == 409
    with pytest.raises(Conflict):
        user_reports.withdraw(made, world.requester, _actor(world))


def test_the_page_says_the_seed_words(client: Client, world: World) -> None:
    client.force_login(world.requester)
    client.cookies["django_language"] = "ko"
    words = text_of(client.get(reverse("releases:insights_thresholds")))
    for line in (
        "주 2회 이상 배포 빈도",
        "월간 활성 사용자 1,000명 이상 도달",
        "서버 대수 2대 이상 증가",
        "배포 실패 또는 롤백 발생 횟수 월 2회 이상",
        "다운타임으로 인한 사용자 불만 접수",
        "배포 스크립트 작성으로 반복 작업 자동화",
        "CI/CD 파이프라인 구축",
        "Blue-Green 또는 Rolling 배포 전략 도입",
        "DB 분리",
        "프라이빗 서브넷 전환",
    ):
        assert line in words


def test_complaints_are_entered_with_what_they_are_about(reader: Client, world: World) -> None:
    past = make_past(world, 9, 30, now=datetime.now(UTC))
    row, outage = past.rows[0], Outage.objects.order_by("-started_at").first()
    assert outage is not None
    path = reverse("releases:enter_complaint", args=[world.project.pk])
    given = {"received_on": "2026-01-02", "text": "It did not open", "deployment": row.pk, "outage": outage.pk}
    assert reader.post(path, given).status_code == 302
    made = Complaint.objects.get()
    assert (made.deployment, made.outage, made.entered_by) == (row, outage, world.requester)
    assert AuditEvent.objects.filter(action="complaint.enter").count() == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"received_on": "9000-01-01"}, "Choose today or an earlier day."),
        ({"text": ""}, "This field is required."),
        ({"deployment": "999999"}, "This project has no deployment of that number."),
        ({"deployment": "x"}, "Enter a whole number."),
        ({"outage": "999999"}, "Select a valid choice."),
    ],
)
def test_a_wrong_complaint_says_what_to_mend(reader: Client, world: World, change: dict[str, str], words: str) -> None:
    path = reverse("releases:enter_complaint", args=[world.project.pk])
    answer = reader.post(path, {"received_on": "2026-01-02", "text": "It did not open"} | change)
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert not Complaint.objects.exists()


@pytest.mark.parametrize("zone", ["Etc/GMT-14", "Etc/GMT+12"])  # at any hour, one of them has another day than UTC
def test_today_is_the_readers(world: World, zone: str) -> None:
    with timezone.override(zone):
        today = timezone.localdate()
        assert ComplaintForm(world.project, {"received_on": today, "text": "x"}).is_valid()
        assert not ComplaintForm(world.project, {"received_on": today + timedelta(days=1), "text": "x"}).is_valid()


def test_a_deployment_of_another_project_is_refused(reader: Client, world: World) -> None:
    other = make_world()
    row = other.draft()
    path = reverse("releases:enter_complaint", args=[world.project.pk])
    answer = reader.post(path, {"received_on": "2026-01-02", "text": "x", "deployment": row.pk})
    assert answer.status_code == 422


def test_a_viewer_sees_no_forms(client: Client, world: World) -> None:
    viewer = make_user("viewer")
    Membership.objects.create(project=world.project, user=viewer)
    client.force_login(viewer)
    html = client.get(reverse("releases:insights_thresholds")).content.decode()
    assert 'method="post"' not in html.partition("<main")[2].partition("</main>")[0]


class Answering(BaseHTTPRequestHandler):
    """Answers with what the test says."""

    body, status, asked = b"", 200, 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[type[Answering]]:
    handler = type("Own", (Answering,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    handler.url = f"http://127.0.0.1:{server.server_address[1]}/stats?x=1"  # type: ignore[attr-defined]
    yield handler
    server.shutdown()
    server.server_close()


def source(world: World, service: Any, path: str = "$.data.users[0].monthly") -> ActiveUsersSource:
    return ActiveUsersSource.objects.create(project=world.project, url=service.url, path=path)


def test_the_count_is_fetched_and_a_failure_keeps_the_last_good_one(reader: Client, world: World, service: Any) -> None:
    row = source(world, service)  # the address of the project's own host may be asked
    service.body = json.dumps({"data": {"users": [{"monthly": 1234}]}}).encode()
    user_reports.fetch(world.project.pk)
    assert ActiveUsers.objects.get().count == 1234
    assert AuditEvent.objects.filter(action="active_users.fetch").count() == 1
    for body, status, code in (
        (b"no json", 200, "json"),
        (b"{}", 200, "nowhere"),
        (b'{"data": {"users": [{"monthly": "many"}]}}', 200, "number"),
        (b'{"data": {"users": [{"monthly": "\\u0000 \\ud800"}]}}', 200, "number"),
        (b'{"data": {"users": [{"monthly": -1}]}}', 200, "number"),
        (b'{"data": {"users": [{"monthly": 1.5}]}}', 200, "number"),
        (b'{"data": {"users": [{"monthly": Infinity}]}}', 200, "number"),
        (b'{"data": {"users": [{"monthly": true}]}}', 200, "number"),
        (b"x" * 1_100_000, 200, "large"),
        (b"{}", 503, "status"),
    ):
        service.body, service.status = body, status
        user_reports.fetch(world.project.pk)
        row.refresh_from_db()
        assert row.problem.partition(":")[0] == code
        words = text_of(reader.get(reverse("releases:insights_thresholds")))
        assert "The last try failed:" in words
        assert "The last good count, 1234, is kept:" in words
        assert ActiveUsers.objects.get().count == 1234
    service.body, service.status = b'{"data": {"users": [{"monthly": 7}]}}', 200
    user_reports.fetch(world.project.pk)
    row.refresh_from_db()
    assert row.problem == ""
    assert thresholds.active_users(world.project).count == 7  # type: ignore[union-attr]


def test_a_path_above_the_whole_answer_is_told(world: World, service: Any) -> None:
    row = source(world, service, "`parent`")
    service.body = b'{"users": 5}'
    user_reports.fetch(world.project.pk)
    row.refresh_from_db()
    assert row.problem == "path:`parent`"


def test_it_is_asked_once_a_day(world: World, service: Any) -> None:
    row = source(world, service)
    now = datetime.now(UTC)
    user_reports.fetch_due(now)
    user_reports.fetch_due(now + timedelta(hours=2))
    assert service.asked == 1
    row.refresh_from_db()
    assert row.asked_at is not None
    user_reports.fetch_due(row.asked_at + timedelta(hours=24))
    assert service.asked == 2


def test_private_addresses_are_refused(world: World, service: Any, settings: LazySettings) -> None:
    world.host.delete()  # no host of the project has that address any more
    row = source(world, service)
    user_reports.fetch(world.project.pk)
    row.refresh_from_db()
    assert row.problem.startswith("address:")
    settings.PROBE_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    service.body = b'{"data": {"users": [{"monthly": 5}]}}'
    assert active_users.read(row) == 5
    for url in ("http://169.254.169.254/x", "http://127.0.0.1:5432/", "file:///etc/passwd", "http://nowhere.invalid/"):
        row.url = url
        with pytest.raises(active_users.NotRead):
            active_users.read(row)
    assert service.asked == 1


def test_an_address_that_is_away_is_told(world: World, service: Any) -> None:
    row = source(world, service)
    row.url = "http://127.0.0.1:9/"
    with pytest.raises(active_users.NotRead, match=r"port|refused"):
        active_users.read(row)


@pytest.mark.parametrize("path", ["", "$.", "a[", "$..users", "a b", "[?(@.x"])
def test_a_path_that_leads_nowhere_is_refused_in_the_form(reader: Client, world: World, path: str) -> None:
    answer = reader.post(
        reverse("releases:set_active_users_source", args=[world.project.pk]),
        {"url": "https://example.org/stats", "path": path},
    )
    assert answer.status_code == 422
    assert "This is no JSON path to one place." in text_of(answer)
    assert not ActiveUsersSource.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_address_is_kept_changed_and_removed(client: Client, redis_url: str) -> None:
    world = make_world()
    client.force_login(world.requester)
    path = reverse("releases:set_active_users_source", args=[world.project.pk])
    for url in ("https://example.org/one", "https://example.org/two"):
        assert client.post(path, {"url": url, "path": "$.n"}).status_code == 302
        assert ActiveUsersSource.objects.get().url == url
    assert client.post(reverse("releases:fetch_active_users", args=[world.project.pk])).status_code == 302
    assert client.post(path, {"url": "", "path": ""}).status_code == 302
    assert not ActiveUsersSource.objects.exists()
    assert client.post(reverse("releases:fetch_active_users", args=[world.project.pk])).status_code == 409
    assert AuditEvent.objects.filter(action="active_users.source").count() == 3


@pytest.mark.parametrize(("count", "status"), [("1500", 302), ("-1", 422), ("x", 422), ("9" * 30, 422)])
def test_a_person_enters_a_count(reader: Client, world: World, count: str, status: int) -> None:
    path = reverse("releases:enter_active_users", args=[world.project.pk])
    assert reader.post(path, {"count": count}).status_code == status
    assert ActiveUsers.objects.count() == (1 if status == 302 else 0)


def _actor(world: World) -> Any:
    from releases.audit import Actor

    return Actor(world.requester)


def _complain(world: World, text: str) -> Complaint:
    day = datetime.now(UTC).date()
    return user_reports.complain(world.project, day, text, (None, None), world.requester, _actor(world))
