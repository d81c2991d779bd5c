"""The way from workers to screens: one Redis stream for each deployment that is being watched or driven.

PostgreSQL holds everything that passes here, so publishing never fails and never waits: when Redis does not
answer at once, the message is dropped, and the screens read the store instead (fanout.py).
"""

import os
import threading
import time
from datetime import datetime

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT = 0.25  # seconds that publishing may take at most
PAUSES = (1.0, 16.0)  # seconds without a further try after a failure: the first, doubling up to the last
KEPT_BYTES = 16 * 1024 * 1024  # of live log in Redis for one deployment, roughly
_KEPT_ENTRIES = (32, 2000)
_EXPIRES = 3600  # seconds

type Fields = dict[
    bytes | bytearray | memoryview | str | int | float, bytes | bytearray | memoryview | str | int | float
]

logger = structlog.get_logger(__name__)


def stream_key(deployment_id: int) -> str:
    """Name of the stream of a deployment."""
    return f"cloudwiki:deployment:{deployment_id}"


def publish_log(
    deployment_id: int, attempt_id: int, step_key: str, offset: int, line: int, at: datetime, data: bytes
) -> None:
    """Show a stored piece of log: `offset` in bytes of the masked log, `line` the number of its first line."""
    publisher.add(
        deployment_id,
        {
            "kind": "log",
            "attempt": attempt_id,
            "step": step_key,
            "offset": offset,
            "line": line,
            "at": at.isoformat(),
            "data": data,
        },
        len(data),
    )


def publish_state(deployment_id: int, version: int) -> None:
    """Tell that the deployment changed; call it after commit with Deployment.version."""
    publisher.add(deployment_id, {"kind": "state", "version": version}, 0)


class Publisher:
    """One Redis client a process, behind a switch that opens for a while after a failure."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: redis.Redis | None = None
        self._made_for: tuple[int, str] = (0, "")
        self._silent_until = self._pause = 0.0

    def add(self, deployment_id: int, fields: Fields, size: int) -> None:
        """Append one message to the stream of the deployment, or drop it. `size`: bytes of log in it."""
        if time.monotonic() < self._silent_until:
            return
        fewest, most = _KEPT_ENTRIES
        kept = max(fewest, min(most, KEPT_BYTES // max(1, size)))
        key = stream_key(deployment_id)
        try:
            with self.connection().pipeline(transaction=False) as pipeline:
                pipeline.xadd(key, fields, maxlen=kept, approximate=True)
                pipeline.expire(key, _EXPIRES)
                pipeline.execute()
        except (redis.RedisError, OSError) as problem:
            self._failed(problem)
        else:
            self._worked()

    def reset(self) -> None:
        """Forget the client and the last failure."""
        self._made_for, self._silent_until, self._pause = (0, ""), 0.0, 0.0

    def connection(self) -> redis.Redis:
        """The client of this process; each call on it takes at most about TIMEOUT."""
        wanted = (os.getpid(), settings.REDIS_URL)
        with self._lock:
            if self._client is None or self._made_for != wanted:
                self._client = redis.Redis.from_url(
                    settings.REDIS_URL,
                    socket_timeout=TIMEOUT,
                    socket_connect_timeout=TIMEOUT,
                    retry=Retry(NoBackoff(), 1),  # once: a connection that Redis closed meanwhile
                )
                self._made_for = wanted
            return self._client

    def _failed(self, problem: Exception) -> None:
        if not self._pause:
            logger.warning("live updates paused: Redis does not answer", error=str(problem))
        self._pause = min(max(PAUSES[0], 2 * self._pause), PAUSES[1])
        self._silent_until = time.monotonic() + self._pause

    def _worked(self) -> None:
        if self._pause:
            self._pause = 0.0
            logger.info("live updates resumed")


publisher = Publisher()
