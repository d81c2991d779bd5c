"""Announcements keep every wording; a wait survives whoever waits."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from releases.actions import registry
from releases.actions.base import DirectAction, ManualAction
from releases.models import Announcement, AuditEvent, Step
from tests.engine.stage import STEP, Stage

TITLE = {"ko": "점검 안내 ({version})", "en": "Maintenance ({version})"}


def test_one_announcement_a_deployment_with_every_wording_kept(stage: Stage) -> None:
    steps = [
        {**STEP, "action": "announce", "estimate": 300, "parameters": {"state": "scheduled", "title": TITLE}},
        {**STEP, "key": "stop", "action": "wait", "estimate": 60, "opens_downtime": True, "parameters": {"seconds": 0}},
        {**STEP, "key": "go", "action": "wait", "estimate": 420, "closes_downtime": True, "parameters": {"seconds": 0}},
    ]
    deployment = stage.draft(steps)
    Step.objects.filter(deployment=deployment).exclude(key="only").delete()
    done = stage.attempt(deployment)
    assert done.problem == ""
    announcement = Announcement.objects.get(deployment=deployment)
    assert announcement.title_ko == "점검 안내 (v2.8.0)"
    assert announcement.state == "scheduled"
    assert announcement.starts_at is not None and announcement.ends_at is not None
    assert announcement.ends_at - announcement.starts_at == timedelta(minutes=8)
    assert abs(announcement.starts_at - timezone.now() - timedelta(seconds=300)) < timedelta(minutes=1)
    action = registry.find("announce")
    assert isinstance(action, DirectAction)
    action.run(done.context)
    assert announcement.revisions.count() == 1
    done.context.planned.parameters["state"] = "done"  # type: ignore[index]
    action.run(done.context)
    announcement.refresh_from_db()
    assert announcement.state == "done"
    assert sorted(announcement.revisions.values_list("state", flat=True)) == ["done", "scheduled"]
    assert AuditEvent.objects.filter(action="announcement.post", deployment=deployment).count() == 2


def test_a_wait_counts_from_the_beginning_of_the_attempt(stage: Stage) -> None:
    deployment = stage.draft([{**STEP, "action": "wait", "estimate": 1, "parameters": {"seconds": 1}}])
    began = time.monotonic()
    done = stage.attempt(deployment)
    assert time.monotonic() - began >= 0.9
    assert done.log.startswith("$ sleep 1\n")
    done.context.attempt.created_at = timezone.now() - timedelta(hours=1)
    done.context.planned.parameters["seconds"] = 3000  # type: ignore[index]
    action = registry.find("wait")
    assert isinstance(action, DirectAction)
    began = time.monotonic()
    action.run(done.context)
    assert time.monotonic() - began < 5


def test_a_wait_lets_go_when_told(stage: Stage) -> None:
    deployment = stage.draft(
        [{**STEP, "action": "wait", "estimate": 600, "timeout": 700, "parameters": {"seconds": 600}}]
    )
    began = time.monotonic()
    stage.attempt(deployment, stop=lambda: True)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("kind", sorted(registry.ACTIONS))
def test_each_kind_is_found(kind: str) -> None:
    assert registry.find(kind).kind == kind


def test_another_kind_is_not() -> None:
    with pytest.raises(KeyError):
        registry.find("rm -rf")
    assert isinstance(registry.find("manual"), ManualAction)
