"""Holding a lease: the database side of fencing.

A driver takes the lease of a deployment and gets a token that is higher than any before it. Every later
write happens inside `held`, which locks the lease row against a takeover until the write is committed.
All times are the database's.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from django.db import connection, transaction

from releases.models.deployment import Lease

LEASE_SECONDS = 8
# A lease that ends later than this from now was taken before the clock was put back; else it would hold for so long.
FARTHEST_SECONDS = 2 * LEASE_SECONDS
TRIES = 20  # to take a lease that is over, in a second


class Fenced(Exception):
    """Another driver holds the lease now; this one must stop at once and write nothing more."""


def take(deployment_id: int, owner: str) -> int | None:
    """Take the lease if it is free or over. Returns the new token, or None when another driver holds it.

    Waits a second at most for somebody who writes under it. That may be a driver which was frozen in the middle of a
    write, until PostgreSQL ends it (settings.IDLE_IN_TRANSACTION_SECONDS): to wait for that would bind one worker after
    the other.
    """
    Lease.objects.get_or_create(deployment_id=deployment_id)
    for _try in range(TRIES):
        token = _take_where_nobody_writes(deployment_id, owner)
        if token is not None or remaining(deployment_id) > 0:
            return token
        time.sleep(1 / TRIES)
    return None


def _take_where_nobody_writes(deployment_id: int, owner: str) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE releases_lease SET owner = %s, token = nextval('releases_lease_token'),"
            " until = clock_timestamp() + make_interval(secs => %s)"
            " WHERE deployment_id = (SELECT deployment_id FROM releases_lease WHERE deployment_id = %s AND"
            " (until IS NULL OR until < clock_timestamp() OR until > clock_timestamp() + make_interval(secs => %s))"
            " FOR NO KEY UPDATE SKIP LOCKED) RETURNING token",
            [owner, LEASE_SECONDS, deployment_id, FARTHEST_SECONDS],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else None


def remaining(deployment_id: int) -> float:
    """Seconds until the lease may be taken from its holder; 0 when it is free."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT greatest(0, extract(epoch FROM until - clock_timestamp())) FROM releases_lease"
            " WHERE deployment_id = %s AND until IS NOT NULL",
            [deployment_id],
        )
        row = cursor.fetchone()
    seconds = float(row[0]) if row else 0.0
    return seconds if seconds <= FARTHEST_SECONDS else 0.0


def renew(deployment_id: int, token: int) -> None:
    """Push the lease's end LEASE_SECONDS from now; raises Fenced when it is no longer ours or is over."""
    _change(deployment_id, token, "until = clock_timestamp() + make_interval(secs => %s)", [LEASE_SECONDS])


def release(deployment_id: int, token: int) -> None:
    """Give the lease back so that another driver may take it at once. Not an error when it is lost already."""
    with suppress(Fenced):
        _change(deployment_id, token, "until = NULL, owner = '', freed_at = clock_timestamp()", [])


@contextmanager
def held(deployment_id: int, token: int) -> Iterator[datetime]:
    """A transaction in which nobody can take the lease away; raises Fenced when it is already gone.

    Gives the database's time once the lease is held (aware, UTC).
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            # The lock first, the clock after: a wait for the lock must not make the time old.
            cursor.execute(
                "WITH own AS MATERIALIZED (SELECT 1 FROM releases_lease WHERE deployment_id = %s AND token = %s"
                " FOR NO KEY UPDATE) SELECT clock_timestamp() FROM own",
                [deployment_id, token],
            )
            row = cursor.fetchone()
        if row is None:
            raise Fenced(f"deployment {deployment_id}: token {token} is not the newest")
        yield row[0]


def _change(deployment_id: int, token: int, assignment: str, values: list[float | str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE releases_lease SET {assignment} WHERE deployment_id = %s AND token = %s",  # noqa: S608 constant
            [*values, deployment_id, token],
        )
        if cursor.rowcount != 1:
            raise Fenced(f"deployment {deployment_id}: token {token} is not the newest")
