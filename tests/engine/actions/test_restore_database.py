"""Dumps restored beside the live database, which is swapped only for a whole one; a real PostgreSQL."""

import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.utils.translation import override
from psycopg.sql import SQL, Identifier

from cloudwiki.embedded.binaries import find_postgres
from releases.actions.base import ActionError
from releases.actions.restore_database import restore_script
from releases.models import KeptDatabase
from tests.engine.actions.dumped import Server, back_up
from tests.engine.actions.test_backup_files import shim
from tests.engine.stage import Done, Stage


def restore(stage: Stage, server: Server, **more: Any) -> Done:
    with override("en"):
        return stage.perform("restore_database", {**server.parameters, **more})


HOSTILE = 'x\'; DROP TABLE meal; --"q" \\ $(id) :new -r'


@pytest.mark.parametrize("server", ["plain name", HOSTILE, "ㄱ" * 15], indirect=True)
@pytest.mark.parametrize("form", ["plain", "custom", "side by side"])
def test_the_data_are_as_they_were_and_the_new_ones_are_kept(stage: Stage, server: Server, form: str) -> None:
    before, properties = server.content(), server.properties()
    row = back_up(stage, server, form)
    server.change()
    changed = server.content()
    done = restore(stage, server, jobs=2)
    assert done.problem == "", done.log
    assert not [path for path in (stage.home / "dumps here").iterdir() if path.name.endswith(".d")]
    assert server.content() == before
    assert server.properties() == properties
    kept = done.context.evidence["kept"]
    assert server.others() == [kept] and len(kept.encode()) <= 63
    assert server.content(kept) == changed
    noted = KeptDatabase.objects.get()
    assert (noted.name, noted.database, noted.size is None) == (kept, server.name, False)
    assert done.context.evidence == {
        "database": server.name, "kept": kept, "kept_oid": noted.oid, "backup": row.pk, "location": row.location,
        "size": row.size, "sha256": row.sha256,
    }  # fmt: skip
    with server.session(server.name) as session:
        assert session.execute("INSERT INTO meal (name) VALUES ('next') RETURNING id").fetchone() == (501,)
        assert session.execute("SELECT reltuples::int FROM pg_class WHERE relname = 'meal'").fetchone() == (500,)


def test_open_sessions_of_others_are_ended(stage: Stage, server: Server) -> None:
    back_up(stage, server)
    server.change()
    with suppress(psycopg.Error), server.session(server.name) as idle, server.session(server.name, server.role) as busy:
        busy.execute("SET statement_timeout TO 0")
        idle.execute("BEGIN")
        idle.execute("SELECT * FROM meal")
        done = restore(stage, server)
        assert done.problem == "", done.log
        for session in (idle, busy):
            with pytest.raises(psycopg.OperationalError):
                session.execute("SELECT 1")


def test_a_pool_that_comes_back_at_once_does_not_stop_it(stage: Stage, server: Server) -> None:
    back_up(stage, server)
    server.change()
    connected, over = threading.Event(), threading.Event()

    def pool() -> None:
        while not over.is_set():
            with suppress(psycopg.Error), server.session(server.name) as session:
                while not over.is_set():
                    session.execute("SELECT 1")
                    connected.set()

    threads = [threading.Thread(target=pool) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert connected.wait(15)
    done = restore(stage, server)
    over.set()
    for thread in threads:
        thread.join()
    assert done.problem == "", done.log


@pytest.mark.parametrize("kind", ["truncated", "bit flipped", "empty", "gone"])
def test_a_damaged_dump_changes_nothing(stage: Stage, server: Server, kind: str) -> None:
    dump = Path(back_up(stage, server).location)
    server.change()
    changed, whole = server.content(), dump.read_bytes()
    damaged = {"truncated": whole[:-1], "bit flipped": whole[:99] + bytes([whole[99] ^ 1]) + whole[100:], "empty": b""}
    dump.unlink()
    if kind in damaged:
        dump.write_bytes(damaged[kind])
    problem = restore(stage, server).problem
    assert ("is not there any more" if kind == "gone" else "is damaged") in problem and str(dump) in problem
    assert (server.content(), server.others()) == (changed, [])


@pytest.mark.parametrize("form", ["plain", "custom"])
def test_a_restore_that_fails_leaves_the_live_one_and_nothing_else(stage: Stage, server: Server, form: str) -> None:
    role = f"gone_{uuid.uuid4().hex[:8]}"
    server.run(f"CREATE ROLE {role}", f"ALTER TABLE meal OWNER TO {role}")
    back_up(stage, server, form)
    server.run("ALTER TABLE meal OWNER TO CURRENT_USER", f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    server.change()
    changed = server.content()
    problem = restore(stage, server).problem
    assert "could not be restored. The live one is as it was" in problem
    assert f'role "{role}" does not exist' in problem
    assert (server.content(), server.others()) == (changed, [])


def test_a_swap_that_fails_half_way_has_changed_nothing(stage: Stage, server: Server) -> None:
    back_up(stage, server)
    server.change()
    changed, properties = server.content(), server.properties()
    real = find_postgres().path.parent / "psql"
    shim(stage, "psql", f'sed \'s/^ALTER DATABASE :"new" RENAME.*/SELECT 1 \\/ 0;/\' | {real} "$@"')
    problem = restore(stage, server).problem
    assert "could not take the place of" in problem and "PostgreSQL said: division by zero" in problem
    assert (server.content(), server.properties(), server.others()) == (changed, properties, [])


def test_its_owner_needs_no_superuser(stage: Stage, server: Server) -> None:
    server.admin.execute(SQL("ALTER ROLE {} CREATEDB").format(Identifier(server.role)))
    server.admin.execute(SQL("ALTER DATABASE {} RESET app.note").format(Identifier(server.name)))  # a superuser's
    server.run(f"ALTER TABLE meal OWNER TO {server.role}", "SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
    server.parameters["user"] = server.role
    before, properties = server.content(), server.properties()
    back_up(stage, server)
    server.change()
    done = restore(stage, server)
    assert done.problem == "", done.log
    assert (server.content(), server.properties()) == (before, properties)


def test_too_little_room_is_found_before_anything_is_made(stage: Stage, server: Server) -> None:
    back_up(stage, server)
    shim(stage, "df", "echo h; echo /dev/x 100 100 10 99% /")
    assert "Too little room to restore" in restore(stage, server).problem
    assert server.others() == []


def test_a_database_that_is_not_there_is_named(stage: Stage, server: Server) -> None:
    back_up(stage, server)
    server.admin.execute(SQL("DROP DATABASE {}").format(Identifier(server.name)))
    problem = restore(stage, server).problem
    assert problem == f"There is no database {server.name} to replace. Correct its name, or restore by hand."
    assert server.others() == []


def test_a_name_with_a_line_break_is_refused(stage: Stage, server: Server) -> None:
    row = back_up(stage, server)
    with override("en"), pytest.raises(ActionError, match="without line breaks"):
        restore_script({**server.parameters, "database": "a\nb"}, row, "a" * 32, "")
