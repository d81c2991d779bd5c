"""What a rollback took out of service: its row, when it is dropped, and everything for which it must not be."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.utils.translation import override
from psycopg.sql import SQL, Identifier

from releases import lifecycle
from releases.audit import Actor
from releases.engine import clock, decide, kept_databases, retention, wake
from releases.engine.errors import Conflict
from releases.models import AuditEvent, Backup, Deployment, Environment, KeptDatabase, Removal
from tests.engine.actions.test_backup_files import shim
from tests.engine.database import databases, keys
from tests.engine.team import Team

pytestmark = pytest.mark.django_db(transaction=True)
SQL_FILE = "ALTER TABLE meal ADD tag text; UPDATE meal SET name = 'new';"


@pytest.fixture
def kept(team: Team) -> KeptDatabase:
    """A database that a rollback kept, of an environment that keeps backups for ten days."""
    Environment.objects.filter(pk=team.environment.pk).update(backup_days=10)
    team.environment.refresh_from_db()
    return roll_back(team, "1.0")


def roll_back(team: Team, version: str) -> KeptDatabase:
    done = team.run(team.draft_back(team.deploy(version, SQL_FILE)))
    assert done.status == lifecycle.SUCCEEDED, [(s.key, s.status, s.reason) for s in done.steps.all()]
    return done.kept_databases.get()


def age(days: int, **which: Any) -> None:
    for row in KeptDatabase.objects.filter(**which):
        KeptDatabase.objects.filter(pk=row.pk).update(created_at=row.created_at - timedelta(days=days))


def give_up(team: Team, row: KeptDatabase) -> None:
    kept_databases.remove(row, Actor(team.world.requester), Removal.PERSON)


def dropped(row: KeptDatabase) -> KeptDatabase:
    """The row after a worker was told."""
    kept_databases.drop(row.pk)
    row.refresh_from_db()
    return row


def mine(kept: KeptDatabase) -> set[str]:
    """The databases of this test."""
    return {name for name in databases() if name.startswith(kept.database)}


def admin(statement: str, *names: str) -> None:
    with psycopg.connect(**keys(), dbname="postgres", autocommit=True) as session:
        session.execute(SQL(statement).format(*(Identifier(name) for name in names)))  # type: ignore[arg-type]


def oid_of(name: str) -> int:
    with psycopg.connect(**keys(), dbname="postgres") as session:
        found = session.execute("SELECT oid FROM pg_database WHERE datname = %s", [name]).fetchone()
    assert found is not None
    return int(found[0])


def test_a_rollback_notes_what_it_kept(team: Team, kept: KeptDatabase) -> None:
    live = team.server.parameters["database"]
    assert kept.name in databases() and kept.name.startswith(f"{live}_before_")
    assert (kept.database, kept.oid) == (live, oid_of(kept.name))
    assert kept.size is not None and kept.size > 1_000_000
    assert (kept.host, kept.environment, kept.attempt.step.action) == (
        team.world.host, team.environment, "restore_database",
    )  # fmt: skip
    assert kept.attempt.evidence["kept_oid"] == kept.oid
    assert "format" not in kept.parameters and kept.parameters["user"]
    assert not list(team.stage.home.rglob("*.kept"))
    assert not Backup.objects.filter(name=kept.name).exists()


def test_past_the_rule_it_is_dropped_once_and_the_live_one_stays(team: Team, kept: KeptDatabase) -> None:
    assert kept_databases.prune() == 0
    age(11)
    assert kept_databases.prune() == 1
    kept.refresh_from_db()
    assert (kept.removed_because, kept.erased_at) == (Removal.RETENTION, None)
    before = team.seen()
    assert dropped(kept).erased_at is not None and kept.problem == ""
    assert kept.name not in databases() and team.seen() == before
    kept_databases.drop(kept.pk)
    assert kept_databases.prune() == 0
    assert AuditEvent.objects.filter(action="kept_database.remove", actor=None).count() == 1
    assert AuditEvent.objects.filter(action="kept_database.drop").count() == 1


def test_without_a_rule_only_a_person_lets_it_go(team: Team, kept: KeptDatabase) -> None:
    Environment.objects.filter(pk=team.environment.pk).update(backup_days=None)
    age(1000)
    assert kept_databases.prune() == 0
    give_up(team, kept)
    with pytest.raises(Conflict):
        give_up(team, kept)
    assert dropped(kept).erased_at is not None
    assert (kept.removed_by, kept.removed_because) == (team.world.requester, Removal.PERSON)


def test_only_what_is_old_goes(team: Team, kept: KeptDatabase) -> None:
    age(11)
    newer = roll_back(team, "2.0")
    assert kept_databases.prune() == 1
    for row in (kept, newer):
        dropped(row)
    assert kept.erased_at is not None and newer.removed_at is None and newer.name in databases()


def test_not_while_a_deployment_is_active_or_a_rollback_prepared(
    team: Team, kept: KeptDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(11)
    last = team.deploy("2.0")
    draft = team.draft_back(last)
    assert kept_databases.prune() == 0
    with override("en"), pytest.raises(Conflict, match=f"rollback #{draft.pk} is prepared"):
        give_up(team, kept)
    decide.cancel(draft, Actor(team.world.requester))
    give_up(team, kept)
    busy = team.draft("3.0")
    Deployment.objects.filter(pk=busy.pk).update(status=lifecycle.RUNNING, started_at=clock.now())
    assert dropped(kept).erased_at is None and kept.problem == "", "it waits, though it was given up"
    Deployment.objects.filter(pk=busy.pk).update(status=lifecycle.CANCELLED, finished_at=clock.now())
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr(wake, "send", lambda *arguments: sent.append(arguments) or True)
    kept_databases.prune()
    assert sent == [("drop_kept_database", kept.pk)]
    assert dropped(kept).erased_at is not None


@pytest.mark.parametrize("what", ["renamed", "another", "comment", "unknown", "in use"])
def test_what_is_not_surely_ours_is_left_alone(team: Team, kept: KeptDatabase, what: str) -> None:
    session, other = None, f"{kept.database}_other"
    if what == "renamed":
        admin("ALTER DATABASE {} RENAME TO {}", kept.name, other)
    elif what == "another":
        admin("ALTER DATABASE {} RENAME TO {}", kept.name, other)
        admin("CREATE DATABASE {}", kept.name)
    elif what == "comment":
        admin("COMMENT ON DATABASE {} IS 'ours: keep'", kept.name)
    elif what == "unknown":
        KeptDatabase.objects.update(oid=None, comment_md5="")
    else:
        session = team.server.reach(kept.name)
    there = mine(kept)
    give_up(team, kept)
    assert dropped(kept).erased_at is None and kept.problem
    assert mine(kept) == there
    if what == "comment":
        admin("COMMENT ON DATABASE {} IS NULL", kept.name)
    elif what == "in use":
        assert session is not None
        session.close()
    elif what == "unknown":  # somebody dropped it by hand
        admin("DROP DATABASE {}", kept.name)
    else:
        return
    assert dropped(kept).erased_at is not None and kept.problem == ""


@pytest.mark.parametrize("name", ["live", "postgres_before_0123abcd"])
def test_neither_the_live_one_nor_any_other_is_ever_dropped(team: Team, kept: KeptDatabase, name: str) -> None:
    """Not even where the row lies."""
    changes: dict[str, Any] = {"name": name}
    if name == "live":  # the live database has a name of the shape, and the row says that it is to go
        live = f"{kept.database}_before_0123abcd"
        admin("ALTER DATABASE {} RENAME TO {}", kept.database, live)
        changes = {"name": live, "database": f"{live} ", "oid": oid_of(live), "comment_md5": "0" * 32}
    there = mine(kept)
    KeptDatabase.objects.filter(pk=kept.pk).update(**changes)
    give_up(team, KeptDatabase.objects.get())
    assert dropped(KeptDatabase.objects.get()).erased_at is None
    assert mine(kept) == there


def test_a_secret_that_is_gone_a_host_that_is_away_or_unknown_is_told(team: Team, kept: KeptDatabase) -> None:
    KeptDatabase.objects.filter(pk=kept.pk).update(parameters={**kept.parameters, "password_secret": "db_password"})
    give_up(team, kept)
    with override("en"):
        team.world.requester.language = "en"
        team.world.requester.save()
        assert "no secret db_password" in dropped(kept).problem
        team.stage.secret("db_password", "not asked for here")
        team.stage.server.stop()
        assert "can't be reached" in dropped(kept).problem
        team.stage.server.start()
        KeptDatabase.objects.filter(pk=kept.pk).update(host=None)
        assert "no longer known" in dropped(kept).problem
        KeptDatabase.objects.filter(pk=kept.pk).update(host=team.world.host)
    assert dropped(kept).erased_at is not None and kept.problem == ""
    left = "".join(path.read_text(errors="replace") for path in team.stage.home.rglob("*") if path.is_file())
    assert "not asked for here" not in left


def test_a_full_disk_is_not_asked_to_drop_anything(team: Team, kept: KeptDatabase) -> None:
    """A server that can't make a checkpoint for the drop would end, with the live database."""
    give_up(team, kept)
    shim(team.stage, "df", "echo h; echo /dev/x 9000 9000 900 99% /")
    with override("en"):
        row = dropped(kept)
    assert row.erased_at is None and "디스크가 가득 찼습니다" in row.problem
    assert kept.name in databases()
    shim(team.stage, "df", "echo h; echo /dev/x 9000 9000 9000 99% /")
    assert dropped(kept).erased_at is not None and kept.name not in databases()


def test_backups_and_their_retention_do_not_know_it(team: Team, kept: KeptDatabase) -> None:
    age(100)
    assert retention.prune() == 0
    kept.refresh_from_db()
    assert kept.removed_at is None and Path(team.stage.home / "dump").exists()
