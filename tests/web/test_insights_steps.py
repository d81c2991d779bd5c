"""How the steps of a runbook went, and better estimates written into its text."""

import random
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from releases.insights import steps
from releases.models import Attempt, AuditEvent, Deployment, Membership, Plan, RunbookVersion, Step
from releases.runbooks.estimates import NoSuchStep, with_estimates
from releases.runbooks.loader import load
from tests.factories import World, make_user
from tests.web.test_insights_numbers import quantile
from tests.web.test_insights_pages import text_of

COMMENTED = """\
# The head of the text stays.
kind: deploy
title: {ko: 배포, en: Deploy}   # so does this
steps:
  - key: one
    title: {ko: "하나 # 둘", en: One}
    role: DevOps
    phase: prepare
    action: shell
    runs_on: app
    estimate:   "1m"   # about a minute
    parameters: {command: "echo estimate: 60"}
  - {key: two, title: {ko: 둘, en: Two}, role: DevOps, phase: replace, action: shell, runs_on: app, estimate: 60,
     parameters: {command: "echo two"}}
"""


@pytest.fixture
def reader(client: Client, world: World) -> Client:
    client.force_login(world.requester)
    client.cookies["django_language"] = "en"
    return client


def deployed(
    world: World, times: dict[str, float], *, kind: str = "deploy", failed: str = "", skipped: str = ""
) -> None:
    """One deployment of the runbook whose steps took `times` (seconds)."""
    plan = Plan.objects.filter(runbook_version__runbook=world.runbook).first() or world.draft().plan
    begin = datetime.now(UTC) - timedelta(days=1)
    row = Deployment.objects.create(
        environment=world.environment, release=world.release, plan=plan, kind=kind, status="succeeded",
        started_at=begin, finished_at=begin + timedelta(minutes=3), idempotency_key=uuid.uuid4().hex,
        requested_by=world.requester,
    )  # fmt: skip
    for position, (key, seconds) in enumerate(times.items()):
        status = "skipped" if key == skipped else "succeeded"
        step = Step.objects.create(
            deployment=row, position=position, number=str(position + 1), key=key, title_ko=key, title_en=key,
            role="devops", phase="prepare", action="shell", status=status, estimate=60,
            finished_at=begin if key == skipped else None,
        )  # fmt: skip
        if key == skipped:
            continue
        tries = ["failed", "succeeded"] if key == failed else ["succeeded"]
        for number, ends in enumerate(tries, start=1):
            Attempt.objects.create(
                step=step, number=number, remote_id=uuid.uuid4().hex, status=ends, started_at=begin,
                finished_at=begin + timedelta(seconds=seconds),
            )  # fmt: skip


def by_key(world: World) -> dict[str, steps.StepFigures]:
    latest = world.runbook.latest()
    assert latest is not None
    return {row.spec.key: row for row in steps.of(world.runbook, load(latest.text).steps)}


@pytest.mark.parametrize("seed", range(4))
def test_figures_agree_with_lists(world: World, seed: int) -> None:
    dice = random.Random(seed)
    times: dict[str, list[float]] = {"one": [], "two": []}
    failures = {"one": 0, "two": 0}
    for _number in range(60):
        now = {key: dice.expovariate(1 / 100) for key in times}
        failed = dice.choice(["", "", "one", "two"])
        kind = dice.choice(["deploy", "deploy", "rehearsal"])
        deployed(world, now, kind=kind, failed=failed)
        if kind == "rehearsal":
            continue
        for key, seconds in now.items():
            times[key].append(seconds)
            failures[key] += key == failed
    for key, row in by_key(world).items():
        assert row.n == len(times[key])
        assert row.p50 == pytest.approx(quantile(times[key], 0.5), abs=1e-3)
        assert row.p95 == pytest.approx(quantile(times[key], 0.95), abs=1e-3)
        assert (row.failed, row.tries) == (failures[key], row.n + failures[key])


def test_the_page_names_the_slowest_the_failing_and_the_skipped(reader: Client, world: World) -> None:
    for _number in range(6):
        deployed(world, {"one": 30.0, "two": 200.0}, failed="one")
    deployed(world, {"one": 30.0, "two": 1.0}, skipped="two")
    words = text_of(reader.get(reverse("releases:runbook_steps", args=[world.runbook.pk])))
    assert "The slowest 2. Two 3:20" in words
    assert "The most failing 1. One 6 / 13" in words
    assert "Skipped by a person 2. Two 1" in words
    assert "3:30" in words  # the better estimate of the second


def test_nothing_ran_yet(reader: Client, world: World) -> None:
    words = text_of(reader.get(reverse("releases:runbook_steps", args=[world.runbook.pk])))
    assert "Nothing was deployed with this runbook yet" in words
    assert "too few successes" in words
    answer = reader.get(reverse("releases:runbook_estimates", args=[world.runbook.pk]))
    assert "There is nothing to change." in text_of(answer)


@pytest.mark.parametrize(
    ("seconds", "estimate", "wanted"),
    [
        ([100.0] * 4, 60, None),  # too few
        ([59.0] * 5, 50, None),  # rounded up to a minute: 20 %, not more
        ([70.0] * 5, 60, 75),
        ([58.0] * 20, 60, None),
        ([10.0] * 5, 60, 10),
        ([3.2] * 5, 60, 4),
        ([41.0] * 5, 60, 45),
        ([1.0, 1.0, 1.0, 1.0, 500.0], 60, 1),  # four of five
        ([700.0] * 5, 60, 720),
        ([0.0] * 5, 60, 1),
    ],
)
def test_what_is_suggested(seconds: list[float], estimate: int, wanted: int | None) -> None:
    assert steps.suggested(seconds, estimate) == wanted


@given(
    st.lists(st.floats(0, 100_000, allow_nan=False), min_size=5, max_size=20),
    st.integers(1, 100_000),
)
def test_a_suggestion_is_enough_for_four_of_five_and_far_away(seconds: list[float], estimate: int) -> None:
    wanted = steps.suggested(seconds, estimate)
    enough = next(one for one in sorted(seconds) if sum(other <= one for other in seconds) >= 0.8 * len(seconds))
    if wanted is None:
        assert abs(steps.rounded(enough) - estimate) <= 0.2 * estimate
    else:
        assert enough - 1e-3 <= wanted < enough + 60
        assert abs(wanted - estimate) > 0.2 * estimate


def test_only_the_last_twenty_successes_count(world: World) -> None:
    for number in range(25):
        deployed(world, {"one": 500.0 if number < 5 else 70.0})
    # All have one moment of their end but for their length; the newest rows are those of 70 s.
    assert len(by_key(world)["one"].lately) == 20


def test_only_the_estimate_changes_in_the_text() -> None:
    changed = with_estimates(COMMENTED, {"two": 90, "one": 300})
    wanted = COMMENTED.replace('"1m"   # about', "5m   # about").replace("estimate: 60,\n", "estimate: 90s,\n")
    assert changed == wanted
    assert [step.estimate for step in load(changed).steps] == [300, 90]
    with pytest.raises(NoSuchStep):
        with_estimates(COMMENTED, {"three": 1})


@given(st.integers(0, 604_800), st.integers(0, 604_800))
def test_any_seconds_come_back_as_they_were(first: int, second: int) -> None:
    data = yaml.safe_load(with_estimates(COMMENTED, {"one": first, "two": second}))
    lengths = {"s": 1, "m": 60, "h": 3600}
    assert [int(one["estimate"][:-1]) * lengths[one["estimate"][-1]] for one in data["steps"]] == [first, second]


def test_one_press_saves_a_version(reader: Client, world: World) -> None:
    world.save_runbook(COMMENTED)
    for _number in range(6):
        deployed(world, {"one": 200.0, "two": 60.0})
    path = reverse("releases:runbook_estimates", args=[world.runbook.pk])
    answer = reader.get(path)
    assert "1:00 → 3:30" in text_of(answer)
    assert "3:00 → 10:30" in text_of(answer)  # the time limit goes with it
    values = {"base": "2", "estimate": "one=210"}
    assert f'value="{values["estimate"]}"' in answer.content.decode()
    assert reader.post(path, values).status_code == 302
    made = RunbookVersion.objects.get(runbook=world.runbook, number=3)
    assert made.text == COMMENTED.replace('"1m"', "210s")
    assert made.created_by == world.requester
    event = AuditEvent.objects.get(action="runbook.estimates")
    assert event.detail["sha256"] == made.sha256
    assert reader.post(path, values).status_code == 409  # the page was of version 2


@pytest.mark.parametrize("estimate", ["one=x", "one=-1", "one=9999999", "gone=60", "one", "one=0"])
def test_a_wrong_press_saves_nothing(reader: Client, world: World, estimate: str) -> None:
    path = reverse("releases:runbook_estimates", args=[world.runbook.pk])
    assert reader.post(path, {"base": "1", "estimate": estimate}).status_code == 409
    assert reader.post(path, {"base": "1"}).status_code == 409
    assert RunbookVersion.objects.filter(runbook=world.runbook).count() == 1


def test_whoever_may_not_manage_sees_but_saves_nothing(client: Client, world: World) -> None:
    viewer = make_user("viewer")
    Membership.objects.create(project=world.project, user=viewer, can_operate=True, can_approve=True)
    client.force_login(viewer)
    assert client.get(reverse("releases:runbook_steps", args=[world.runbook.pk])).status_code == 200
    path = reverse("releases:runbook_estimates", args=[world.runbook.pk])
    assert client.post(path, {"base": "1", "estimate": "one=90"}).status_code == 403
