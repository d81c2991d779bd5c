"""A database of one test, with what reaches it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connection


@dataclass
class Server:
    """A database of this test alone, and the parameters that reach it."""

    parameters: dict[str, Any]
    session: psycopg.Connection[tuple[Any, ...]]

    def reach(self, name: str = "") -> psycopg.Connection[tuple[Any, ...]]:
        """A new session, on the database that has this name now; without one, the test's own."""
        return psycopg.connect(**keys(), dbname=name or self.parameters["database"], autocommit=True)


def keys() -> dict[str, Any]:
    """What reaches the server of the tests."""
    given = connection.get_connection_params()
    return {name: given[name] for name in ("host", "port", "user", "password") if given.get(name)}


@contextmanager
def new_database() -> Iterator[Server]:
    """A database that is gone afterwards."""
    name, reach = f"app_{uuid.uuid4().hex[:10]}", keys()
    with psycopg.connect(**reach, dbname="postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        with psycopg.connect(**reach, dbname=name, autocommit=True) as session:
            parameters = {"database": name, "user": reach["user"]}
            parameters |= {n: str(reach[n]) for n in ("host", "port") if n in reach}
            yield Server(parameters, session)
        rows = admin.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [name]).fetchall()
        for (made,) in rows:  # it and what a restore kept of it
            admin.execute(f'DROP DATABASE "{made}" WITH (FORCE)')


def databases() -> set[str]:
    """The names of all databases of the server."""
    with psycopg.connect(**keys(), dbname="postgres") as session:
        return {row[0] for row in session.execute("SELECT datname FROM pg_database")}
