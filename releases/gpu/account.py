"""What every provider's adapter is: connections with one key, and how long a call may take."""

from __future__ import annotations

import copy
from typing import Self

from .http import Http
from .patience import Patience, Stop, never

PATIENCE = 60.0  # seconds for a call, unless `within` says another


class Account:
    """One account. Threads may share it; close it, or use it as a context manager."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._patience = Patience(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def within(self, seconds: float, stop: Stop = never) -> Self:
        """The same account, each of whose calls takes at most `seconds` and asks `stop` while it waits."""
        other = copy.copy(self)
        other._patience = Patience(seconds, stop)
        return other
