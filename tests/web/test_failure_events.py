"""Failures and rollbacks counted as events: one bad night is one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from releases.engine import thresholds as watching
from releases.insights import thresholds
from releases.models import Deployment
from tests.factories import World
from tests.web.test_insights_numbers import raw
from tests.web.test_insights_pages import text_of


def events_by_hand(world: World, now: datetime) -> set[int]:
    """Reckoned by going through the past once, oldest first: each bad row opens an event or belongs to an open one."""
    rows = raw(
        """SELECT d.* FROM releases_deployment d JOIN releases_environment e ON e.id = d.environment_id
        WHERE e.is_production AND e.project_id = %s AND d.started_at IS NOT NULL AND d.kind IN ('deploy', 'rollback')
        ORDER BY d.started_at""",
        world.project.pk,
    )
    began = {row["id"]: row["started_at"] for row in rows}
    standing: dict[int, set[int]] = {}  # failed deployments that nothing undid, by environment
    every_failed: set[int] = set()
    tried: set[int] = set()  # deployments that a rollback undid, or tried to
    events: dict[int, datetime] = {}
    for row in rows:
        here, undone = standing.setdefault(row["environment_id"], set()), row["undoes_id"]
        if row["kind"] == "deploy":
            if row["status"] in ("failed", "errored"):
                events[row["id"]] = row["started_at"]
                here.add(row["id"])
                every_failed.add(row["id"])
            continue
        first = began[row["undoes_first_id"] or undone] if undone else now
        way = {one for one in here if undone and first <= began[one] <= began[undone]}
        if not way and undone not in every_failed | tried:
            events[row["id"]] = row["started_at"]
        if undone:
            tried.add(undone)
        if row["status"] == "succeeded" and row["only_service_id"] is None:
            here -= way
    return {one for one, at in events.items() if now - timedelta(days=30) < at <= now}


@dataclass
class Night:
    """Deployments and rollbacks, an hour apart."""

    world: World
    now: datetime
    count: int = 0

    def deploy(self, status: str) -> Deployment:
        return self._row(status=status)

    def roll_back(self, undoes: Deployment, status: str = "succeeded", first: Deployment | None = None) -> Deployment:
        return self._row(status=status, kind="rollback", undoes=undoes, undoes_first=first)

    def events(self) -> list[int]:
        return list(thresholds.failures(self.world.project, self.now).order_by("pk").values_list("pk", flat=True))

    def _row(self, **fields: Any) -> Deployment:
        self.count += 1
        begin = self.now - timedelta(days=2) + timedelta(hours=self.count)
        row = self.world.draft(key=f"night-{self.count}-{id(self)}")
        Deployment.objects.filter(pk=row.pk).update(
            started_at=begin, finished_at=begin + timedelta(minutes=30), **fields
        )
        row.refresh_from_db()
        return row


@pytest.fixture
def night(world: World) -> Night:
    return Night(world, datetime.now(UTC))


def test_a_failed_deployment_and_what_undid_it_are_one_event(night: Night) -> None:
    failed = night.deploy("failed")
    assert night.events() == [failed.pk]
    night.roll_back(failed, "failed")
    night.roll_back(failed)
    assert night.events() == [failed.pk]
    assert watching.watch(night.now) == []  # one bad night alone reaches nothing
    again = night.deploy("errored")
    assert night.events() == [failed.pk, again.pk]
    assert [row.rule for row in watching.watch(night.now)] == ["deploys", "failures"]


def test_a_rollback_of_one_that_succeeded_is_an_event_however_often_it_is_tried(night: Night) -> None:
    good = night.deploy("succeeded")
    assert night.events() == []
    tried = night.roll_back(good, "failed")
    night.roll_back(good)
    assert night.events() == [tried.pk]
    other = night.deploy("cancelled")
    back = night.roll_back(other)
    assert night.events() == [tried.pk, back.pk]


def test_a_rollback_of_several_belongs_to_the_failed_one_that_still_stood(night: Night) -> None:
    first, failed = night.deploy("succeeded"), night.deploy("failed")
    last = night.deploy("succeeded")
    night.roll_back(last, first=first)
    assert night.events() == [failed.pk]


def test_what_was_undone_before_takes_no_later_rollback_to_itself(night: Night) -> None:
    first, failed = night.deploy("succeeded"), night.deploy("failed")
    night.roll_back(failed)
    last = night.deploy("succeeded")
    back = night.roll_back(last, first=first)
    assert night.events() == [failed.pk, back.pk]


def test_an_event_is_of_the_month_in_which_it_began(night: Night) -> None:
    failed = night.deploy("failed")
    night.roll_back(failed)
    Deployment.objects.filter(pk=failed.pk).update(started_at=night.now - timedelta(days=31))
    assert night.events() == []


def test_the_page_says_how_events_are_counted_and_lists_them(client: Client, night: Night) -> None:
    client.force_login(night.world.requester)
    client.cookies["django_language"] = "en"
    failed = night.deploy("failed")
    night.roll_back(failed)
    words = text_of(client.get(reverse("releases:insights_thresholds")))
    assert "a failed deployment and its rollbacks count once" in words
    address = reverse("releases:insights_threshold_deployments")
    answer = client.get(f"{address}?project={night.world.project.pk}&rule=failures")
    assert [row.pk for row in answer.context["page_obj"]] == [failed.pk]
    assert "Each row is one event" in text_of(answer)


def test_a_threshold_is_reached_not_connected_to(client: Client, world: World) -> None:
    client.force_login(world.requester)
    client.cookies["django_language"] = "ko"
    words = text_of(client.get(reverse("releases:insights_thresholds")))
    assert "도달하지 않음" in words
    assert "연결 안 됨" not in words
