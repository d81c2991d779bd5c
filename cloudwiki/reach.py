"""Do PostgreSQL and Redis answer, and how fast? Each question ends within a few seconds, whatever they do."""

from contextlib import closing
from dataclasses import dataclass
from time import perf_counter

import psycopg
import redis
from django.conf import settings
from django.db import DatabaseError, connection
from redis.backoff import NoBackoff
from redis.retry import Retry

DATABASE_SECONDS = 2  # that connecting may take; libpq takes whole seconds, from 2 on
REDIS_SECONDS = 0.5  # that each word to Redis may take


@dataclass(frozen=True)
class Answer:
    """A round trip in seconds; None when there was no answer, and then the kind of error, without its text."""

    seconds: float | None
    problem: str = ""

    @property
    def milliseconds(self) -> float | None:
        """The round trip as people read it."""
        return None if self.seconds is None else 1000 * self.seconds


def postgresql() -> Answer:
    """Ask on a connection of its own: the one of the request may be lost, and then waits for ever."""
    try:
        parameters = connection.get_connection_params() | {"connect_timeout": DATABASE_SECONDS}
        with closing(connection.get_new_connection(parameters)) as session:
            session.execute("SELECT 1")  # begins the transaction, which is not to be measured
            begin = perf_counter()
            session.execute("SELECT 1")
            return Answer(perf_counter() - begin)
    except (psycopg.Error, DatabaseError) as error:
        return Answer(None, type(error).__name__)


def redis_server() -> Answer:
    """Ask on a connection of its own."""
    try:
        with redis_client() as client:
            return ping(client)
    except (redis.RedisError, OSError) as error:
        return Answer(None, type(error).__name__)


def redis_client() -> redis.Redis:
    """A client that gives up at once: redis-py would try three times more, with pauses in between."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def ping(client: redis.Redis) -> Answer:
    """The round trip of a client; raises RedisError when there is no answer."""
    client.ping()  # connects, which is not to be measured
    begin = perf_counter()
    client.ping()
    return Answer(perf_counter() - begin)
