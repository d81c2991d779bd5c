"""The databases of the demo's application: a small one for each environment beside our own, on the same server."""

import shutil
from dataclasses import replace
from pathlib import Path

import psycopg
from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from psycopg import sql

from cloudwiki.embedded import EmbeddedError
from cloudwiki.embedded.binaries import find_postgres
from demo.machine import Database

OUR_NAME = "cloudwiki"  # of the database of an ordinary installation
SCHEMA = """
CREATE TABLE IF NOT EXISTS meals (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    votes integer NOT NULL DEFAULT 0
);
INSERT INTO meals (name, votes) VALUES ('김치찌개', 4), ('비빔밥', 7), ('칼국수', 2) ON CONFLICT DO NOTHING;
"""


ENDINGS = {"production": "", "staging": "_staging"}


def ensure() -> dict[str, Database]:
    """Make the demo's databases where they are missing; each by its environment's key.

    Raises CommandError when the server does not allow it.
    """
    ours = settings.DATABASES["default"]
    own_name = str(connection.settings_dict["NAME"])
    own = Database(
        host=str(ours.get("HOST") or "127.0.0.1"),
        port=int(ours.get("PORT") or 5432),
        user=str(ours.get("USER") or ""),
        password=str(ours.get("PASSWORD") or ""),
        name=own_name,
    )
    name = "demo_app" if own_name == OUR_NAME else f"{own_name}_demo_app"
    databases = {key: replace(own, name=name + ending) for key, ending in ENDINGS.items()}
    with connect(own) as session:
        session.autocommit = True
        for database in databases.values():
            if not session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database.name]).fetchone():
                _create(session, database.name)
    for database in databases.values():
        with connect(database) as session:
            session.execute(SCHEMA)
    return databases


def connect(database: Database) -> "psycopg.Connection[tuple[object, ...]]":
    """A session on the demo's database."""
    return psycopg.connect(
        host=database.host,
        port=database.port,
        user=database.user,
        password=database.password or None,
        dbname=database.name,
        connect_timeout=10,
    )


def _create(session: "psycopg.Connection[tuple[object, ...]]", name: str) -> None:
    try:
        session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.errors.DuplicateDatabase:  # another process was quicker
        return
    except psycopg.Error as error:
        raise CommandError(
            f"The demo needs a database {name} and could not make it ({error}). Let the user of DATABASE_URL create"
            f" databases, or create {name} for it."
        ) from error


def client_programs() -> dict[str, Path]:
    """pg_dump, pg_restore and psql of this machine. Raises CommandError naming what is missing."""
    try:
        server = find_postgres()
    except EmbeddedError:
        server = None
    found: dict[str, Path] = {}
    for name in ("pg_dump", "pg_restore", "psql"):
        beside = server.sibling(name) if server else None
        system = shutil.which(name)
        if beside is not None and beside.exists():
            found[name] = beside
        elif system:
            found[name] = Path(system)
        else:
            raise CommandError(f"The demo needs {name}. Install PostgreSQL's client programs.")
    return found
