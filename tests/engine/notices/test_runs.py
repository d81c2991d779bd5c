"""A run drives its announcement through every state, and channels hear of each, in order, in their language."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings

from releases import lifecycle
from releases.audit import Actor, verify
from releases.engine import decide, driver, start
from releases.models import Announcement, Channel, Delivery, Deployment
from tests.engine.notices.conftest import deliver
from tests.engine.notices.receivers import Mailbox, Webhook
from tests.engine.test_driver import step
from tests.factories import World, make_world, save_version

pytestmark = pytest.mark.django_db(transaction=True)

ANNOUNCE = """
  - key: announce
    title: {ko: 공지, en: Announce}
    role: 운영팀
    phase: prepare
    action: announce
    estimate: 60
    parameters: {state: scheduled, title: {ko: "점검 ({version})", en: "Maintenance ({version})"}}"""
DONE = """
  - key: announce_done
    title: {ko: 정상화, en: Back}
    role: 운영팀
    phase: finish
    action: announce
    estimate: 60
    parameters: {state: done}"""
HEAD = "kind: {kind}\ntitle: {{ko: 시험, en: Test}}\nsteps:\n"


def text_of(*steps: str, kind: str = "deploy") -> str:
    return HEAD.format(kind=kind) + "\n".join(line.strip("\n") for line in steps) + "\n"


def away(command: str = "true") -> list[str]:
    """The steps of a downtime; `command` runs within it."""
    return [step("stop", opens_downtime="true"), step("replace", command), step("go", closes_downtime="true")]


@pytest.fixture
def world(data_dir: Path, settings: LazySettings) -> World:
    made = make_world(text_of(ANNOUNCE, *away(), DONE), approvals_required=0)
    Path(made.project.workspace()).mkdir(parents=True)
    back = made.project.runbooks.create(key="back", name="Back", kind="rollback")
    save_version(back, text_of(*away(), kind="rollback"))
    made.environment.rollback_runbook = back
    made.environment.save()
    return made


def begin(world: World, deployment: Deployment) -> Deployment:
    start.start(deployment, world.requester, Actor(world.requester), deployment.plan.digest)
    return go_on(deployment)


def go_on(deployment: Deployment) -> Deployment:
    driver.drive(deployment.pk)
    deployment.refresh_from_db()
    return deployment


def states(deployment: Deployment) -> list[str]:
    rows = Announcement.objects.get(deployment=deployment).revisions.order_by("pk")
    return list(rows.values_list("state", flat=True))


def test_a_deployment_and_a_rollback_are_told_through_all_states(
    world: World, webhook: Webhook, mailbox: Mailbox, listen: Callable[..., Channel]
) -> None:
    listen(world.project, webhook.address, language="en")
    listen(world.project, "users@example.com", kind="email", language="ko", audience="users")
    deployed = begin(world, world.draft())
    assert deployed.status == lifecycle.SUCCEEDED
    assert states(deployed) == ["scheduled", "in_progress", "verifying", "done"]
    deliver()
    assert webhook.titles == [
        "[Scheduled] Maintenance (v2.8.0)",
        "[In progress] Maintenance (v2.8.0)",
        "[Verifying] Maintenance (v2.8.0)",
        "[Done] Maintenance finished (v2.8.0)",  # the step leaves its words to the project
    ]
    assert mailbox.subjects[0] == "[예정됨] 점검 (v2.8.0)"
    assert mailbox.subjects[-1] == "[완료] 서비스 정상화 안내 (v2.8.0)"
    begin(world, world.draft(undoes=deployed))
    deliver()
    assert [title.partition("]")[0] for title in webhook.titles[4:]] == [
        "[Scheduled",
        "[In progress",
        "[Verifying",
        "[Done",
    ]
    assert webhook.titles[-1] == "[Done] The version before is back"
    assert len(mailbox.mails) == 8
    first = mailbox.mails[0]
    assert first.to == ["users@example.com"]
    assert f"https://wiki.example.com/announcements/{world.project.slug}/" in first.part("plain")
    assert "<li>" in first.part("html")
    assert first.message["Content-Language"] == "ko"
    assert not Delivery.objects.exclude(state="sent", attempts=1).exists()
    assert list(verify()) == []


def test_planned_and_real_times_stand_side_by_side(world: World) -> None:
    deployed = begin(world, world.draft())
    row = Announcement.objects.get(deployment=deployed)
    assert row.starts_at is not None and row.ends_at is not None and deployed.started_at is not None
    assert (row.starts_at - deployed.started_at).total_seconds() == 60  # the step before the downtime
    assert (row.ends_at - row.starts_at).total_seconds() == 30
    assert (row.began_at, row.ended_at) == (deployed.downtime_opened_at, deployed.downtime_closed_at)
    assert row.kind == "deploy"


def test_a_failure_within_the_downtime_stays_open_and_says_that_people_are_at_it(world: World) -> None:
    world.save_runbook(text_of(ANNOUNCE, *away("test -e mended"), DONE))
    failed = begin(world, world.draft())
    row = Announcement.objects.get(deployment=failed)
    assert (failed.status, row.state) == (lifecycle.FAILED, "in_progress")
    assert row.title_en == "Maintenance takes longer than planned"
    assert "People are at it" in row.body_en and "담당자" in row.body_ko
    assert list(row.notices.order_by("pk").values_list("event", flat=True)) == ["scheduled", "in_progress", "trouble"]
    (Path(world.project.workspace()) / "mended").touch()
    decide.retry(failed.steps.get(key="replace"), Actor(world.requester))
    row.refresh_from_db()
    assert (row.state, row.title_en) == ("in_progress", "Maintenance in progress (v2.8.0)")
    assert go_on(failed).status == lifecycle.SUCCEEDED
    row.refresh_from_db()
    assert row.state == "done"
    assert row.notices.filter(event="in_progress").count() == 1


def test_its_rollback_takes_over(world: World) -> None:
    world.save_runbook(text_of(ANNOUNCE, *away("false"), DONE))
    failed = begin(world, world.draft())
    rollback = begin(world, world.draft(undoes=failed))
    first, second = (Announcement.objects.get(deployment=run) for run in (failed, rollback))
    assert (first.state, second.state) == ("cancelled", "done")
    assert second.kind == "rollback"
    assert states(rollback) == ["scheduled", "in_progress", "verifying", "done"]
    assert not first.notices.filter(event="cancelled").exists()  # the rollback's own words are told


@pytest.mark.parametrize("command", ["false", "sleep 60"])
def test_stopped_before_the_downtime_it_is_called_off_and_a_retry_announces_it_again(
    world: World, command: str, webhook: Webhook, listen: Callable[..., Channel]
) -> None:
    listen(world.project, webhook.address)
    world.save_runbook(
        text_of(ANNOUNCE, step("check", f"test -e mended || {command}", estimate=1, timeout=1), *away(), DONE)
    )
    stopped = begin(world, world.draft())
    row = Announcement.objects.get(deployment=stopped)
    assert row.state == "cancelled"
    assert "Nothing was changed" in row.body_en
    (Path(world.project.workspace()) / "mended").touch()
    decide.retry(stopped.steps.get(key="check"), Actor(world.requester))
    assert go_on(stopped).status == lifecycle.SUCCEEDED
    deliver()
    marks = [title.partition("]")[0][1:] for title in webhook.titles]
    assert marks == ["Scheduled", "Cancelled", "Scheduled", "In progress", "Verifying", "Done"]


def test_a_run_that_announces_nothing_is_not_announced(world: World) -> None:
    world.save_runbook(text_of(*away()))
    begin(world, world.draft())
    assert not Announcement.objects.exists()


def test_a_draft_that_was_announced_is_called_off_with_it(world: World) -> None:
    from releases.notices import states as writer

    draft = world.draft()
    writer.of_run(draft, "scheduled", None, Actor(world.requester))
    decide.put_away(draft, Actor(world.requester))
    assert Announcement.objects.get().state == "cancelled"
