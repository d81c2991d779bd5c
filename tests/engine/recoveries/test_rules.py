"""Rollbacks by a rule of the environment: when it is broken, when it is not, and what a person may say."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils.translation import override

from releases import lifecycle
from releases.audit import Actor
from releases.engine import clock, decide, driver, recovering, recovery, start
from releases.engine.errors import Blocked, Conflict, EngineError
from releases.models import (
    Deployment,
    Recovery,
)
from tests.engine.recoveries.steps import DEAF, NEW, OLD, SQL, answers, ask, change, the_one, worked_off
from tests.engine.team import Team

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_failed_check_rolls_back_by_itself(team: Team, automatic: Callable[..., None]) -> None:
    before = team.seen()
    automatic("on")
    team.verify("http_check", DEAF)
    deployed = team.try_deploy("v2", SQL)
    assert deployed.status == lifecycle.FAILED
    recovery.watch()
    found = worked_off(the_one())
    assert (found.rule, found.ending) == ("page", "succeeded")
    assert found.rollback is not None and found.rollback.started_by is None
    assert team.seen() == before
    with override("en"):
        assert found.because() == "Step 5, Test: a page does not answer as it should"
    recovery.watch()
    assert the_one() == found, "a rule is broken once"


def test_after_it_the_release_and_the_rules_wait_for_a_person(team: Team, automatic: Callable[..., None]) -> None:
    automatic("on")
    team.verify("http_check", DEAF)
    first = team.try_deploy("v2")
    recovery.watch()
    found = worked_off(the_one())
    again = team.draft_of(first.release)
    with pytest.raises(Blocked) as refused:
        team.run(again)
    assert [blocker.code for blocker in refused.value.blockers] == ["withheld"]
    second = team.try_deploy("v3")
    assert second.status == lifecycle.FAILED
    recovery.watch()
    assert the_one() == found, "no rule counts before somebody has looked"
    user = team.world.approver
    with override("en"), pytest.raises(EngineError, match=r"^Reason"):
        recovery.clear(found, user, Actor(user), " ")
    recovery.clear(found, user, Actor(user), "the proxy was wrong")
    with pytest.raises(Conflict):
        recovery.clear(found, user, Actor(user), "twice")
    assert not [blocker for blocker in start.blockers(again) if blocker.code == "withheld"]
    recovery.watch()
    assert Recovery.objects.filter(deployment=second).exists()


def test_a_person_has_a_minute_to_say_no(team: Team, automatic: Callable[..., None]) -> None:
    automatic("ask")
    team.verify("http_check", DEAF)
    team.try_deploy("v2")
    recovery.watch()
    found = the_one()
    assert timedelta(seconds=50) < found.starts_at - found.asked_at <= timedelta(seconds=61)
    recovering.carry_out(found.pk)
    assert the_one().rollback is None
    user = team.world.approver
    recovery.refuse(found, user, Actor(user))
    assert (the_one().ending, the_one().ended_by) == ("refused", user)
    with pytest.raises(Conflict):
        recovery.hurry(found, Actor(user))
    recovery.watch()
    recovering.carry_out(found.pk)
    assert the_one().rollback is None and team.seen()[:2] == NEW


def test_or_does_not_wait_for_it(team: Team, automatic: Callable[..., None]) -> None:
    automatic("ask")
    team.verify("http_check", DEAF)
    team.try_deploy("v2")
    recovery.watch()
    recovery.hurry(the_one(), Actor(team.world.approver))
    assert worked_off(the_one()).ending == "succeeded"
    assert team.seen()[:2] == OLD


def test_who_tries_the_step_again_has_taken_charge(team: Team, automatic: Callable[..., None]) -> None:
    automatic("ask")
    team.verify("http_check", DEAF)
    deployed = team.try_deploy("v2")
    recovery.watch()
    decide.retry(deployed.steps.get(key="check"), Actor(team.world.requester))
    recovering.carry_out(the_one().pk)
    assert the_one().ending == "refused", "at once, not when the minute is over: it may have succeeded by then"
    assert Deployment.objects.get(pk=deployed.pk).status == lifecycle.RUNNING
    driver.drive(deployed.pk)
    recovery.watch()
    assert Recovery.objects.filter(ended_at=None).exists(), "it failed anew, and the rules count anew"


def test_who_cancels_in_the_minute_has_taken_charge(team: Team, automatic: Callable[..., None]) -> None:
    automatic("ask", downtime_budget=600)
    deployed = team.deploy("v2")
    began = clock.now() - timedelta(seconds=700)
    change(deployed, status=lifecycle.RUNNING, finished_at=None, started_at=began, downtime_opened_at=began)
    change(deployed, downtime_closed_at=None)
    recovery.watch()
    decide.cancel(Deployment.objects.get(pk=deployed.pk), Actor(team.world.requester))
    recovering.carry_out(the_one().pk)
    assert the_one().ending == "refused"


def test_a_critical_line_rolls_back(team: Team, automatic: Callable[..., None]) -> None:
    automatic("on")
    said = {"commands": ["echo FATAL no memory; sleep 9"], "seconds": 3, "fail_on": ["FATAL"]}
    team.verify("watch_logs", said)
    deployed = team.try_deploy("v2")
    assert deployed.status == lifecycle.FAILED, [(s.key, s.status, s.reason) for s in deployed.steps.all()]
    recovery.watch()
    assert the_one().rule == "log"


def test_health_checks_that_fail_in_a_row_roll_back(team: Team, automatic: Callable[..., None]) -> None:
    automatic("on")
    answers(team, False, False, False, ago=600)  # long before
    team.deploy("v2")
    answers(team, False, False, True, False, False)
    recovery.watch()
    assert not Recovery.objects.exists()
    answers(team, False, False, False, ago=-20)
    recovery.watch()
    assert (the_one().rule, the_one().facts) == ("health", {"service": "Backend", "number": 3})


def test_what_is_well_again_is_left_alone(team: Team, automatic: Callable[..., None]) -> None:
    automatic("ask")
    team.deploy("v2")
    answers(team, False, False, False)
    recovery.watch()
    answers(team, True, ago=-10)
    recovering.carry_out(the_one().pk)
    assert the_one().ending == "refused" and the_one().ended_by is None
    answers(team, False, False, False, ago=-20)
    recovery.watch()
    assert Recovery.objects.filter(ended_at=None).exists(), "ill again: asked again"


def test_rules_that_are_switched_off_in_the_minute_do_nothing(team: Team, automatic: Callable[..., None]) -> None:
    automatic("ask")
    team.verify("http_check", DEAF)
    team.try_deploy("v2")
    recovery.watch()
    automatic("off")
    Recovery.objects.update(starts_at=clock.now())
    recovering.carry_out(the_one().pk)
    assert the_one().ending == "refused" and team.seen()[:2] == NEW


def test_a_no_to_one_rule_is_a_no(team: Team, automatic: Callable[..., None]) -> None:
    automatic("on")
    team.deploy("v2")
    answers(team, False, False, False)
    recovery.watch()
    recovery.refuse(the_one(), team.world.approver, Actor(team.world.approver))
    recovery.watch()
    assert the_one().ending == "refused"


def test_a_person_s_word_takes_the_place_of_a_rule_s(team: Team, automatic: Callable[..., None]) -> None:
    automatic("ask")
    team.verify("http_check", DEAF)
    deployed = team.try_deploy("v2")
    recovery.watch()
    by_rule = the_one()
    by_person = ask(team, deployed)
    by_rule.refresh_from_db()
    assert (by_rule.ending, by_rule.ended_by) == ("refused", team.world.requester)
    assert worked_off(by_person).ending == "succeeded"
    assert Deployment.objects.filter(undoes=deployed).count() == 1


def test_a_downtime_over_its_budget_aborts_and_rolls_back(team: Team, automatic: Callable[..., None]) -> None:
    automatic("on", downtime_budget=600)
    deployed = team.deploy("v2")
    began = clock.now() - timedelta(seconds=700)
    change(deployed, status=lifecycle.RUNNING, finished_at=None, started_at=began, downtime_opened_at=began)
    change(deployed, downtime_closed_at=None)
    recovery.watch()
    found = the_one()
    assert (found.rule, found.facts["budget"]) == ("downtime", 600)
    assert found.facts["seconds"] >= 700
    recovering.carry_out(found.pk)
    assert Deployment.objects.get(pk=deployed.pk).status == lifecycle.CANCELLING
