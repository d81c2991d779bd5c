"""The database's clock: the only one that the engine trusts."""

from datetime import datetime

from django.db import connection


def now() -> datetime:
    """The time of the database server, aware (UTC)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row is not None  # noqa: S101 - SELECT of one value
    moment: datetime = row[0]
    return moment
