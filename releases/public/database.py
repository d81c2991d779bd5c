"""Whether the database answers, without waiting for it at each request."""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from cloudwiki import reach

LOOK_SECONDS: Final = 2.0  # between two looks at a database that is away
log = structlog.get_logger(__name__)


class Watch:
    """Remembers that the database is away. A thread of its own then looks for it, so that no visitor has to wait."""

    def __init__(self, answers: Callable[[], bool] = lambda: not reach.postgresql().problem) -> None:
        self._answers = answers
        self._lock = threading.Lock()
        self._looking: threading.Thread | None = None
        self._away = False

    @property
    def is_away(self) -> bool:
        """It did not answer when it was asked last."""
        return self._away

    def asks(self) -> bool:
        """Whether it answers now; at once while it is known to be away, else after at most two seconds."""
        if not self._away and not self._answers():
            self.miss()
        return not self._away

    def miss(self) -> None:
        """It has just not answered."""
        with self._lock:
            self._away = True
            if self._looking is None or not self._looking.is_alive():
                log.warning("the database does not answer; public pages show their last state")
                self._looking = threading.Thread(target=self._look, name="public-database", daemon=True)
                self._looking.start()

    def forget(self) -> None:
        """As at the start."""
        self._away = False

    def _look(self) -> None:
        while self._away:
            time.sleep(LOOK_SECONDS)
            if self._answers():
                with self._lock:
                    self._away = False
                    self._looking = None
        log.info("the database answers again")


watch = Watch()
