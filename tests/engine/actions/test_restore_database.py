"""Dumps restored beside the live database, which is swapped only for a whole one; a real PostgreSQL."""

import itertools
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils.translation import override
from psycopg.sql import SQL, Identifier, Literal

from cloudwiki.embedded.binaries import find_postgres
from releases.actions.base import ActionError
from releases.actions.restorable import dump_for
from releases.actions.restore_database import names, restore_script
from releases.models import Backup, Deployment
from tests.engine.actions.breaking import Breaking
from tests.engine.actions.test_backup_files import shim
from tests.engine.actions.test_restore_files import end
from tests.engine.stage import Done, Stage

type Session = psycopg.Connection[tuple[Any, ...]]


class Server:
    """The test's PostgreSQL, with a database and a role of this test alone."""

    def __init__(self, name: str) -> None:
        given = connection.get_connection_params()
        self.keys = {key: given[key] for key in ("host", "port", "user", "password") if given.get(key)}
        self.name, self.role = name, f"role_{uuid.uuid4().hex[:10]}"
        self.parameters = {"database": name, "user": self.keys["user"]}
        self.parameters |= {key: str(self.keys[key]) for key in ("host", "port") if key in self.keys}
        self.admin = self.session("postgres")

    def session(self, name: str, user: str = "") -> Session:
        keys = {**self.keys, "user": user} if user else self.keys
        return psycopg.connect(**keys, dbname=name, autocommit=True)

    def create(self) -> None:
        role, name = Identifier(self.role), Identifier(self.name)
        self.admin.execute(SQL("CREATE ROLE {} LOGIN").format(role))
        self.admin.execute(
            SQL("CREATE DATABASE {} TEMPLATE template0 OWNER {} LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
                " LC_COLLATE 'C' LC_CTYPE 'C' CONNECTION LIMIT 7").format(name, role)
        )  # fmt: skip
        for statement in (
            "COMMENT ON DATABASE {name} IS 'the team''s own'",
            'ALTER DATABASE {name} SET search_path TO "$user", public, "odd name"',
            "ALTER DATABASE {name} SET default_transaction_read_only TO off",
            "ALTER DATABASE {name} SET app.note TO 'it''s = a \"note\"'",
            "ALTER ROLE {role} IN DATABASE {name} SET statement_timeout TO '9s'",
            "REVOKE ALL ON DATABASE {name} FROM PUBLIC",
            "GRANT CONNECT ON DATABASE {name} TO pg_monitor WITH GRANT OPTION",
        ):
            self.admin.execute(SQL(statement).format(name=name, role=role))
        self.run(
            "CREATE TABLE meal (id serial PRIMARY KEY, name text NOT NULL)",
            "CREATE INDEX by_name ON meal (name)",
            "INSERT INTO meal (name) SELECT '점심 ' || n FROM generate_series(1, 500) n",
            "SELECT lo_from_bytea(0, 'large')",
        )

    def run(self, *statements: str) -> None:
        with self.session(self.name) as session:
            for statement in statements:
                session.execute(statement)  # type: ignore[arg-type]

    def change(self) -> None:
        """What the deployment being undone does."""
        self.run(
            "ALTER TABLE meal ADD tag text", "DELETE FROM meal WHERE id < 100", "INSERT INTO meal (name) VALUES ('new')"
        )

    def content(self, name: str = "") -> tuple[Any, ...]:
        """Rows, columns, where the sequence stands, large objects."""
        with self.session(name or self.name) as session:
            counts = session.execute(
                "SELECT count(*), min(id), max(id), md5(string_agg(name, ',' ORDER BY id)) FROM meal"
            )
            columns = session.execute("SELECT count(*) FROM information_schema.columns WHERE table_name = 'meal'")
            sequence = session.execute("SELECT last_value, is_called FROM meal_id_seq")
            large = session.execute("SELECT count(*) FROM pg_largeobject")
            return tuple(found.fetchone() for found in (counts, columns, sequence, large))

    def properties(self, name: str = "") -> tuple[Any, ...]:
        """Owner, locale, privileges, limit, comment and settings."""
        found = self.admin.execute(
            "SELECT datdba, encoding, datlocprovider, datlocale, datcollate, datctype, datconnlimit, datallowconn,"
            " dattablespace, (SELECT array_agg(x::text ORDER BY x::text) FROM unnest(datacl) x),"
            " shobj_description(d.oid, 'pg_database'), (SELECT array_agg((setrole, setconfig)::text ORDER BY setrole)"
            "   FROM pg_db_role_setting WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = %s",
            [name or self.name],
        ).fetchone()
        assert found is not None
        return found

    def others(self) -> list[str]:
        """The databases beside it that have to do with it."""
        start = self.name[:20]
        rows = self.admin.execute("SELECT datname FROM pg_database WHERE datname <> %s ORDER BY 1", [self.name])
        return [name for (name,) in rows.fetchall() if name.startswith(start)]

    def remove(self) -> None:
        self.admin.execute("SET client_min_messages TO error")
        for name in [*self.others(), self.name]:
            self.admin.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
        self.admin.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(self.role)))
        self.admin.close()


@pytest.fixture(params=["plain name"])
def server(db: None, request: pytest.FixtureRequest) -> Iterator[Server]:
    mark = uuid.uuid4().hex[:10]
    name = f"app_{mark}" if request.param == "plain name" else f"{mark} {request.param}"
    made = Server(name)
    try:
        made.create()
        yield made
    finally:
        made.remove()


def back_up(stage: Stage, server: Server, form: str = "plain") -> Backup:
    """Dump it, as the deployment that is undone later did before it changed anything."""
    parameters = {**server.parameters, "format": form, "destination": f"dumps here/db.{form}"}
    done = stage.perform("backup_database", parameters)
    assert done.problem == "", done.log
    end(done.context.deployment)
    return Backup.objects.get(pk=done.context.evidence["backup"])


def restore(stage: Stage, server: Server, **more: Any) -> Done:
    with override("en"):
        return stage.perform("restore_database", {**server.parameters, **more})


HOSTILE = 'x\'; DROP TABLE meal; --"q" \\ $(id) :new -r'


@pytest.mark.parametrize("server", ["plain name", HOSTILE, "ㄱ" * 15], indirect=True)
@pytest.mark.parametrize("form", ["plain", "custom"])
def test_the_data_are_as_they_were_and_the_new_ones_are_kept(stage: Stage, server: Server, form: str) -> None:
    before, properties = server.content(), server.properties()
    row = back_up(stage, server, form)
    server.change()
    changed = server.content()
    done = restore(stage, server, jobs=2)
    assert done.problem == "", done.log
    assert server.content() == before
    assert server.properties() == properties
    kept = done.context.evidence["kept"]
    assert server.others() == [kept] and len(kept.encode()) <= 63
    assert server.content(kept) == changed
    assert done.context.evidence == {
        "database": server.name, "kept": kept, "backup": row.pk, "location": row.location, "size": row.size,
        "sha256": row.sha256,
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


def test_it_is_the_dump_of_that_database_by_the_deployment_being_undone(stage: Stage, server: Server) -> None:
    first, second = back_up(stage, server), back_up(stage, server)
    undoing, host = stage.world.draft(), stage.world.host
    assert dump_for(undoing, server.parameters, host) == second
    Backup.objects.filter(pk=second.pk).delete()
    assert dump_for(undoing, server.parameters, host) == first
    with override("en"):
        for other in ({"database": "other"}, {"host": "db2"}, {"port": "1"}):
            with pytest.raises(ActionError, match=r"no dump of the database .* on prod-1"):
                dump_for(undoing, {**server.parameters, **other}, host)
    Deployment.objects.update(kind="rollback")
    with pytest.raises(ActionError):
        dump_for(undoing, server.parameters, host)


# Cut at any moment.


class Bench:
    """The script on this machine against the test's server; `attempt` names the run."""

    def __init__(self, stage: Stage, server: Server, folder: Path, shell: tuple[str, ...]) -> None:
        self.server, self.old = server, server.content()
        self.row = back_up(stage, server, "custom")
        server.change()
        self.new = server.content()
        self.breaking = Breaking(folder, ("psql", "pg_restore"), shell, f"{find_postgres().path.parent}:")

    def run(self, attempt: str, at: int = 0, when: str = "") -> tuple[int, str, bool]:
        script = restore_script(self.server.parameters, self.row, attempt * 32, "$ restore")
        ended = self.breaking.run(script.text, script.parameters, at, when, **self._password())
        return ended.exit_code, ended.output, ended.killed

    def _password(self) -> dict[str, str]:
        return {"PGPASSWORD": self.server.keys["password"]} if "password" in self.server.keys else {}

    def reset(self) -> None:
        """The live one has the new data again, and nothing is beside it."""
        for name in self.server.others():
            if self.server.content() != self.new and "_before_" in name:
                self._execute("DROP DATABASE {} WITH (FORCE)", self.server.name)
                self._execute("ALTER DATABASE {} RENAME TO {}", name, self.server.name)
            else:
                self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _execute(self, statement: str, *names: str) -> None:
        self.server.admin.execute(SQL(statement).format(*map(Identifier, names)))  # type: ignore[arg-type]

    def check(self, attempt: str, output: str) -> None:
        """It is done: the old data are live, the new ones kept, nothing else is there."""
        assert self.server.content() == self.old, output
        kept = [name for name in self.server.others() if self.server.content(name) == self.new]
        assert len(kept) == 1 and "_before_" in kept[0], output
        assert not [name for name in self.server.others() if "_restore_" in name], output


@pytest.mark.parametrize("shell", [("sh",), ("busybox", "sh")], ids=["sh", "busybox"])
def test_a_kill_at_any_call_leaves_one_or_the_other_and_the_next_run_ends_it(
    stage: Stage, server: Server, tmp_path: Path, shell: tuple[str, ...]
) -> None:
    bench = Bench(stage, server, tmp_path / "breaking", shell)
    code, output, _killed = bench.run("a")
    assert code == 0, output
    bench.check("a", output)
    count, killed_at_all = len(bench.breaking.calls()), 0
    assert count >= 9
    for when, at in itertools.product(("before", "after"), range(1, count + 1)):
        bench.reset()
        _code, output, killed = bench.run("a", at, when)
        found = server.content()
        assert found in (bench.old, bench.new)
        killed_at_all += killed
        attempt = {"before": "a", "after": "b"}[when]
        code, output, _killed = bench.run(attempt)
        assert code == 0, (when, at, output)
        if attempt == "b" and found == bench.old:  # the other attempt can't know, and restores once more
            assert server.content() == bench.old and len(server.others()) == 2
        else:
            bench.check(attempt, output)
    assert killed_at_all > count  # how often sessions are ended at last depends on the moment


def test_a_kill_right_after_the_swap_is_known_to_the_next_run(stage: Stage, server: Server, tmp_path: Path) -> None:
    bench = Bench(stage, server, tmp_path / "breaking", ("sh",))
    psql = tmp_path / "breaking" / "bin" / "psql"
    counting = psql.read_text()
    real = find_postgres().path.parent / "psql"
    kill = "case $text in *RENAME*) kill -KILL 0 ;; esac; exit $code"
    psql.write_text(f'#!/bin/sh\ntext=$(cat)\nprintf "%s\\n" "$text" | {real} "$@"\ncode=$?\n{kill}\n')
    assert bench.run("a")[2], "it was killed"
    bench.check("a", "")
    psql.write_text(counting)
    code, output, _killed = bench.run("a")
    assert code == 0, output
    bench.check("a", output)


def test_a_call_that_fails_leaves_the_live_one_alone(stage: Stage, server: Server, tmp_path: Path) -> None:
    bench = Bench(stage, server, tmp_path / "breaking", ("sh",))
    bench.run("a")
    for at in range(1, len(bench.breaking.calls()) + 1):
        bench.reset()
        code, output, _killed = bench.run("a", at, "fail")
        assert server.content() == (bench.old if code == 0 else bench.new), (at, output)
        left = [name for name in server.others() if "_restore_" in name]
        # Where the look around itself fails, or the removal, the next run removes what is left.
        assert not left or code, (at, output)
        code, output, _killed = bench.run("b")
        assert code == 0 and not [name for name in server.others() if "_restore_" in name], (at, output)


def test_a_swap_that_somebody_left_half_done_is_finished(stage: Stage, server: Server, tmp_path: Path) -> None:
    bench = Bench(stage, server, tmp_path / "breaking", ("sh",))
    assert bench.run("a")[0] == 0
    bench._execute("ALTER DATABASE {} RENAME TO {}", server.name, names(server.name, "a" * 32).new)
    code, output, _killed = bench.run("a")
    assert code == 0, output
    bench.check("a", output)


def test_only_what_is_surely_its_own_is_dropped(stage: Stage, server: Server, tmp_path: Path) -> None:
    bench = Bench(stage, server, tmp_path / "breaking", ("sh",))
    stem = names(server.name, "").stem
    mine = [f"{stem}0123abcd", f"{stem}0123abcde", f"{stem}of_mine"]
    for name in mine:
        bench._execute("CREATE DATABASE {}", name)
    left = [f"{stem}00000001", f"{stem}00000002"]  # killed after the comment, and before it
    for name in left:
        bench._execute("CREATE DATABASE {} ALLOW_CONNECTIONS false", name)
    mark = f"cloudwiki: a restore of {server.name} that is not finished"
    server.admin.execute(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(left[0]), Literal(mark)))
    code, output, _killed = bench.run("a")
    assert code == 0, output
    assert server.others() == sorted([*mine, names(server.name, "a" * 32).before])
    shutil.rmtree(tmp_path / "breaking")
