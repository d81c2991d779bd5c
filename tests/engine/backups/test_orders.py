"""Backups taken outside of a deployment, on a real host: by the button, by the day, and what may come between."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils.translation import override

from releases import lifecycle
from releases.actions import brief, restorable
from releases.audit import Actor
from releases.engine import backup_orders, backup_proofs, clock, daily_backups, errands, handover, wake
from releases.engine.errors import Conflict, EngineError
from releases.models import AuditEvent, Backup, BackupOrder, BackupProof, Deployment, Environment
from releases.way_back import WayBack
from tests.engine.stage import runbook
from tests.engine.team import Team

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ready(team: Team) -> Team:
    """A team whose first release runs, with what its deployment backed up out of the way."""
    team.deploy("1.0")
    return team


def order(team: Team, keys: set[str] | None = None) -> list[BackupOrder]:
    user = team.world.requester
    return backup_orders.ask(team.environment, keys, user, Actor(user))


def carry_out(orders: list[BackupOrder]) -> list[BackupOrder]:
    for one in orders:
        backup_orders.carry_out(one.pk)
        one.refresh_from_db()
    return orders


def test_everything_is_taken_kept_and_proved(ready: Team) -> None:
    orders = carry_out(order(ready))
    assert [(one.step_key, one.ending, one.problem) for one in orders] == [
        ("files", "taken", ""),
        ("data", "taken", ""),
    ], [one.output for one in orders]
    rows = {row.name: row for row in Backup.objects.filter(order__in=orders)}
    assert {row.kind for row in rows.values()} == {"files", "database"} and len(rows) == 3
    assert all(Path(row.location).exists() and row.created_by == ready.world.requester for row in rows.values())
    assert (ready.stage.home / "backup" / "app.jar.bak").read_text() == "new\n"
    for proof in BackupProof.objects.filter(ended_at__isnull=True):
        backup_proofs.carry_out(proof.pk)
    for row in Backup.objects.filter(order__in=orders):
        assert row.proved_at is not None, row
    assert [event.detail["ending"] for event in AuditEvent.objects.filter(action="backup.taken")] == ["taken"] * 2
    assert not list((ready.stage.home / ".cloudwiki").glob("attempts/backup-*"))


def test_what_is_on_order_is_not_ordered_twice(ready: Team) -> None:
    order(ready, {"files"})
    with pytest.raises(Conflict):
        order(ready, {"files"})
    assert [one.step_key for one in order(ready)] == ["data"]


def test_it_waits_while_a_deployment_is_active(ready: Team) -> None:
    draft = ready.draft("2.0")
    Deployment.objects.filter(pk=draft.pk).update(status=lifecycle.WAITING, started_at=clock.now())
    waiting = carry_out(order(ready, {"files"}))[0]
    assert (waiting.ending, waiting.began_at, waiting.seen_at) == ("", None, None)
    Deployment.objects.filter(pk=draft.pk).update(status=lifecycle.CANCELLED, finished_at=clock.now())
    assert carry_out([waiting])[0].ending == "taken"


def test_what_was_copied_while_a_deployment_began_is_given_up(ready: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    run, draft = brief.run, ready.draft("2.0")

    def disturbed(*arguments: Any, **named: Any) -> brief.Answer:
        Deployment.objects.filter(pk=draft.pk).update(
            status=lifecycle.CANCELLED, started_at=clock.now(), finished_at=clock.now()
        )
        return run(*arguments, **named)

    monkeypatch.setattr(brief, "run", disturbed)
    with override("en"):
        one = carry_out(order(ready, {"files"}))[0]
    assert one.ending == "failed"
    assert not Backup.objects.kept().filter(order=one).exists()
    assert set(Backup.objects.filter(order=one).values_list("removed_because", flat=True)) == {"disturbed"}
    assert not BackupProof.objects.exists()
    # Given up after the deployment began: its own copies are what a rollback puts back, not these.
    monkeypatch.undo()
    deployment = ready.deploy("3.0")
    Backup.objects.filter(order=one).update(removed_at=clock.now())
    found = restorable.candidates(WayBack(deployment))
    assert found and {backup.deployment_id for backup in found} == {deployment.pk}


def test_a_missing_file_and_a_host_that_is_away_say_so(ready: Team) -> None:
    (ready.app / "app.jar").unlink()
    with override("en"):
        failed = carry_out(order(ready, {"files"}))[0]
    assert failed.ending == "failed" and "app.jar" in failed.problem
    ready.stage.server.stop()
    assert carry_out(order(ready, {"files"}))[0].ending == "unreachable"
    assert not Backup.objects.filter(order__isnull=False).exists()


def test_a_worker_that_stops_or_dies_is_followed_and_nothing_is_copied_twice(
    ready: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = order(ready, {"files"})[0]
    with monkeypatch.context() as patch:
        patch.setattr(handover, "wanted", lambda: True)
        carry_out([one])
    assert (one.ending, one.seen_at) == ("", None) and one.began_at is not None
    keep = backup_orders._keep

    def die(*_arguments: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(backup_orders, "_keep", die)
        with pytest.raises(SystemExit):
            backup_orders.carry_out(one.pk)
    assert keep is backup_orders._keep
    BackupOrder.objects.filter(pk=one.pk).update(seen_at=clock.now() - errands.ABANDONED * 2)
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr(wake, "send", lambda *arguments: sent.append(arguments) or True)
    backup_orders.send_again()
    assert sent == [("take_backup", one.pk)]
    carry_out([one])
    assert one.ending == "taken", (one.problem, one.output)
    assert Backup.objects.filter(order=one).count() == 2
    copies = [path.name for path in (ready.stage.home / "backup").iterdir() if f"-b{one.pk}" in path.name]
    assert len(copies) == 2, copies


def test_an_order_that_nobody_could_carry_out_ends(ready: Team) -> None:
    one = order(ready, {"files"})[0]
    BackupOrder.objects.update(asked_at=clock.now() - errands.GIVEN_UP - timedelta(minutes=1))
    backup_orders.send_again()
    one.refresh_from_db()
    assert one.ending == "impossible" and "12" in one.problem


def test_an_order_puts_files_in_a_rollback_but_never_its_older_dump(ready: Team) -> None:
    orders = carry_out(order(ready))
    deployment = ready.deploy("2.0", "ALTER TABLE meal ADD tag text;")
    found = restorable.candidates(WayBack(deployment))
    dumps = [backup for backup in found if backup.kind == Backup.Kind.DATABASE]
    assert [backup.deployment_id for backup in dumps] == [deployment.pk]
    assert {backup.order_id for backup in found if backup.kind == Backup.Kind.FILES} == {orders[0].pk}


def test_daily_ones_are_ordered_once_a_day_in_the_zone_and_made_up_for(ready: Team) -> None:
    environment = ready.environment
    local = environment.local(clock.now()).replace(hour=3, minute=0, second=0, microsecond=0)
    Environment.objects.filter(pk=environment.pk).update(backup_at=local.time(), zone="Asia/Seoul")
    before, after = local - timedelta(minutes=1), local + timedelta(hours=5)
    daily_backups.order_due(before)
    assert not BackupOrder.objects.exists()
    for _again in range(3):
        daily_backups.order_due(after)
    ordered = BackupOrder.objects.order_by("step_key").values_list("step_key", "day")
    assert list(ordered) == [("data", local.date()), ("files", local.date())]
    carry_out(list(BackupOrder.objects.all()))
    Environment.objects.filter(pk=environment.pk).update(backed_up_on=None)
    daily_backups.order_due(after)  # somebody moved the time: that day's were taken
    assert BackupOrder.objects.count() == 2
    daily_backups.order_due(after + timedelta(days=1))
    assert BackupOrder.objects.count() == 4
    event = AuditEvent.objects.filter(action="backup.order").last()
    assert event is not None and event.actor is None


def test_a_time_that_was_just_set_is_not_made_up_for(ready: Team) -> None:
    environment = ready.environment
    environment.backup_at = environment.local(clock.now()).replace(hour=0, minute=0).time()
    environment.save()
    daily_backups.reschedule(environment, ["backup_at"])
    daily_backups.order_due(clock.now())
    assert not BackupOrder.objects.exists()
    daily_backups.order_due(clock.now() + timedelta(days=1))
    assert BackupOrder.objects.count() == 2


def test_what_only_a_check_backs_up_is_taken_too(ready: Team) -> None:
    """The written procedure has its files backed up by the checklist, not by a step."""
    kept = ready.deploy_steps.pop(0)["parameters"]
    files = [{**entry, "path": str(entry["path"]).replace(str(ready.app), "{app_folder}")} for entry in kept["files"]]
    check = {"key": "kept", "title": {"ko": "파일 백업", "en": "Files kept"}, "proof": "backup_age"}
    parameters = {"runs_on": "app", "files": files, "destination": kept["destination"], "service": "backend"}
    variables = [{"name": "app_folder", "type": "path"}]
    ready.environment.variables.create(name="app_folder", type="path", value=str(ready.app))
    ready.world.save_runbook(runbook(ready.deploy_steps, [{**check, "parameters": parameters}], variables=variables))
    orders = carry_out(order(ready))
    assert [(one.step_key, one.ending, one.problem) for one in orders] == [
        ("check:kept", "taken", ""),
        ("data", "taken", ""),
    ], [one.output for one in orders]
    rows = Backup.objects.filter(order=orders[0]).order_by("pk")
    assert [(row.name, row.service and row.service.key) for row in rows] == [
        ("app.jar.bak", "backend"),
        (".next.bak", "backend"),
    ]
    # Once a step does the same, the check's is not taken a second time.
    ready.deploy_steps.insert(0, ready.step("files", "backup_files", kept))
    ready.world.save_runbook(runbook(ready.deploy_steps, [{**check, "parameters": parameters}], variables=variables))
    assert [step["key"] for step in backup_orders.steps_of(ready.environment)] == ["files", "data"]


def test_a_runbook_that_backs_nothing_up_says_so(ready: Team) -> None:
    ready.deploy_steps = ready.deploy_steps[2:]
    ready.world.save_runbook(ready.deploy_runbook())
    environment = Environment.objects.get(pk=ready.environment.pk)
    with override("en"), pytest.raises(EngineError, match="no step that backs anything up"):
        backup_orders.steps_of(environment)
    Environment.objects.filter(pk=environment.pk).update(backup_at="00:00")
    daily_backups.order_due(clock.now())
    environment.refresh_from_db()
    assert environment.backup_problem
