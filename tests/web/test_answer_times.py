"""How long services took to answer health checks: the percentile, the rule, and the pages that show it."""

import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from releases.engine import clock
from releases.insights.answer_times import LEAST_SAMPLES, WINDOW, of_environments
from releases.models import Environment, Host, Probe, ProbeResult
from releases.probes import store
from tests.costs import answered
from tests.factories import World

FAILURES = ["refused", "status:503", "timeout:2", "text"]


def made(probe: Probe, dice: random.Random, now: datetime) -> list[ProbeResult]:
    """30 hours of answers: about one in 30 seconds, and some minutes in which it is asked every second."""
    rows, at, until_busy = [], now - timedelta(hours=30), 0
    while at < now:
        until_busy = until_busy - 1 if until_busy > 0 else dice.choice([0] * 400 + [300])
        ok = dice.random() < 0.9
        detail = "" if ok else dice.choice(FAILURES)
        long = dice.lognormvariate(5, 0.8) if ok else 2001.0
        rows.append(ProbeResult(probe=probe, at=at, ok=ok, milliseconds=long, detail=detail))
        at += timedelta(seconds=(1 if until_busy else 30) * dice.uniform(0.8, 1.2))
    dice.shuffle(rows)
    return ProbeResult.objects.bulk_create(rows)


def by_hand(rows: list[ProbeResult], now: datetime) -> tuple[int, float]:
    """The first request of each minute of a day, ranked; the value that 95 of 100 do not exceed."""
    first: dict[int, ProbeResult] = {}
    for row in sorted(rows, key=lambda row: row.at):
        if now - timedelta(hours=24) < row.at <= now and (row.ok or row.detail.startswith("timeout")):
            first.setdefault(int(row.at.timestamp()) // 60, row)
    ranked = sorted(row.milliseconds if row.ok else math.inf for row in first.values())
    return len(ranked), ranked[math.ceil(0.95 * len(ranked)) - 1]


@pytest.mark.parametrize("seed", range(5))
def test_the_percentile_agrees_with_a_plain_count(world: World, seed: int) -> None:
    dice, now = random.Random(seed), clock.now()
    rows = {key: made(answered(world.environment, key=key, count=0), dice, now) for key in ("one", "two")}
    found = of_environments([world.environment.pk], now)[world.environment.pk]
    assert {one.service: (one.samples, pytest.approx(one.p95)) for one in found if one.service in rows} == {
        key: by_hand(own, now) for key, own in rows.items()
    }


def test_it_looks_back_as_far_as_answers_are_kept() -> None:
    assert timedelta(hours=store.KEPT_HOURS) == WINDOW


def test_busy_minutes_weigh_no_more_than_others(world: World) -> None:
    probe, now = answered(world.environment, 100, 900), clock.now()
    ProbeResult.objects.bulk_create(  # a deployment of twenty minutes, slow, asked every second
        ProbeResult(probe=probe, at=now - timedelta(hours=2, seconds=n), ok=True, milliseconds=900) for n in range(1200)
    )
    (found,) = (one for one in of_environments([world.environment.pk], now)[world.environment.pk] if one.samples)
    assert found.p95 == 100


def rule(client: Client, world: World) -> tuple[str, str]:
    client.cookies["django_language"] = "en"
    answer = client.get(f"/hosts/{world.host.pk}/capacity")
    assert answer.status_code == 200
    (found,) = (one for one in answer.context["rules"] if one.code == "response")
    assert found.title in answer.content.decode()
    return found.state, found.evidence


@pytest.fixture
def reader(client: Client, world: World) -> Client:
    client.force_login(world.requester)
    return client


def nothing(environment: Environment) -> None:
    Probe.objects.filter(environment=environment).delete()


def off(environment: Environment) -> None:
    answered(environment)
    Probe.objects.update(enabled=False)


def old(environment: Environment) -> None:
    answered(environment)
    ProbeResult.objects.update(at=clock.now() - timedelta(days=2))


def refused(environment: Environment) -> None:
    answered(environment)
    ProbeResult.objects.update(ok=False, detail="refused")


def timed_out(environment: Environment) -> None:
    probe = answered(environment)
    rows = ProbeResult.objects.filter(probe=probe).order_by("at").values_list("pk", flat=True)[:30]
    ProbeResult.objects.filter(pk__in=list(rows)).update(ok=False, detail="timeout:2", milliseconds=2000)


@pytest.mark.parametrize(
    ("make", "state", "words"),
    [
        (lambda environment: answered(environment, 501), "over", "501 ms"),
        (lambda environment: answered(environment, 450), "close", "450 ms"),
        (lambda environment: answered(environment, 90), "ok", "last 24 hours, one request of each minute"),
        (lambda environment: answered(environment, 90, LEAST_SAMPLES - 9), "unknown", "too few to say"),
        (timed_out, "over", "more than 5 of 100 requests got no answer within 2 s"),
        (nothing, "unknown", "No health check"),
        (off, "unknown", "No health check"),
        (old, "unknown", "no answer"),
        (refused, "unknown", "no answer"),
    ],
)
def test_the_rule_on_the_page(
    reader: Client, world: World, make: Callable[[Environment], object], state: str, words: str
) -> None:
    Probe.objects.all().delete()
    make(world.environment)
    found, evidence = rule(reader, world)
    assert found == state
    assert words in evidence


def test_the_list_shows_it(reader: Client, world: World) -> None:
    Probe.objects.all().delete()
    answered(world.environment, 1234)
    assert "1,234 ms" in reader.get("/capacity/").content.decode()


def test_the_rule_is_in_korean(reader: Client, world: World) -> None:
    Probe.objects.all().delete()
    answered(world.environment, 1234)
    text = reader.get(f"/hosts/{world.host.pk}/capacity", headers={"accept-language": "ko"}).content.decode()
    assert "응답 시간(p95): 500 ms 이하" in text
    assert "1,234 ms" in text


@pytest.mark.parametrize("path", ["/capacity/", "/hosts/{}/capacity"])
def test_much_was_measured_and_no_more_is_asked(reader: Client, world: World, path: str) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as found:
            assert reader.get(path.format(world.host.pk)).status_code == 200
        return len(found)

    answered(world.environment, count=1)
    asked()  # what is asked once a process
    few = asked()
    for number in range(6):
        answered(world.environment, count=1500, key=f"more-{number}")
    Host.objects.create(environment=world.environment, name="second", role="db", address="127.0.0.2", user="deploy")
    assert asked() <= few
