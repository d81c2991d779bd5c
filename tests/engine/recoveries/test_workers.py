"""Workers that carry out emergency rollbacks: several at once, dead ones, late ones, and a no at the same moment."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection

from releases.audit import Actor
from releases.engine import clock, driver, recovering, recovery, start
from releases.engine.errors import Conflict
from releases.models import (
    Announcement,
    Deployment,
    Recovery,
)
from tests.engine.recoveries.steps import ask, the_one, worked_off
from tests.engine.team import Team

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_worker_that_dies_is_followed_by_another(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after each write; the next one goes on, and one rollback comes of it."""
    deployed = team.deploy("v2")
    found = ask(team, deployed)
    for place in ("roll_back.draft", "prepare.rebuild", "enrolment.check_environment", "start.start_in_emergency"):
        module, name = place.split(".")
        with monkeypatch.context() as patched:
            real = getattr(getattr(recovering, module), name)

            def dies(*arguments: Any, work: Callable[..., Any] = real) -> None:
                work(*arguments)
                raise SystemExit

            patched.setattr(getattr(recovering, module), name, dies)
            with pytest.raises(SystemExit):
                recovering.carry_out(found.pk)
    assert worked_off(found).ending == "succeeded"
    assert Deployment.objects.filter(undoes=deployed).count() == 1
    states = Announcement.objects.get().revisions.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["in_progress", "verifying", "done"]


def test_ten_workers_at_once_start_one_rollback(team: Team, messages: list[tuple[Any, ...]]) -> None:
    deployed = team.deploy("v2")
    found = ask(team, deployed)
    assert ("recover", found.pk) in messages

    def work() -> None:
        recovering.carry_out(found.pk)
        connection.close()

    threads = [threading.Thread(target=work) for _worker in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Deployment.objects.filter(undoes=deployed, started_at__isnull=False).count() == 1
    assert worked_off(found).ending == "succeeded"


def carry(found: Recovery) -> None:
    recovering.carry_out(found.pk)
    connection.close()


def test_a_no_and_a_start_at_once_end_as_one_of_them(team: Team) -> None:
    deployed = team.deploy("v2")
    user = team.world.approver
    for _race in range(5):
        found = ask(team, deployed)
        said: list[str] = []

        def no(one: Recovery = found, heard: list[str] = said) -> None:
            try:
                recovery.refuse(one, user, Actor(user))
                heard.append("no")
            except Conflict:
                heard.append("late")
            connection.close()

        threads = [threading.Thread(target=no), threading.Thread(target=carry, args=(found,))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        started = Deployment.objects.filter(recovery=found, started_at__isnull=False).exists()
        assert started == (said == ["late"])
        if started:
            assert worked_off(found).ending == "succeeded"
            return
    assert not Deployment.objects.filter(undoes=deployed, started_at__isnull=False).exists()


def _waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return int(cursor.fetchone()[0])


def test_a_no_that_waits_for_the_start_comes_too_late(team: Team) -> None:
    """It waits for the row that the start holds, and must then see what the start did."""
    deployed = team.deploy("v2")
    found, user = ask(team, deployed), team.world.approver
    began, said = threading.Event(), []
    real = start.move_deployment

    def slowly(*arguments: Any, **fields: Any) -> None:
        real(*arguments, **fields)
        began.set()
        team.until(lambda: _waiting_for_locks() > 0)

    def no() -> None:
        began.wait(30)
        try:
            recovery.refuse(found, user, Actor(user))
            said.append("no")
        except Conflict:
            said.append("late")
        connection.close()

    thread = threading.Thread(target=no)
    thread.start()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(start, "move_deployment", slowly)
        recovering.carry_out(found.pk)
    thread.join(30)
    assert said == ["late"]
    assert worked_off(found).ending == "succeeded"


def test_waiting_ones_are_told_to_workers_again(
    team: Team, messages: list[tuple[Any, ...]], settings: LazySettings
) -> None:
    found = ask(team, team.deploy("v2"))
    messages.clear()
    recovering.send_again()
    assert messages == [("recover", found.pk)]
    Recovery.objects.update(busy_until=clock.now() + timedelta(minutes=1))
    recovering.send_again()
    recovering.carry_out(found.pk)
    assert len(messages) == 1 and not Deployment.objects.filter(undoes=found.deployment).exists()


@pytest.mark.parametrize("late", ["impossible", "conflict"])
def test_a_worker_that_wakes_late_spoils_nothing(team: Team, monkeypatch: pytest.MonkeyPatch, late: str) -> None:
    """It slept while another one took the recovery up and started its rollback."""
    deployed = team.deploy("v2")
    found = ask(team, deployed)
    real = recovering.enrolment.check_environment

    def sleeps(*arguments: Any) -> Any:
        monkeypatch.setattr(recovering.enrolment, "check_environment", real)
        past = clock.now() - timedelta(hours=1)
        Recovery.objects.update(busy_until=past, **({"starts_at": past} if late == "conflict" else {}))
        recovering.carry_out(found.pk)
        return real(*arguments)

    monkeypatch.setattr(recovering.enrolment, "check_environment", sleeps)
    recovering.carry_out(found.pk)
    assert the_one().ended_at is None and the_one().has_run
    assert worked_off(found).ending == "succeeded"


def test_a_worker_that_dies_at_the_end_has_told_the_users(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ask(team, team.deploy("v2"))
    recovering.carry_out(found.pk)
    rollback = the_one().rollback
    assert rollback is not None
    driver.drive(rollback.pk)

    def dies(*_arguments: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(recovering, "end", dies)
        with pytest.raises(SystemExit):
            recovering.carry_out(found.pk)
    assert worked_off(found).ending == "succeeded"
    assert Announcement.objects.get(deployment=rollback).state == "done"


def test_our_own_fault_ends_with_a_sentence(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ask(team, team.deploy("v2"))

    def broken(*_arguments: Any) -> None:
        raise ValueError("no such thing")

    monkeypatch.setattr(recovering.prepare, "rebuild", broken)
    recovering.carry_out(found.pk)
    assert the_one().ended_at is None
    past = clock.now() - timedelta(hours=1)
    Recovery.objects.update(starts_at=past)
    Deployment.objects.filter(pk=found.deployment_id).update(finished_at=past)
    recovering.carry_out(found.pk)
    assert (the_one().ending, the_one().problem) == ("impossible", "ValueError: no such thing")


def test_nobody_can_take_the_key_of_its_draft(team: Team) -> None:
    found = ask(team, team.deploy("v2"))
    team.draft_back(found.deployment, f"recovery-{found.pk}")
    assert worked_off(found).ending == "succeeded"
