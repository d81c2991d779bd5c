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
from releases.engine import clock, decide, driver, recovering, recovery, start, wake
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
from tests.factories import save_version

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
        recovering.carry_out(found.pk)
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
        "cancelled": lambda: _set(deployed, status=lifecycle.CANCELLED, cancel_requested_at=clock.now()),
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
    assert (found.rule, found.facts["budget"]) == ("downtime", 600)
    assert found.facts["seconds"] >= 700
    recovering.carry_out(found.pk)
    assert Deployment.objects.get(pk=deployed.pk).status == lifecycle.CANCELLING


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
    assert Announcement.objects.get().revisions.count() == 2


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
    recovering.carry_out(found.pk)
    connection.close()


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


def _waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return int(cursor.fetchone()[0])


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


def test_one_environment_that_breaks_us_does_not_stop_the_others(
    team: Team, automatic: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    automatic("on")
    team.verify("http_check", DEAF)
    deployed = team.try_deploy("v2")
    real = recovery.rollback_rules.broken

    def broken(one: Deployment, now: Any) -> Any:
        if one.pk is None:
            raise ValueError
        return real(one, now)

    monkeypatch.setattr(recovery.rollback_rules, "watched", lambda _now: [Deployment(), deployed])
    monkeypatch.setattr(recovery.rollback_rules, "broken", broken)
    recovery.watch()
    assert the_one().deployment == deployed


def test_what_can_not_go_back_is_not_aborted(team: Team, automatic: Callable[..., None]) -> None:
    """The downtime is over its budget, and the deployment backed up nothing: it is better left to run."""
    automatic("on", downtime_budget=600)
    deployed = team.deploy("v2")
    Backup.objects.update(deployment=None)
    began = clock.now() - timedelta(seconds=700)
    _set(deployed, status=lifecycle.RUNNING, finished_at=None, started_at=began, downtime_opened_at=began)
    _set(deployed, downtime_closed_at=None)
    recovery.watch()
    recovery.watch()
    assert the_one().ending == "impossible" and the_one().problem
    assert Deployment.objects.get(pk=deployed.pk).status == lifecycle.RUNNING
    with pytest.raises(EngineError):
        ask(team, deployed)


@pytest.mark.parametrize("case", ["ill before", "cancelling", "nothing changed", "downtime still open"])
def test_what_is_nobodys_fault_or_a_persons_is_not_rolled_back(
    team: Team, automatic: Callable[..., None], case: str
) -> None:
    automatic("on", downtime_budget=600)
    deployed = team.deploy("v2")
    began = clock.now() - timedelta(seconds=700)
    running = {"status": lifecycle.RUNNING, "finished_at": None, "started_at": began, "downtime_closed_at": None}
    if case in {"ill before", "cancelling"}:
        _set(deployed, downtime_opened_at=began, **running)
    if case == "ill before":
        Outage.objects.create(probe=answers(team), started_at=began - timedelta(days=3))
    elif case == "cancelling":
        _set(deployed, status=lifecycle.CANCELLING, cancel_requested_at=clock.now())
    elif case == "nothing changed":
        deployed.steps.update(phase="prepare")
        answers(team, False, False, False)
    else:
        _set(deployed, status=lifecycle.ERRORED, downtime_closed_at=None)
        answers(team, False, False, False)
    recovery.watch()
    assert not Recovery.objects.exists()


def test_a_stopped_deployment_whose_downtime_goes_on_has_the_budget_to_be_mended(
    team: Team, automatic: Callable[..., None]
) -> None:
    automatic("on", downtime_budget=600)
    deployed = team.deploy("v2")
    opened = clock.now() - timedelta(seconds=300)
    _set(deployed, status=lifecycle.ERRORED, downtime_opened_at=opened, downtime_closed_at=None)
    Outage.objects.create(probe=answers(team), started_at=clock.now())
    recovery.watch()
    assert not Recovery.objects.exists()
    _set(deployed, downtime_opened_at=clock.now() - timedelta(seconds=601))
    recovery.watch()
    assert the_one().rule == "downtime"
    assert worked_off(the_one()).ending == "succeeded"


def test_who_cancels_in_the_minute_has_taken_charge(team: Team, automatic: Callable[..., None]) -> None:
    automatic("ask", downtime_budget=600)
    deployed = team.deploy("v2")
    began = clock.now() - timedelta(seconds=700)
    _set(deployed, status=lifecycle.RUNNING, finished_at=None, started_at=began, downtime_opened_at=began)
    _set(deployed, downtime_closed_at=None)
    recovery.watch()
    decide.cancel(Deployment.objects.get(pk=deployed.pk), Actor(team.world.requester))
    recovering.carry_out(the_one().pk)
    assert the_one().ending == "refused"


def test_why_no_rollback_can_be_planned_is_said_once(team: Team, automatic: Callable[..., None]) -> None:
    automatic("on")
    team.verify("http_check", DEAF)
    team.try_deploy("v2")
    book = team.environment.rollback_runbook
    assert book is not None
    save_version(book, book.latest().text.replace("test -s", "test -s {no_such_variable}"))
    recovery.watch()
    recovery.watch()
    assert the_one().ending == "impossible" and "no_such_variable" in the_one().problem


def test_nobody_can_take_the_key_of_its_draft(team: Team) -> None:
    found = ask(team, team.deploy("v2"))
    team.draft_back(found.deployment, f"recovery-{found.pk}")
    assert worked_off(found).ending == "succeeded"
