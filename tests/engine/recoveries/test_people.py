"""Emergency rollbacks that a person asks for, on a real host; no promise of the engine is given up for them."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils.translation import override

from releases import lifecycle
from releases.audit import Actor, verify
from releases.engine import clock, recovering, start
from releases.engine.errors import Blocked, EngineError
from releases.models import (
    Announcement,
    AuditEvent,
    Backup,
    Deployment,
    Host,
    Recovery,
)
from tests.engine.recoveries.steps import NEW, OLD, SQL, ask, the_one, worked_off
from tests.engine.team import Team

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_person_rolls_back_without_approvals(team: Team) -> None:
    before = team.seen()
    deployed = team.deploy("v2", SQL)
    found = worked_off(ask(team, deployed))
    assert (found.ending, found.problem) == ("succeeded", "")
    rollback = found.rollback
    assert rollback is not None and rollback.status == lifecycle.SUCCEEDED
    assert team.seen() == before
    assert not rollback.approvals.exists()
    assert rollback.started_by == team.world.requester
    events = list(AuditEvent.objects.filter(action__in=["recovery.ask", "deployment.start_emergency"]))
    assert {event.detail["reason"] for event in events} == {"orders are lost"}
    assert Announcement.objects.get(deployment=rollback).state == "done"
    assert list(verify()) == []


def test_a_reason_is_asked_for(team: Team) -> None:
    deployed = team.deploy("v2")
    with override("en"), pytest.raises(EngineError, match=r"^Reason: say why"):
        ask(team, deployed, "  ")
    assert not Recovery.objects.exists()


def test_nothing_but_a_rollback_gets_past_the_consents(team: Team) -> None:
    deployed, draft = team.deploy("v2"), team.draft("v3")
    found = ask(team, deployed)
    Recovery.objects.filter(pk=found.pk).update(rollback=draft)
    found.refresh_from_db()
    with override("en"), pytest.raises(EngineError, match="Only a rollback"):
        start.start_in_emergency(found)
    draft.refresh_from_db()
    assert draft.status == lifecycle.DRAFT
    assert ask_twice_is_refused(team, deployed)


def ask_twice_is_refused(team: Team, deployed: Deployment) -> bool:
    """While a recovery is open, another person's word replaces it; while its rollback runs, there is none."""
    Recovery.objects.update(rollback=None)
    second = ask(team, deployed, "again")
    assert Recovery.objects.filter(ended_at__isnull=True).get() == second
    recovering.carry_out(second.pk)
    with pytest.raises(EngineError):
        ask(team, deployed, "and again")
    return Recovery.objects.filter(ended_at__isnull=True).get() == second


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (lambda team: Backup.objects.filter(name=".next.bak").update(refuted_at=clock.now()), "can't be restored"),
        (lambda team: Backup.objects.filter(kind="files").update(deployment=None), "backup"),
    ],
)
def test_what_could_do_harm_still_shuts_the_gate(team: Team, harm: Callable[[Team], object], code: str) -> None:
    deployed = team.deploy("v2")
    asked = ask(team, deployed)
    harm(team)
    with override("en"):
        found = worked_off(asked)
        assert found.ending == "impossible" and code in found.problem
        with pytest.raises(EngineError, match=code):
            ask(team, deployed)
    assert team.seen()[:2] == NEW
    assert not Deployment.objects.filter(undoes=deployed, started_at__isnull=False).exists()


def test_a_lock_is_waited_for_but_not_for_long(team: Team) -> None:
    from releases.engine import locks

    deployed = team.deploy("v2")
    user = team.world.approver
    found = ask(team, deployed)
    locks.lock(team.environment, user, Actor(user), "not now", timedelta(hours=1))
    recovering.carry_out(found.pk)
    assert the_one().ended_at is None
    assert Deployment.objects.get(undoes=deployed).status == lifecycle.DRAFT
    with pytest.raises(Blocked):
        ask(team, deployed)
    locks.unlock(team.environment, Actor(user), "")
    assert worked_off(found).ending == "succeeded"


def test_a_host_that_is_away_ends_it_with_a_sentence(team: Team) -> None:
    deployed = team.deploy("v2")
    team.stage.server.stop()
    Host.objects.update(last_checked_at=None)
    found = ask(team, deployed)
    recovering.carry_out(found.pk)
    assert the_one().ended_at is None
    past = clock.now() - recovering.PATIENCE - timedelta(seconds=1)
    Recovery.objects.update(starts_at=past)
    recovering.carry_out(found.pk)
    assert the_one().ended_at is None, "it was only just able to begin"
    Deployment.objects.filter(pk=deployed.pk).update(finished_at=past)
    recovering.carry_out(found.pk)
    assert the_one().ending == "impossible" and "prod-1" in the_one().problem


def test_what_runs_is_aborted_first_and_rolled_back_when_it_has_ended(team: Team) -> None:
    team.deploy_steps.append(team.step("slow", "shell", {"command": "sleep 60"}))
    team.world.save_runbook(team.deploy_runbook())
    draft = team.draft("v2")
    thread = threading.Thread(target=lambda: (team.run(draft), connection.close()))
    thread.start()
    team.until(lambda: draft.steps.filter(key="slow", status=lifecycle.RUNNING).exists())
    found = ask(team, Deployment.objects.get(pk=draft.pk), "wrong release")
    recovering.carry_out(found.pk)
    assert the_one().rollback is None, "nothing before the abort has really ended"
    thread.join(30)
    draft.refresh_from_db()
    assert (draft.status, draft.cancelled_by) == (lifecycle.CANCELLED, team.world.requester)
    assert worked_off(found).ending == "succeeded"
    assert team.seen()[:2] == OLD


def test_an_unknown_step_waits_for_a_person_as_ever(team: Team) -> None:
    deployed = team.deploy("v2")
    Deployment.objects.filter(pk=deployed.pk).update(status=lifecycle.UNKNOWN, finished_at=None)
    found = ask(team, Deployment.objects.get(pk=deployed.pk))
    for _turn in range(3):
        recovering.carry_out(found.pk)
    assert the_one().ended_at is None and the_one().rollback is None
    waiting = Deployment.objects.get(pk=deployed.pk)
    assert waiting.status == lifecycle.UNKNOWN, "nobody but a person says how it ended"
    assert waiting.cancelled_by == team.world.requester, "and then nothing more of it is begun"
