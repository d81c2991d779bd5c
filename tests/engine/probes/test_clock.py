"""The downtime clock and the health of services, from rows."""

from datetime import UTC, datetime, timedelta

import pytest

from releases.models import Heartbeat, Outage, ProbeResult
from releases.probes.clock import downtime, service_answers
from releases.probes.store import HEARTBEAT, purge
from tests.engine.probes.conftest import make_deployment, make_environment, make_probe

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.fixture
def environment():
    return make_environment()


@pytest.fixture
def probe(environment):
    return make_probe(environment, "http://127.0.0.1:8080/health")


def outage(probe, start, end, **fields):
    ended = None if end is None else ago(end)
    return Outage.objects.create(probe=probe, started_at=ago(start), ended_at=ended, **fields)


def answered(probe, seconds, ok=True):
    ProbeResult.objects.create(probe=probe, at=ago(seconds), ok=ok, milliseconds=12.5)


def alive(**unmeasured):
    Heartbeat.objects.create(name=HEARTBEAT, at=NOW, detail={"unmeasured": unmeasured})


def test_eight_minutes_at_ten_requests_a_minute_are_eighty_lost(environment, probe):
    deployment = make_deployment(environment, started_at=ago(1800))
    outage(probe, 900, 900 - 480)
    clock = downtime(deployment, NOW)
    assert (clock.planned, clock.measured, clock.lost_requests, clock.running_since) == (480, 480.0, 80, None)


def test_services_that_are_down_together_count_once(environment, probe):
    other = make_probe(environment, "http://127.0.0.1:3000/", key="frontend")
    deployment = make_deployment(environment, started_at=ago(1800))
    outage(probe, 100, 40)
    outage(other, 90, 20)
    assert downtime(deployment, NOW).measured == 80.0


def test_only_the_time_of_the_deployment_counts(environment, probe):
    deployment = make_deployment(
        environment, status="succeeded", started_at=ago(600), finished_at=ago(300), downtime_measured=0
    )
    outage(probe, 700, 590)
    outage(probe, 310, 200)
    outage(probe, 100, 50)
    assert downtime(deployment, NOW).intervals == [(ago(600), ago(590)), (ago(310), ago(300))]


def test_another_environment_does_not_count(environment, probe):
    deployment = make_deployment(environment, started_at=ago(600))
    answered(probe, 10)
    outage(make_probe(make_environment(), "http://127.0.0.1:1/"), 100, 50)
    assert downtime(deployment, NOW).measured == 0.0


def test_the_clock_runs_from_the_first_failed_probe(environment, probe):
    other = make_probe(environment, "http://127.0.0.1:3000/", key="frontend")
    deployment = make_deployment(environment, started_at=ago(600), downtime_opened_at=ago(33))
    outage(probe, 30, 10)
    outage(other, 25, None)
    clock = downtime(deployment, NOW)
    assert (clock.running_since, clock.measured, clock.marked) == (ago(30), 30.0, 33.0)


def test_until_a_probe_speaks_the_mark_counts(environment):
    deployment = make_deployment(environment, started_at=ago(600), downtime_opened_at=ago(480))
    clock = downtime(deployment, NOW)
    assert (clock.measured, clock.running_since, clock.seconds, clock.lost_requests) == (None, ago(480), 480.0, 80)


def test_probes_that_answer_well_overrule_the_mark(environment, probe):
    deployment = make_deployment(environment, started_at=ago(600), downtime_opened_at=ago(480))
    answered(probe, 5)
    clock = downtime(deployment, NOW)
    assert (clock.measured, clock.running_since, clock.lost_requests) == (0.0, None, 0)


def test_a_closed_mark_stands_still(environment):
    deployment = make_deployment(
        environment, started_at=ago(900), downtime_opened_at=ago(480), downtime_closed_at=ago(120)
    )
    clock = downtime(deployment, NOW)
    assert (clock.marked, clock.running_since) == (360.0, None)


def test_a_draft_has_no_downtime(environment, probe):
    outage(probe, 30, None)
    clock = downtime(make_deployment(environment, status="draft", started_at=None), NOW)
    assert (clock.measured, clock.marked, clock.lost_requests, clock.intervals) == (None, None, 0, [])


def test_a_finished_deployment_keeps_its_figure_after_the_answers_are_purged(environment):
    deployment = make_deployment(
        environment, status="succeeded", started_at=ago(600), finished_at=ago(300), downtime_measured=0.0
    )
    assert downtime(deployment, NOW).measured == 0.0


def test_a_service_that_answers(environment, probe):
    alive()
    outage(probe, 200, 100)
    for seconds in range(10, 340, 30):
        answered(probe, seconds)
    (health,) = service_answers(environment, NOW)
    assert (health.state, health.since, health.milliseconds) == ("up", ago(100), 12.5)
    assert health.bars == ["up"] * 20 + ["down"] * 20 + ["up"] * 20


@pytest.mark.parametrize(("planned", "state"), [(True, "planned"), (False, "down")])
def test_a_service_that_is_down(environment, probe, planned, state):
    alive()
    answered(probe, 1, ok=False)
    outage(probe, 50, None, planned=planned, detail="status:503")
    (health,) = service_answers(environment, NOW)
    assert (health.state, health.since, health.bars[-10:]) == (state, ago(50), [state] * 10)
    assert health.bars[0] == "none"
    assert "503" in health.detail


@pytest.mark.parametrize("case", ["no answers", "old answers", "no process", "not reachable"])
def test_a_service_that_is_not_measured(environment, probe, case):
    if case != "no process":
        alive(**({str(probe.pk): "ssh:refused"} if case == "not reachable" else {}))
    if case != "no answers":
        answered(probe, 90 if case == "old answers" else 1)
    (health,) = service_answers(environment, NOW)
    assert (health.state, health.milliseconds) == ("unmeasured", None)
    assert bool(health.detail) == (case in {"no process", "not reachable"})


def test_a_service_without_a_probe(environment):
    (health,) = service_answers(environment, NOW)
    assert (health.state, health.probe, set(health.bars)) == ("unmeasured", None, {"none"})


def test_the_queries_do_not_grow_with_the_services(environment, probe, django_assert_num_queries):
    for number in range(5):
        answered(make_probe(environment, "http://127.0.0.1:1/", key=f"service-{number}"), 1)
    with django_assert_num_queries(5):
        assert len(service_answers(environment, NOW)) == 6


def test_answers_older_than_a_day_are_deleted(probe, django_assert_num_queries):
    for hours in (1, 25):
        ProbeResult.objects.create(probe=probe, at=datetime.now(UTC) - timedelta(hours=hours), ok=True, milliseconds=1)
    assert purge() == 1
    assert ProbeResult.objects.count() == 1
