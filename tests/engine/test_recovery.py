"""Emergency rollbacks: by a person and by a rule, on a real host; no promise of the engine is given up for them."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.utils.translation import override

from releases import lifecycle
from releases.audit import Actor, verify
from releases.engine import clock, decide, driver, recovery, start, wake
from releases.engine.errors import Blocked, Conflict, EngineError
from releases.models import (
    Announcement,
    AuditEvent,
    Backup,
    Deployment,
    Environment,
    Host,
    Outage,
    Probe,
    ProbeResult,
    Recovery,
    Service,
)
from tests.engine.team import Team

pytestmark = pytest.mark.django_db(transaction=True)

DEAF = {"urls": ["http://127.0.0.1:1/health"], "from": "host", "status": 200, "attempts": 1}
OLD = ("old\n", "old\n")
NEW = ("new\n", "new\n")
SQL = "ALTER TABLE meal ADD tag text; UPDATE meal SET name = 'new';"


@pytest.fixture(autouse=True)
def messages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What workers are told; the tests are the workers."""
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr(wake, "send", lambda *told, **_more: sent.append(told) or True)
    return sent


@pytest.fixture
def automatic(team: Team) -> Callable[..., None]:
    """Change the environment's rules."""

    def changed(mode: str = "on", **rules: Any) -> None:
        Environment.objects.filter(pk=team.environment.pk).update(automatic_rollback=mode, **rules)
        team.environment.refresh_from_db()

    return changed


def ask(team: Team, deployment: Deployment, reason: str = "orders are lost") -> Recovery:
    user = team.world.requester
    return recovery.ask(deployment, user, Actor(user), reason)


def worked_off(found: Recovery) -> Recovery:
    """As workers do it: told again and again, until it has ended."""
    for _turn in range(10):
        recovery.carry_out(found.pk)
        found = Recovery.objects.select_related("deployment", "rollback").get(pk=found.pk)
        if found.ended_at is not None:
            break
        for one in filter(None, (found.deployment, found.rollback)):
            if one.status in {lifecycle.RUNNING, lifecycle.CANCELLING}:
                driver.drive(one.pk)
    return found


def the_one() -> Recovery:
    return Recovery.objects.get()


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
    recovery.carry_out(second.pk)
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
    harm(team)
    with override("en"):
        found = worked_off(ask(team, deployed))
        assert found.ending == "impossible" and code in found.problem
    assert team.seen()[:2] == NEW
    assert not Deployment.objects.filter(undoes=deployed, started_at__isnull=False).exists()


def test_a_lock_is_waited_for_but_not_for_long(team: Team) -> None:
    from releases.engine import locks

    deployed = team.deploy("v2")
    user = team.world.approver
    locks.lock(team.environment, user, Actor(user), "not now", timedelta(hours=1))
    found = ask(team, deployed)
    recovery.carry_out(found.pk)
    assert the_one().ended_at is None
    assert Deployment.objects.get(undoes=deployed).status == lifecycle.DRAFT
    locks.unlock(team.environment, Actor(user), "")
    assert worked_off(found).ending == "succeeded"


def test_a_host_that_is_away_ends_it_with_a_sentence(team: Team) -> None:
    deployed = team.deploy("v2")
    team.stage.server.stop()
    Host.objects.update(last_checked_at=None)
    found = ask(team, deployed)
    recovery.carry_out(found.pk)
    assert the_one().ended_at is None
    Recovery.objects.update(starts_at=clock.now() - recovery.PATIENCE - timedelta(seconds=1))
    recovery.carry_out(found.pk)
    assert the_one().ending == "impossible" and "prod-1" in the_one().problem


def test_what_runs_is_aborted_first_and_rolled_back_when_it_has_ended(team: Team) -> None:
    team.deploy_steps.append(team.step("slow", "shell", {"command": "sleep 60"}))
    team.world.save_runbook(team.deploy_runbook())
    draft = team.draft("v2")
    thread = threading.Thread(target=lambda: (team.run(draft), connection.close()))
    thread.start()
    team.until(lambda: draft.steps.filter(key="slow", status=lifecycle.RUNNING).exists())
    found = ask(team, Deployment.objects.get(pk=draft.pk), "wrong release")
    recovery.carry_out(found.pk)
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
        recovery.carry_out(found.pk)
    assert the_one().ended_at is None and the_one().rollback is None


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
    recovery.carry_out(found.pk)
    assert the_one().rollback is None
    user = team.world.approver
    recovery.refuse(found, user, Actor(user))
    assert (the_one().ending, the_one().ended_by) == ("refused", user)
    with pytest.raises(Conflict):
        recovery.hurry(found, Actor(user))
    recovery.watch()
    recovery.carry_out(found.pk)
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
    Recovery.objects.update(starts_at=clock.now())
    recovery.carry_out(the_one().pk)
    assert the_one().ending == "refused"
    assert Deployment.objects.get(pk=deployed.pk).status == lifecycle.RUNNING


def test_a_critical_line_rolls_back(team: Team, automatic: Callable[..., None]) -> None:
    automatic("on")
    said = {"commands": ["echo FATAL no memory; sleep 9"], "seconds": 3, "fail_on": ["FATAL"]}
    team.verify("watch_logs", said)
    deployed = team.try_deploy("v2")
    assert deployed.status == lifecycle.FAILED, [(s.key, s.status, s.reason) for s in deployed.steps.all()]
    recovery.watch()
    assert the_one().rule == "log"


def answers(team: Team, *ok: bool, ago: float = 0) -> Probe:
    """A health check of the environment, and how it was answered since; the newest last."""
    service = Service.objects.filter(project=team.world.project).first()
    assert service is not None
    probe, _made = Probe.objects.get_or_create(
        environment=team.environment, service=service, defaults={"url": "http://127.0.0.1:1/"}
    )
    for place, answer in enumerate(ok):
        at = clock.now() + timedelta(seconds=place - ago)
        ProbeResult.objects.create(probe=probe, at=at, ok=answer, milliseconds=1)
    return probe


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


def test_what_was_ill_before_is_not_the_release_s_fault(team: Team, automatic: Callable[..., None]) -> None:
    automatic("on")
    Outage.objects.create(probe=answers(team), started_at=clock.now())
    team.deploy("v2")
    answers(team, False, False, False)
    recovery.watch()
    assert not Recovery.objects.exists()


@pytest.mark.parametrize(
    "case", ["off", "no rule", "too late", "cancelled", "no runbook", "a rollback", "a check before the change"]
)
def test_what_is_not_rolled_back(team: Team, automatic: Callable[..., None], case: str) -> None:
    automatic("off" if case == "off" else "on", rollback_on_page=case != "no rule")
    team.verify("http_check", DEAF)
    deployed = team.try_deploy("v2")
    changes: dict[str, Callable[[], object]] = {
        "too late": lambda: _set(deployed, finished_at=clock.now() - timedelta(minutes=31)),
        "cancelled": lambda: _set(deployed, status=lifecycle.CANCELLED),
        "no runbook": lambda: automatic("on", rollback_runbook=None),
        "a rollback": lambda: worked_off(ask(team, deployed)),
        "a check before the change": lambda: deployed.steps.filter(key="check").update(phase="prepare"),
    }
    changes.get(case, lambda: None)()
    recovery.watch()
    assert not Recovery.objects.exclude(rule="person").exists()


def _set(deployment: Deployment, **fields: Any) -> None:
    Deployment.objects.filter(pk=deployment.pk).update(**fields)


def test_a_downtime_over_its_budget_aborts_and_rolls_back(team: Team, automatic: Callable[..., None]) -> None:
    automatic("on", downtime_budget=600)
    deployed = team.deploy("v2")
    began = clock.now() - timedelta(seconds=700)
    _set(deployed, status=lifecycle.RUNNING, finished_at=None, started_at=began, downtime_opened_at=began)
    _set(deployed, downtime_closed_at=None)
    recovery.watch()
    found = the_one()
    assert (found.rule, found.facts["budget"]) == ("downtime", 600) and found.facts["seconds"] >= 700
    recovery.carry_out(found.pk)
    assert Deployment.objects.get(pk=deployed.pk).status == lifecycle.CANCELLING


def test_a_worker_that_dies_is_followed_by_another(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after each write; the next one goes on, and one rollback comes of it."""
    deployed = team.deploy("v2")
    found = ask(team, deployed)
    for place in ("roll_back.draft", "prepare.rebuild", "enrolment.check_environment", "start.start_in_emergency"):
        module, name = place.split(".")
        with monkeypatch.context() as patched:
            real = getattr(getattr(recovery, module), name)

            def dies(*arguments: Any, work: Callable[..., Any] = real) -> None:
                work(*arguments)
                raise SystemExit

            patched.setattr(getattr(recovery, module), name, dies)
            with pytest.raises(SystemExit):
                recovery.carry_out(found.pk)
    assert worked_off(found).ending == "succeeded"
    assert Deployment.objects.filter(undoes=deployed).count() == 1
    assert Announcement.objects.get().revisions.count() == 2


def test_ten_workers_at_once_start_one_rollback(team: Team, messages: list[tuple[Any, ...]]) -> None:
    deployed = team.deploy("v2")
    found = ask(team, deployed)
    assert ("recover", found.pk) in messages

    def work() -> None:
        recovery.carry_out(found.pk)
        connection.close()

    threads = [threading.Thread(target=work) for _worker in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Deployment.objects.filter(undoes=deployed, started_at__isnull=False).count() == 1
    assert worked_off(found).ending == "succeeded"


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


def carry(found: Recovery) -> None:
    recovery.carry_out(found.pk)
    connection.close()


def test_waiting_ones_are_told_to_workers_again(
    team: Team, messages: list[tuple[Any, ...]], settings: LazySettings
) -> None:
    found = ask(team, team.deploy("v2"))
    messages.clear()
    recovery.send_again()
    assert messages == [("recover", found.pk)]
    Recovery.objects.update(busy_until=clock.now() + timedelta(minutes=1))
    recovery.send_again()
    recovery.carry_out(found.pk)
    assert len(messages) == 1 and not Deployment.objects.filter(undoes=found.deployment).exists()
