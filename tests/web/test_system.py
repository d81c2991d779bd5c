"""The system page and /metrics: who may look, what is found, and what is said while a part is away."""

import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from releases import lifecycle
from releases.engine import clock, reconcile
from releases.logs import presence
from releases.models import Attempt, AuditEvent, Deployment, Environment, Heartbeat, Lease, Membership, lease
from releases.system import picture, pulse
from tests.factories import World, make_user, make_world
from tests.web.runs import Driven, running

NOWHERE = "unix:///nowhere/valkey.sock?db=0"
TOKEN = "0123456789abcdef" * 4
LONG_AGO = timedelta(minutes=2)


@pytest.fixture
def client(world: World) -> Client:
    client = Client(HTTP_HOST="localhost")
    client.force_login(world.requester)
    return client


def beat(name: str = "a", *processes: int, ago: timedelta = timedelta()) -> None:
    """A worker's row, as old as asked."""
    detail = {"worker": f"celery@{name}", "host": name, "processes": list(processes) or [1, 2]}
    Heartbeat.objects.update_or_create(
        name=f"{pulse.PREFIX}{name}", defaults={"at": clock.now() - ago, "detail": detail}
    )


def abandon(driven: Driven, ago: timedelta = LONG_AGO) -> Deployment:
    """The driver vanished so long ago, and nothing has been said since."""
    moment = clock.now() - ago
    Lease.objects.filter(deployment=driven.deployment).update(until=moment)
    Deployment.objects.filter(pk=driven.deployment.pk).update(started_at=moment)
    with connection.cursor() as cursor:  # history keeps its rows; a test may age them
        cursor.execute("SET session_replication_role = replica")
        AuditEvent.objects.filter(deployment=driven.deployment).update(at=moment)
        Attempt.objects.filter(step__deployment=driven.deployment).update(started_at=moment)
        cursor.execute("SET session_replication_role = DEFAULT")
    return driven.deployment


class TestWhoMayLook:
    """The page and the figures have one rule."""

    @pytest.mark.parametrize("path", ["/system/", "/metrics"])
    @pytest.mark.parametrize(
        ("rights", "person", "status"),
        [
            ({}, {}, 403),
            ({"can_operate": True, "can_approve": True}, {}, 403),
            ({"can_manage": True}, {}, 200),
            (None, {}, 403),
            (None, {"is_staff": True}, 200),
            (None, {"is_superuser": True}, 200),
        ],
    )
    def test_by_right(self, world: World, path: str, rights: Any, person: dict[str, bool], status: int) -> None:
        user = make_user("somebody", **person)
        if rights is not None:
            Membership.objects.create(project=world.project, user=user, **rights)
        client = Client(HTTP_HOST="localhost")
        client.force_login(user)
        assert client.get(path).status_code == status
        offered = 'href="/system/"' in client.get("/").content.decode()
        assert offered == (status == 200)

    def test_metrics_without_a_token_set_are_for_people_alone(self, world: World) -> None:
        stranger = Client(HTTP_HOST="localhost")
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}"}):
            answer = stranger.get("/metrics", headers=headers)
            assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")

    @pytest.mark.parametrize(
        ("given", "status"),
        [
            (f"Bearer {TOKEN}", 200),
            (f"bearer {TOKEN}", 200),
            (f"Bearer {TOKEN[:-1]}", 401),
            (f"Bearer {TOKEN}x", 401),
            (f"Basic {TOKEN}", 401),
            ("Bearer", 401),
            ("Bearer é", 401),
        ],
    )
    def test_metrics_by_token(self, world: World, settings: LazySettings, given: str, status: int) -> None:
        settings.METRICS_TOKEN = TOKEN
        answer = Client(HTTP_HOST="localhost").get("/metrics", headers={"Authorization": given})
        assert answer.status_code == status

    def test_a_wrong_token_is_refused_whoever_is_logged_in(self, client: Client, settings: LazySettings) -> None:
        settings.METRICS_TOKEN = TOKEN
        assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401

    def test_both_only_read(self, client: Client) -> None:
        assert (client.post("/system/").status_code, client.post("/metrics").status_code) == (405, 405)

    def test_of_other_projects_nothing_is_named(self, client: Client, world: World) -> None:
        other = make_world()
        Environment.objects.filter(pk=other.environment.pk).update(name="Elsewhere")
        held, lost = running(other), None
        page = client.get("/system/")
        assert len(page.context["leases"]) == 1
        text = page.content.decode()
        lost = abandon(held)
        text += client.get("/system/").content.decode()
        for word in ("Elsewhere", f"/deployments/{lost.pk}/"):
            assert word not in text
        superuser = make_user("boss", is_superuser=True)
        client.force_login(superuser)
        assert f"/deployments/{lost.pk}/" in client.get("/system/").content.decode()


class TestZombies:
    """What should be driven and is not, and nothing else."""

    def test_a_deployment_whose_driver_vanished(self, client: Client, world: World) -> None:
        driven = running(world)
        driven.begin("one")
        deployment = abandon(driven)
        seen = picture.take()
        assert [one.pk for one in seen.undriven] == [deployment.pk]
        assert [one.step.key for one in seen.orphans] == ["one"]
        text = client.get("/system/").content.decode()
        assert f'href="/deployments/{deployment.pk}/"' in text
        assert f'href="/deployments/{deployment.pk}/#step-one"' in text

    def test_the_deployment_is_found_again_when_it_is_driven(self, world: World) -> None:
        deployment = abandon(running(world))
        assert picture.take().zombies == 1
        lease.take(deployment.pk, "another")
        assert picture.take().zombies == 0

    def test_an_attempt_that_its_deployment_left_behind(self, world: World) -> None:
        driven = running(world)
        driven.begin("one")
        Deployment.objects.filter(pk=driven.deployment.pk).update(status=lifecycle.FAILED)
        abandon(driven)
        seen = picture.take()
        assert (len(seen.undriven), [one.step.key for one in seen.orphans]) == (0, ["one"])

    def test_between_two_slices_nothing_is_missing(self, world: World) -> None:
        driven = running(world)
        driven.begin("one")
        abandon(driven)
        token = lease.take(driven.deployment.pk, "another")
        assert token is not None
        lease.release(driven.deployment.pk, token)
        assert picture.take().zombies == 0, "it was given back this very moment"
        Lease.objects.update(freed_at=clock.now() - LONG_AGO)
        assert picture.take().zombies == 2

    def test_what_a_person_resumed_just_now_is_not_missing(self, world: World) -> None:
        driven = running(world)
        driven.do("one", lifecycle.FAILED, "no")
        assert driven.conclude().status == lifecycle.FAILED
        abandon(driven)
        from releases.audit import Actor
        from releases.engine import decide

        decide.retry(driven.step("one"), Actor(world.requester), "again")
        driven.deployment.refresh_from_db()
        assert driven.deployment.status == lifecycle.RUNNING
        assert picture.take().zombies == 0

    def test_nobody_needs_to_drive_what_waits_for_a_person(self, client: Client, world: World) -> None:
        driven = running(world)
        driven.do("one", lifecycle.UNKNOWN, "the machine restarted")
        assert driven.conclude().status == lifecycle.UNKNOWN
        deployment = abandon(driven)
        seen = picture.take()
        assert (seen.zombies, [one.step.key for one in seen.waiting]) == (0, ["one"])
        assert f'href="/deployments/{deployment.pk}/#step-one"' in client.get("/system/").content.decode()

    @pytest.mark.parametrize("status", [lifecycle.SUCCEEDED, lifecycle.FAILED, lifecycle.CANCELLED])
    def test_ended_ones_are_none(self, world: World, status: str) -> None:
        deployment = abandon(running(world))
        Deployment.objects.filter(pk=deployment.pk).update(status=status)
        assert picture.take().zombies == 0


class TestPage:
    """What is shown, and how quickly."""

    @pytest.mark.parametrize("language", ["ko", "en"])
    def test_it_renders_empty_and_full(self, client: Client, world: World, language: str) -> None:
        client.cookies["django_language"] = language
        assert client.get("/system/").status_code == 200
        driven = running(world)
        attempt = driven.begin("one")
        beat("a")
        beat("b", ago=LONG_AGO)
        reconcile.reconcile()
        driven.end(attempt, lifecycle.UNKNOWN, "the machine restarted")
        page = client.get("/system/")
        assert page.status_code == 200
        assert [worker.is_alive for worker in page.context["seen"].workers] == [True, False]

    def test_a_worker_is_shown_with_what_it_drives(self, client: Client, world: World) -> None:
        driven = running(world)
        Lease.objects.update(owner="a:17")
        beat("a", 16, 17)
        beat("b", 17)
        workers = client.get("/system/").context["workers"]
        driving = [[held["deployment"].pk for held in row["driving"]] for row in workers]
        assert driving == [[driven.deployment.pk], []]

    def test_the_last_reconciliation_is_a_row(self, client: Client, world: World, redis_url: str) -> None:
        assert client.get("/system/").context["seen"].reconcile is None
        abandon(running(world))
        reconcile.reconcile()
        found = client.get("/system/").context["seen"].reconcile
        assert (found.sent, found.is_overdue) == (1, False)
        Heartbeat.objects.filter(name=reconcile.HEARTBEAT).update(at=clock.now() - LONG_AGO)
        assert client.get("/system/").context["seen"].reconcile.is_overdue

    def test_all_is_well(self, client: Client, world: World, redis_url: str) -> None:
        beat()
        reconcile.reconcile()
        assert client.get("/system/").context["problems"] == []

    def test_without_redis_it_says_so_at_once(self, client: Client, world: World, settings: LazySettings) -> None:
        beat()
        reconcile.reconcile()
        settings.REDIS_URL = NOWHERE
        began = time.monotonic()
        page = client.get("/system/")
        assert time.monotonic() - began < 5
        assert page.status_code == 200
        assert len(page.context["problems"]) == 1
        assert "Redis" in page.context["problems"][0]

    def test_a_redis_that_hangs_costs_a_second(
        self, client: Client, settings: LazySettings, silent_server: str
    ) -> None:
        settings.REDIS_URL = silent_server
        began = time.monotonic()
        page = client.get("/system/")
        assert time.monotonic() - began < 5
        assert "TimeoutError" in page.context["problems"][0]

    def test_without_workers_it_says_so(self, client: Client, world: World, redis_url: str) -> None:
        beat(ago=LONG_AGO)
        page = client.get("/system/")
        assert page.status_code == 200
        assert len(page.context["problems"]) == 2, "no worker, no reconciliation"

    def test_a_database_that_takes_no_connection_is_named(
        self, client: Client, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(connection.settings_dict, "HOST", "/nowhere")
        page = client.get("/system/")
        assert any("PostgreSQL" in text for text in page.context["problems"])

    @pytest.mark.parametrize("path", ["/system/", "/metrics"])
    def test_the_number_of_queries_does_not_grow(self, client: Client, world: World, path: str) -> None:
        def more(count: int) -> None:
            for _ in range(count):
                beat(uuid.uuid4().hex)
                busy, lost, asking = (running(make_world()) for _ in range(3))
                busy.begin("one")
                lost.begin("one")
                abandon(lost)
                asking.do("one", lifecycle.UNKNOWN, "?")

        more(1)
        client.get(path)
        with CaptureQueriesContext(connection) as few:
            client.get(path)
        more(4)
        with CaptureQueriesContext(connection) as many:
            assert client.get(path).status_code == 200
        assert len(many) == len(few) < 20, "\n".join(query["sql"][:200] for query in many)


type Figures = dict[tuple[str, ...], float]


def figures(answer: Any) -> Figures:
    """Name and label values -> value, as Prometheus reads the text."""
    families = text_string_to_metric_families(answer.content.decode())
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


class TestMetrics:
    """The figures agree with the rows."""

    @pytest.fixture
    def scrape(self, settings: LazySettings, world: World) -> Callable[[], Figures]:
        settings.METRICS_TOKEN = TOKEN
        client = Client(HTTP_HOST="localhost", headers={"Authorization": f"Bearer {TOKEN}"})

        def ask() -> Figures:
            answer = client.get("/metrics")
            assert answer.status_code == 200
            assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
            return figures(answer)

        return ask

    def test_they_count_rows(self, scrape: Callable[[], Figures], world: World, redis_url: str) -> None:
        driven = running(world)
        driven.do("one")
        second = driven.begin("two")
        Attempt.objects.filter(pk=second.pk).update(log_size=1234)
        beat("a", 1, 2, 3)
        beat("b", ago=LONG_AGO)
        reconcile.reconcile()
        found = scrape()
        expected = {
            ("cloudwiki_workers", "alive"): 1,
            ("cloudwiki_workers", "silent"): 1,
            ("cloudwiki_worker_processes",): 3,
            ("cloudwiki_leases",): 1,
            ("cloudwiki_deployments", "running"): 1,
            ("cloudwiki_deployments", "failed"): 0,
            ("cloudwiki_attempts_started_total",): 2,
            ("cloudwiki_attempts_ended_total", "succeeded"): 1,
            ("cloudwiki_attempts_ended_total", "failed"): 0,
            ("cloudwiki_zombies", "deployment"): 0,
            ("cloudwiki_zombies", "attempt"): 0,
            ("cloudwiki_log_bytes_stored_total",): 1234,
            ("cloudwiki_last_reconcile_sent",): 0,
            ("cloudwiki_redis_up",): 1,
            ("cloudwiki_postgresql_up",): 1,
            ("cloudwiki_open_streams",): 0,
        }
        assert {key: found.get(key) for key in expected} == expected
        assert 0 < found["cloudwiki_postgresql_latency_seconds",] < 5
        assert 0 < found["cloudwiki_redis_latency_seconds",] < 5
        assert 0 <= found["cloudwiki_last_reconcile_age_seconds",] < 60

    def test_zombies_and_what_waits_for_a_person(self, scrape: Callable[[], Figures], world: World) -> None:
        lost, asking = running(world), running(make_world())
        lost.begin("one")
        abandon(lost)
        asking.do("one", lifecycle.UNKNOWN, "?")
        found = scrape()
        assert (found["cloudwiki_zombies", "deployment"], found["cloudwiki_zombies", "attempt"]) == (1, 1)
        assert found["cloudwiki_attempts_for_a_person", "unknown"] == 1

    def test_the_queue_and_the_open_pages_are_counted(
        self, scrape: Callable[[], Figures], world: World, redis_url: str
    ) -> None:
        for number in range(3):
            current_app.send_task("releases.tasks.drive", args=[number])
        with redis.Redis.from_url(redis_url) as server:
            server.zadd(presence.STREAMS, {"one": time.time(), "two": time.time(), "faded": time.time() - 60})
        found = scrape()
        assert (found["cloudwiki_queue_messages", "waiting"], found["cloudwiki_open_streams",]) == (3, 2)

    def test_without_redis_its_figures_are_left_out(
        self, scrape: Callable[[], Figures], settings: LazySettings
    ) -> None:
        settings.REDIS_URL = NOWHERE
        found = scrape()
        assert found["cloudwiki_redis_up",] == 0
        assert ("cloudwiki_queue_messages", "waiting") not in found
        assert ("cloudwiki_leases",) in found

    def test_without_postgresql_it_still_answers(
        self, scrape: Callable[[], Figures], redis_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(connection.settings_dict, "HOST", "/nowhere")
        found = scrape()
        assert found["cloudwiki_postgresql_up",] == 0
        assert ("cloudwiki_leases",) not in found
        assert ("cloudwiki_queue_messages", "waiting") in found
