"""Keeping a lease alive while a driver works."""

import threading
from types import TracebackType

import structlog
from django.db import connection

from releases.database import AWAY
from releases.models import lease

RENEW_SECONDS = 2.0
log = structlog.get_logger(__name__)


class LeaseKeeper:
    """Renews a lease from a thread of its own; `lost` is set as soon as another driver has it."""

    def __init__(self, deployment_id: int, token: int) -> None:
        self.deployment_id = deployment_id
        self.token = token
        self.lost = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_ended, name=f"lease-{deployment_id}", daemon=True)

    def __enter__(self) -> "LeaseKeeper":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _renew_until_ended(self) -> None:
        try:
            while not self._ended.wait(RENEW_SECONDS):
                try:
                    lease.renew(self.deployment_id, self.token)
                except lease.Fenced:
                    self.lost.set()
                    return
                except AWAY as error:
                    # The database is away: nobody else can take the lease either until it is back.
                    log.warning("lease not renewed", deployment=self.deployment_id, error=str(error))
                    connection.close()
        finally:
            connection.close()
