"""Removing backups, on a real host: by rule and by hand, and everything that must stay."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation import override

from releases import lifecycle
from releases.audit import Actor
from releases.engine import backup_proofs, clock, retention, start
from releases.engine.errors import Conflict
from releases.models import AuditEvent, Backup, Deployment, Environment, Removal
from tests.engine.team import Team

pytestmark = pytest.mark.django_db(transaction=True)


def rule(team: Team, days: int = 10, kept: int = 2) -> Environment:
    Environment.objects.filter(pk=team.environment.pk).update(backup_days=days, backups_kept=kept)
    return Environment.objects.get(pk=team.environment.pk)


def age(days: int) -> None:
    """All backups there are become older."""
    for row in Backup.objects.all():
        Backup.objects.filter(pk=row.pk).update(created_at=row.created_at - timedelta(days=days))


def numbers(rows: list[Backup]) -> set[int]:
    return {row.pk for row in rows}


def of(deployment: Deployment) -> set[int]:
    return numbers(list(deployment.backups.all()))


def test_what_is_old_goes_and_the_newest_stay(team: Team) -> None:
    first, second, third, fourth = (team.deploy(version) for version in ("1", "2", "3", "4"))
    age(20)
    team.deploy("5")
    environment = rule(team, kept=2)
    gone = of(first) | of(second) | of(third)
    assert numbers(retention.past_their_time(environment, clock.now())) == gone
    assert retention.prune() == len(gone)
    for backup in Backup.objects.filter(pk__in=gone):
        retention.erase(backup.pk)
        backup.refresh_from_db()
        assert backup.erased_at is not None and backup.removed_because == Removal.RETENTION
        assert not Path(backup.location).exists()
        assert not backup.copy_location or not (Path(settings.BACKUPS_DIR) / backup.copy_location).exists()
    assert all(Path(backup.location).exists() for backup in Backup.objects.kept())
    assert of(fourth) == numbers(list(Backup.objects.kept().filter(deployment=fourth)))
    store = team.stage.home / "backup"
    assert (store / "app.jar.bak").read_text() == "new\n", "the plain name still names the newest"
    assert AuditEvent.objects.filter(action="backup.remove", actor=None).count() == len(gone)
    assert retention.prune() == 0


def test_no_rule_and_enough_age_alone_remove_nothing(team: Team) -> None:
    team.deploy("1")
    team.deploy("2")
    age(1000)
    assert retention.prune() == 0
    rule(team, days=10, kept=5)
    assert retention.prune() == 0, "not more than are kept whatever their age"
    rule(team, days=2000, kept=1)
    assert retention.prune() == 0, "not old enough"


def test_the_newest_good_and_the_newest_proved_copy_stay(team: Team) -> None:
    first, second, third = (team.deploy(version) for version in ("1", "2", "3"))
    team.deploy("4")
    age(20)
    jars = {row.deployment_id: row for row in Backup.objects.filter(series="app.jar.bak")}
    Backup.objects.filter(pk=jars[first.pk].pk).update(proved_at=clock.now())
    newer = Backup.objects.filter(series="app.jar.bak", pk__gt=jars[second.pk].pk)
    newer.update(refuted_at=clock.now())
    environment = rule(team, kept=1)
    why = retention.why_needed(environment)
    assert jars[first.pk].pk in why and jars[second.pk].pk in why
    gone = numbers(retention.past_their_time(environment, clock.now()))
    assert jars[third.pk].pk in gone and not {jars[first.pk].pk, jars[second.pk].pk} & gone


def test_what_a_rollback_may_need_stays(team: Team) -> None:
    last = team.deploy("1")
    for backup in list(last.backups.all()):  # newer copies of the same, as orders make them
        backup.pk, backup.attempt, backup.deployment = None, None, None
        backup.location += "-newer"
        backup.save()
    age(20)
    environment = rule(team, kept=1)
    assert retention.past_their_time(environment, clock.now()) == []
    draft = team.draft_back(last)
    assert of(last) <= set(retention.why_needed(environment)), draft


def test_by_hand_only_what_nobody_needs(team: Team) -> None:
    first = team.deploy("1")
    team.deploy("2")
    actor = Actor(team.world.requester)
    old = first.backups.get(series="app.jar.bak")
    newest = Backup.objects.filter(series="app.jar.bak").latest("pk")
    with override("en"), pytest.raises(Conflict, match=r"newest copy|rollback of"):
        retention.remove(newest, actor, Removal.PERSON)
    backup_proofs.ask(old, team.world.requester, actor)
    with override("en"), pytest.raises(Conflict, match="being proved"):
        retention.remove(old, actor, Removal.PERSON)
    backup_proofs.carry_out(old.proofs.get().pk)
    Backup.objects.filter(pk=newest.pk).update(proved_at=clock.now())
    retention.remove(old, actor, Removal.PERSON)
    with pytest.raises(Conflict):
        retention.remove(old, actor, Removal.PERSON)
    with pytest.raises(Conflict):
        backup_proofs.ask(old, team.world.requester, actor)


def test_nothing_is_removed_while_a_deployment_is_active(team: Team) -> None:
    first = team.deploy("1")
    team.deploy("2")
    age(20)
    rule(team, kept=1)
    draft = team.draft("3")
    Deployment.objects.filter(pk=draft.pk).update(status=lifecycle.RUNNING, started_at=clock.now())
    assert retention.prune() == 0
    with pytest.raises(Conflict):
        retention.remove(first.backups.all()[0], Actor(team.world.requester), Removal.PERSON)


def test_a_removed_one_shuts_the_gate_of_a_rollback_that_names_it(team: Team) -> None:
    last = team.deploy("1")
    draft = team.draft_back(last)
    jar = last.backups.get(series="app.jar.bak")
    Backup.objects.filter(pk=jar.pk).update(removed_at=clock.now(), removed_because=Removal.PERSON)
    with override("en"):
        found = [blocker.detail for blocker in start.blockers(draft) if blocker.code == "backup_missing"]
    assert found == ["The backup app.jar.bak was removed. Another one can't take its place."]


def test_a_host_that_is_away_is_tried_again(team: Team) -> None:
    first = team.deploy("1")
    team.deploy("2")
    jar = first.backups.get(series="app.jar.bak")
    Backup.objects.filter(series="app.jar.bak").exclude(pk=jar.pk).update(proved_at=clock.now())
    retention.remove(jar, Actor(team.world.requester), Removal.PERSON)
    team.stage.server.stop()
    retention.erase(jar.pk)
    jar.refresh_from_db()
    assert jar.erased_at is None and Path(jar.location).exists()
    team.stage.server.start()
    retention.erase(jar.pk)
    retention.erase(jar.pk)
    jar.refresh_from_db()
    assert jar.erased_at is not None and not Path(jar.location).exists()
    assert AuditEvent.objects.filter(action="backup.erase").count() == 1


@pytest.mark.parametrize("location", ["/", "app.jar.bak-1-1", "/home", "/somewhere/else.txt"])
def test_only_copies_are_ever_erased(team: Team, location: str) -> None:
    first = team.deploy("1")
    jar = first.backups.get(series="app.jar.bak")
    moved = location if location != "/somewhere/else.txt" else str(team.stage.home / "mine.txt")
    if moved.endswith("mine.txt"):
        Path(moved).write_text("mine")
    Backup.objects.filter(pk=jar.pk).update(removed_at=clock.now(), removed_because=Removal.PERSON, location=moved)
    retention.erase(jar.pk)
    jar.refresh_from_db()
    assert jar.erased_at is None
    assert not moved.endswith("mine.txt") or Path(moved).exists()
