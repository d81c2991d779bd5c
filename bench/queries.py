"""Counting what is asked of PostgreSQL, over all threads of this process."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Asked:
    """Statements by their text, and connections opened."""

    def __init__(self) -> None:
        self.statements: Counter[str] = Counter()
        self.connections = 0
        self._lock = threading.Lock()

    @property
    def total(self) -> int:
        """Statements in all; those that begin and end transactions are not among them."""
        return sum(self.statements.values())

    def watch(self, connection: Any, **_: object) -> None:
        """Count on a connection that has just been opened."""
        with self._lock:
            self.connections += 1
        self._wrap(connection)

    def _wrap(self, connection: Any) -> None:
        if self not in [getattr(wrapper, "__self__", None) for wrapper in connection.execute_wrappers]:
            connection.execute_wrappers.append(self._counted)

    def _counted(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        with self._lock:
            self.statements[sql] += 1
        return execute(sql, params, many, context)


@contextmanager
def counted() -> Iterator[Asked]:
    """Count until the end of the block, on this thread's connection and on every one opened meanwhile."""
    from django.db import connection
    from django.db.backends.signals import connection_created

    asked = Asked()
    asked._wrap(connection)
    connection_created.connect(asked.watch, weak=False)
    try:
        yield asked
    finally:
        connection_created.disconnect(asked.watch)
        connection.execute_wrappers.remove(asked._counted)
