"""The whole way back: a deployment backs up and replaces, a rollback puts back what it had, past the same gate."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils.translation import override

from releases import lifecycle
from releases.audit import Actor
from releases.engine import clock, consent, start, undoing
from releases.engine.errors import Blocked, EngineError
from releases.models import Backup, Deployment, Host, Release
from tests.engine.stage import STEP, runbook
from tests.engine.team import Team
from tests.factories import save_version

pytestmark = pytest.mark.django_db(transaction=True)


NEW = ("new\n", "new\n")


def test_files_and_data_are_back_and_what_was_written_since_is_kept(team: Team) -> None:
    before = team.seen()
    deployed = team.deploy("v2", "UPDATE meal SET name = 'new'; ALTER TABLE meal ADD tag text;")
    assert team.seen()[:2] == NEW
    back = team.run(team.draft_back(deployed))
    assert back.status == lifecycle.SUCCEEDED, [(s.key, s.status, s.reason) for s in back.steps.all()]
    assert (back.kind, back.undoes, back.release.version) == ("rollback", deployed, "before-v2")
    assert team.seen() == before
    kept = back.steps.get(key="data_back").attempts.get().evidence["kept"]
    with team.server.reach(kept) as session:
        assert session.execute("SELECT DISTINCT name FROM meal").fetchall() == [("new",)]
        session.execute("SELECT tag FROM meal")
    assert undoing.undone_by(deployed) == back
    assert back.downtime_opened_at is not None and back.downtime_closed_at is not None


def test_without_a_change_of_the_schema_the_database_is_left_alone(team: Team) -> None:
    deployed = team.deploy("v2")
    with team.server.reach() as session:
        session.execute("INSERT INTO meal VALUES (51, 'ordered meanwhile')")
    back = team.run(team.draft_back(deployed))
    assert back.status == lifecycle.SUCCEEDED
    assert team.seen() == ("old\n", "old\n", [(51, "old", "ordered meanwhile")])
    assert back.steps.get(key="data_back").status == lifecycle.SKIPPED


def test_it_goes_back_to_the_release_that_ran_before(team: Team) -> None:
    first = team.deploy("v2")
    second = team.deploy("v3")
    with override("en"), pytest.raises(EngineError, match="Roll that one back first"):
        team.draft_back(first)
    back = team.run(team.draft_back(second))
    assert (back.release.version, back.status) == ("v2", lifecycle.SUCCEEDED)
    with override("en"), pytest.raises(EngineError, match=f"was rolled back already, by #{back.pk}"):
        team.draft_back(second)
    with override("en"), pytest.raises(EngineError, match="Only a deploy"):
        team.draft_back(back)
    with override("en"), pytest.raises(EngineError, match="has not been started"):
        team.draft_back(team.world.draft())
    assert team.seen()[:2] == NEW
    further = team.run(team.draft_back(first))
    assert (further.release.version, further.status) == ("before-v2", lifecycle.SUCCEEDED)
    assert team.seen()[:2] == ("old\n", "old\n")
    assert team.deploy("v4").undoes is None


def test_one_press_is_one_rollback(team: Team) -> None:
    deployed = team.deploy("v2")
    first = team.draft_back(deployed, "one-press-of-it")
    assert team.draft_back(deployed, "one-press-of-it") == first
    assert team.draft_back(deployed, "another-press") != first


def test_a_rollback_that_failed_can_be_made_again(team: Team) -> None:
    deployed = team.deploy("v2")
    jar = Backup.objects.get(name="app.jar.bak")
    whole = Path(jar.location).read_bytes()
    Path(jar.location).write_bytes(b"damaged\n")
    failed = team.run(team.draft_back(deployed))
    assert failed.steps.get(key="files_back").status == lifecycle.FAILED
    assert team.seen()[:2] == NEW, "nothing was touched"
    Deployment.objects.filter(pk=failed.pk).update(status=lifecycle.FAILED, finished_at=clock.now())
    Path(jar.location).write_bytes(whole)
    assert team.run(team.draft_back(deployed)).status == lifecycle.SUCCEEDED
    assert team.seen()[:2] == ("old\n", "old\n")


def test_what_stopped_half_way_before_is_undone_with_it(team: Team) -> None:
    """v2 replaced the files and failed; the backups of v3 hold that half state, those of v2 what v1 had."""
    first = team.deploy("v1")
    (team.app / "app.jar").write_text("v1\n")
    half = team.deploy("v2", "UPDATE meal SET name = 'v2';")
    Deployment.objects.filter(pk=half.pk).update(status=lifecycle.FAILED)
    team.deploy_files()
    last = team.deploy("v3")
    back = team.run(team.draft_back(last))
    assert (back.release, back.status) == (first.release, lifecycle.SUCCEEDED)
    assert team.seen() == ("v1\n", "new\n", [(50, "old", "old")])


def test_what_the_release_says_later_changes_nothing(team: Team) -> None:
    before = team.seen()
    deployed = team.deploy("v2", "ALTER TABLE meal ADD tag text; UPDATE meal SET name = 'new';")
    Release.objects.update(schema_changed=False, migration_sql="", migration_name="")
    back = team.run(team.draft_back(deployed))
    assert back.steps.get(key="data_back").status == lifecycle.SUCCEEDED
    assert team.seen() == before


def test_its_runbook_can_not_be_run_as_a_deployment(team: Team) -> None:
    team.environment.runbook = team.environment.rollback_runbook
    team.environment.save()
    team.deploy_files()
    with pytest.raises(Blocked) as refused:
        team.run(team.world.draft())
    assert {blocker.code for blocker in refused.value.blockers} == {"backup_missing"}


def change_host(team: Team) -> None:
    Host.objects.filter(pk=team.world.host.pk).update(address="127.0.0.2")


def lock(team: Team) -> None:
    from releases.engine import locks

    user = team.world.approver
    locks.lock(team.environment, user, Actor(user), "not now", timedelta(hours=1))


def another_backup(team: Team) -> None:
    row = Backup.objects.get(name="app.jar.bak")
    before = row.created_at - timedelta(seconds=1)
    row.pk, row.location = None, "/somewhere/else"  # type: ignore[assignment]
    row.save()
    Backup.objects.filter(pk=row.pk).update(created_at=before)


def undone_already(team: Team) -> None:
    """Another draft of the same rollback was quicker."""
    deployed = Deployment.objects.get(kind="deploy", started_at__isnull=False)
    assert team.run(team.draft_back(deployed)).status == lifecycle.SUCCEEDED
    team.deploy_files()


def newer(team: Team) -> None:
    team.deploy("v3")


def resumed(team: Team) -> None:
    Deployment.objects.filter(kind="deploy", started_at__isnull=False).update(status="running", finished_at=None)


SHUT: dict[str, Callable[[Team], object]] = {
    "not approved": lambda team: None,
    "a swapped digest": lambda team: Backup.objects.filter(name="app.jar.bak").update(sha256="0" * 64),
    "a swapped place": lambda team: Backup.objects.filter(name=".next.bak").update(location="/tmp/evil"),
    "another backup": another_backup,
    "a backup that is gone": lambda team: Backup.objects.filter(name=".next.bak").update(deployment=None),
    "a refuted backup": lambda team: Backup.objects.filter(kind="database").update(refuted_at=clock.now()),
    "another host": change_host,
    "a locked environment": lock,
    "another runbook": lambda team: another_runbook(team),
    "another deployment": lambda team: start_another(team),
    "undone already": undone_already,
    "a newer deployment": newer,
    "resumed": resumed,
}


def another_runbook(team: Team) -> None:
    assert team.environment.rollback_runbook is not None
    steps = [{**STEP, "action": "wait", "parameters": {"seconds": 0}}]
    save_version(team.environment.rollback_runbook, runbook(steps, kind="rollback"))


def start_another(team: Team) -> None:
    other = team.world.draft()
    Deployment.objects.filter(pk=other.pk).update(status=lifecycle.RUNNING, started_at=clock.now())


@pytest.mark.parametrize("change", SHUT)
def test_nothing_gets_past_the_gate(team: Team, change: str) -> None:
    """An approved draft and one that is not, each with its own digest and with another: each four ways in."""
    sql = "ALTER TABLE meal ADD tag text;"
    deployed = team.deploy("v2", sql)
    user, approver = team.world.requester, team.world.approver
    drafts = [team.draft_back(deployed) for _ in range(2)]
    digest = drafts[0].plan.digest
    if change != "not approved":
        consent.approve(drafts[0], approver, Actor(approver), digest)
    Host.objects.filter(pk=team.world.host.pk).update(last_checked_at=clock.now(), last_check_ok=True)
    SHUT[change](team)
    wrong = hashlib.sha256(b"another plan").hexdigest()
    for draft, given in ((drafts[0], digest), (drafts[0], wrong), (drafts[1], digest), (drafts[1], wrong)):
        draft.refresh_from_db()
        with pytest.raises(Blocked):
            start.start(draft, user, Actor(user), given)
        draft.refresh_from_db()
        assert draft.status == lifecycle.DRAFT
    assert team.seen()[:2] == NEW
