"""The threads of one driver. Each keeps its database connection from step to step."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from releases.remote import faults


class Crew:
    """At most `size` threads, made when needed."""

    def __init__(self, size: int, deployment_id: int) -> None:
        self._subject = str(deployment_id)
        self._connections: list[BaseDatabaseWrapper] = []
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=f"deployment-{deployment_id}", initializer=self._come)

    def _come(self) -> None:
        """Runs in a new thread: its connection is closed by the driver, once the thread is gone."""
        faults.subject.set(self._subject)
        own = connections[DEFAULT_DB_ALIAS]
        own.inc_thread_sharing()
        self._connections.append(own)

    def submit(self, work: Callable[[], None]) -> Future[None]:
        """Have one of the threads do it."""
        return self._pool.submit(work)

    def leave(self) -> None:
        """Wait until everything submitted is done, then close what the threads had open."""
        self._pool.shutdown(wait=True)
        for connection in self._connections:
            connection.close()
