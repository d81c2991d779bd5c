"""Where no rule counts, or it would do harm: what is left alone, and what is said instead."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from releases import lifecycle
from releases.engine import clock, recovery
from releases.engine.errors import EngineError
from releases.models import (
    Backup,
    Deployment,
    Outage,
    Recovery,
)
from tests.engine.recoveries.steps import DEAF, answers, ask, change, the_one, worked_off
from tests.engine.team import Team
from tests.factories import save_version

pytestmark = pytest.mark.django_db(transaction=True)


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
        "too late": lambda: change(deployed, finished_at=clock.now() - timedelta(minutes=31)),
        "cancelled": lambda: change(deployed, status=lifecycle.CANCELLED, cancel_requested_at=clock.now()),
        "no runbook": lambda: automatic("on", rollback_runbook=None),
        "a rollback": lambda: worked_off(ask(team, deployed)),
        "a check before the change": lambda: deployed.steps.filter(key="check").update(phase="prepare"),
    }
    changes.get(case, lambda: None)()
    recovery.watch()
    assert not Recovery.objects.exclude(rule="person").exists()


@pytest.mark.parametrize("case", ["ill before", "cancelling", "nothing changed", "downtime still open"])
def test_what_is_nobodys_fault_or_a_persons_is_not_rolled_back(
    team: Team, automatic: Callable[..., None], case: str
) -> None:
    automatic("on", downtime_budget=600)
    deployed = team.deploy("v2")
    began = clock.now() - timedelta(seconds=700)
    running = {"status": lifecycle.RUNNING, "finished_at": None, "started_at": began, "downtime_closed_at": None}
    if case in {"ill before", "cancelling"}:
        change(deployed, downtime_opened_at=began, **running)
    if case == "ill before":
        Outage.objects.create(probe=answers(team), started_at=began - timedelta(days=3))
    elif case == "cancelling":
        change(deployed, status=lifecycle.CANCELLING, cancel_requested_at=clock.now())
    elif case == "nothing changed":
        deployed.steps.update(phase="prepare")
        answers(team, False, False, False)
    else:
        change(deployed, status=lifecycle.ERRORED, downtime_closed_at=None)
        answers(team, False, False, False)
    recovery.watch()
    assert not Recovery.objects.exists()


def test_a_stopped_deployment_whose_downtime_goes_on_has_the_budget_to_be_mended(
    team: Team, automatic: Callable[..., None]
) -> None:
    automatic("on", downtime_budget=600)
    deployed = team.deploy("v2")
    opened = clock.now() - timedelta(seconds=300)
    change(deployed, status=lifecycle.ERRORED, downtime_opened_at=opened, downtime_closed_at=None)
    Outage.objects.create(probe=answers(team), started_at=clock.now())
    recovery.watch()
    assert not Recovery.objects.exists()
    change(deployed, downtime_opened_at=clock.now() - timedelta(seconds=601))
    recovery.watch()
    assert the_one().rule == "downtime"
    assert worked_off(the_one()).ending == "succeeded"


def test_what_can_not_go_back_is_not_aborted(team: Team, automatic: Callable[..., None]) -> None:
    """The downtime is over its budget, and the deployment backed up nothing: it is better left to run."""
    automatic("on", downtime_budget=600)
    deployed = team.deploy("v2")
    Backup.objects.update(deployment=None)
    began = clock.now() - timedelta(seconds=700)
    change(deployed, status=lifecycle.RUNNING, finished_at=None, started_at=began, downtime_opened_at=began)
    change(deployed, downtime_closed_at=None)
    recovery.watch()
    recovery.watch()
    assert the_one().ending == "impossible" and the_one().problem
    assert Deployment.objects.get(pk=deployed.pk).status == lifecycle.RUNNING
    with pytest.raises(EngineError):
        ask(team, deployed)


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


def test_past_the_point_of_no_return_a_person_decides(team: Team, automatic: Callable[..., None]) -> None:
    automatic("on")
    team.deploy_steps[2]["irreversible"] = {"ko": "메일이 나갔음", "en": "Mails are out"}
    team.verify("http_check", DEAF)
    deployed = team.try_deploy("v2")
    recovery.watch()
    found = Recovery.objects.get(deployment=deployed)
    assert (found.ending, found.rollback) == ("impossible", None)
    assert found.problem
    recovery.watch()
    assert Recovery.objects.count() == 1, "it is said once"
    assert worked_off(ask(team, deployed)).ending == "succeeded"
