"""A database of one test alone, with everything that a restore has to bring back."""

import uuid
from typing import Any

import psycopg
from django.db import connection
from psycopg.sql import SQL, Identifier

from releases.models import Backup
from tests.engine.actions.test_restore_files import end
from tests.engine.stage import Stage

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


def back_up(stage: Stage, server: Server, form: str = "plain") -> Backup:
    """Dump it, as the deployment that is undone later did before it changed anything."""
    how = {"format": "custom", "jobs": 3} if form == "side by side" else {"format": form}
    parameters = {**server.parameters, **how, "destination": f"dumps here/db.{form}"}
    done = stage.perform("backup_database", parameters)
    assert done.problem == "", done.log
    end(done.context.deployment)
    return Backup.objects.get(pk=done.context.evidence["backup"])
