"""Dumps and migrations against a real PostgreSQL."""

import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils.translation import override

from releases import stores
from releases.actions import database
from releases.actions.sql import fits_one_transaction, statements
from releases.models import Backup
from tests.engine.database import Server, new_database
from tests.engine.stage import STEP, Done, Stage


@pytest.fixture
def server(db: None) -> Iterator[Server]:
    with new_database() as made:
        made.session.execute("CREATE TABLE meal (id int PRIMARY KEY, name text)")
        made.session.execute("INSERT INTO meal VALUES (1, '점심')")
        yield made


def dump(stage: Stage, server: Server, **more: Any) -> Done:
    return stage.perform("backup_database", {**server.parameters, "destination": "backup_{date}.sql", **more})


def test_a_dump_is_whole_copied_here_and_never_overwritten(
    stage: Stage, server: Server, settings: LazySettings
) -> None:
    done = dump(stage, server)
    assert done.problem == ""
    date = done.context.deployment.plan.content["date"]
    first = stage.home / f"backup_{date}.sql"
    row = Backup.objects.get()
    assert (row.location, row.size) == (str(first), first.stat().st_size)
    assert row.sha256 == hashlib.sha256(first.read_bytes()).hexdigest()
    kept = Path(settings.BACKUPS_DIR) / row.copy_location
    assert kept.read_bytes().startswith(b"age-encryption.org/v1\n") and "점심".encode() not in kept.read_bytes()
    stores.get(row.copy_location, stage.folder / "opened", row.sha256)
    assert (stage.folder / "opened").read_bytes() == first.read_bytes()
    assert "점심" in first.read_text()
    assert first.stat().st_mode & 0o077 == 0
    assert "$ pg_dump -U" in done.log.splitlines()[0]
    again = dump(stage, server)
    assert again.problem == ""
    assert again.context.evidence["location"] == str(stage.home / f"backup_{date}-2.sql")
    assert not list(stage.home.glob(".*.part"))


def test_too_little_room_for_what_the_last_one_took_is_found_first(stage: Stage, server: Server) -> None:
    first = dump(stage, server)
    kept = Path(first.context.evidence["location"]).read_bytes()
    Backup.objects.update(size=10**15)
    with override("en"):
        refused = dump(stage, server)
    assert refused.problem.startswith("Too little room for the backup: 1074218750000 kB needed"), refused.problem
    assert Path(first.context.evidence["location"]).read_bytes() == kept and Backup.objects.count() == 1
    assert len(list(stage.home.glob("backup_*.sql"))) == 1 and not list(stage.home.glob(".*.part"))


def test_a_custom_dump_can_be_listed(stage: Stage, server: Server) -> None:
    done = dump(stage, server, format="custom", destination=f"{stage.home}/made/now/db.dump")
    assert done.problem == ""
    assert (stage.home / "made" / "now" / "db.dump").read_bytes()[:5] == b"PGDMP"


def test_a_database_that_is_not_there_fails_and_leaves_nothing(stage: Stage, server: Server) -> None:
    done = dump(stage, server, database="nothing_here")
    assert done.exit_code == 1
    assert 'database "nothing_here" does not exist' in done.log
    assert not Backup.objects.exists()
    assert not list(stage.home.glob("*.sql"))
    assert not list(stage.home.glob(".*.part"))


def test_a_name_can_not_smuggle_in_another_server(stage: Stage, server: Server) -> None:
    hostile = "x' host='evil.example"
    done = stage.perform(
        "backup_database", {**server.parameters, "database": hostile, "destination": f"{stage.home}/x.sql"}
    )
    assert "evil.example" in done.log
    assert f'database "{hostile}" does not exist' in done.log
    assert database.connection({"database": r"a\'b", "user": "u"}) == r"dbname='a\\\'b' user='u'"


def migrate(stage: Stage, server: Server, sql: str, **more: Any) -> Done:
    release = stage.world.release
    release.schema_changed, release.migration_name, release.migration_sql = True, "V42__tags.sql", sql
    release.save()
    return stage.perform("sql", {**server.parameters, **more})


def test_a_migration_runs(stage: Stage, server: Server) -> None:
    done = migrate(
        stage, server, "ALTER TABLE meal ADD tag text;\nUPDATE meal SET tag = 'it''s; $(touch pwned) \\ 한';\n"
    )
    assert done.problem == ""
    assert server.session.execute("SELECT tag FROM meal").fetchone() == ("it's; $(touch pwned) \\ 한",)
    assert done.context.evidence["one_transaction"] is True
    assert "V42__tags.sql" in done.log.splitlines()[0]


def test_it_stops_at_the_first_error_and_rolls_back(stage: Stage, server: Server) -> None:
    with override("en"):
        done = migrate(
            stage, server, "ALTER TABLE meal ADD tag text;\n-- a note\nUPDATE meal SET nope = 1;\nDROP TABLE meal;\n"
        )
    assert done.exit_code == 3
    assert "Line 3" in done.problem
    assert 'column "nope"' in done.problem
    assert "UPDATE meal SET nope" in done.problem
    assert "rolled back" in done.problem
    columns = server.session.execute("SELECT * FROM meal").description
    assert columns is not None and [column.name for column in columns] == ["id", "name"]


def test_what_can_not_be_in_a_transaction_runs_outside_one(stage: Stage, server: Server) -> None:
    with override("en"):
        done = migrate(
            stage, server, "CREATE INDEX CONCURRENTLY by_name ON meal (name);\nSELECT 1/0;\nDROP TABLE meal;"
        )
    assert "Line 2: division by zero" in done.problem
    assert "took effect" in done.problem
    found = server.session.execute("SELECT indexname FROM pg_indexes WHERE indexname = 'by_name'").fetchall()
    assert found == [("by_name",)]
    with override("en"):
        forced = migrate(stage, server, "VACUUM;", transaction="single")
    assert "transaction: none" in forced.problem


def test_a_file_on_the_host_can_be_run(stage: Stage, server: Server) -> None:
    (stage.home / "more.sql").write_text("INSERT INTO meal VALUES (2, 'x');")
    assert migrate(stage, server, "SELECT 1;", file="~/more.sql").problem == ""
    assert server.session.execute("SELECT count(*) FROM meal").fetchone() == (2,)
    assert "no.sql" in migrate(stage, server, "SELECT 1;", file="no.sql").log


@pytest.mark.parametrize(
    ("sql", "fits"),
    [
        ("ALTER TABLE a ADD b int; -- VACUUM;\n/* VACUUM; */ INSERT INTO a VALUES ('; VACUUM;')", True),
        ("CREATE UNIQUE INDEX concurrently i ON a (b)", False),
        ("create index i on a (b)", True),
        ("SELECT 1;\n vacuum full a;", False),
        ("ALTER SYSTEM SET work_mem = '1GB'", False),
        ("CREATE DATABASE x", False),
        ("ALTER TYPE mood\n ADD VALUE 'sad'", False),
        ("BEGIN; SELECT 1; COMMIT;", False),
        ("CREATE FUNCTION f() RETURNS void AS $body$ BEGIN; VACUUM; END $body$ LANGUAGE plpgsql;", True),
        ("", True),
    ],
)
def test_it_knows_what_fits_one_transaction(sql: str, fits: bool) -> None:
    assert fits_one_transaction(sql) is fits


def test_statements_are_counted_without_comments() -> None:
    assert len(statements("SELECT 1; -- x;y\n\n;; SELECT ';'")) == 2
    assert statements("-- only a comment\n") == []


class PasswordTaker:
    """Speaks just enough of PostgreSQL's protocol to be told a password by a real psql."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.passwords: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _address = self.listener.accept()
            except OSError:
                return
            with peer:
                self._talk(peer)

    def _talk(self, peer: socket.socket) -> None:
        size, code = struct.unpack("!ii", peer.recv(8))
        while code in (80877103, 80877104):  # asks for TLS or GSS
            peer.sendall(b"N")
            size, code = struct.unpack("!ii", peer.recv(8))
        peer.recv(size - 8)
        peer.sendall(b"R" + struct.pack("!ii", 8, 3))
        _kind, size = struct.unpack("!ci", peer.recv(5))
        self.passwords.append(peer.recv(size - 4).rstrip(b"\0"))
        peer.sendall(b"E" + struct.pack("!i", 4 + 16) + b"SFATAL\0Mno\0C28P\0\0"[:16])


def test_the_password_reaches_psql_by_a_file_only(stage: Stage) -> None:
    taker = PasswordTaker()
    stage.secret("db_password", "a:b\\c'd $x 비밀")
    stage.world.release.migration_name, stage.world.release.migration_sql = "V1.sql", "SELECT 1;"
    stage.world.release.save()
    done = stage.perform(
        "sql",
        {"database": "app", "host": "127.0.0.1", "port": str(taker.port), "password_secret": "db_password"},
        variables=[{"name": "db_password", "type": "secret"}],
    )
    taker.listener.close()
    assert done.exit_code != 0
    assert taker.passwords == ["a:b\\c'd $x 비밀".encode()]
    assert "비밀" not in done.log
    script = json.dumps([STEP, dict(done.context.planned.parameters)], ensure_ascii=False)
    assert "비밀" not in script
