"""Celery's connection to the broker, for processes that outlive the broker's absence."""

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection

RETRY_SECONDS = 2.0


class PatientConnection(Connection):
    """Tries to reach the broker again every RETRY_SECONDS, however long it has been away.

    Celery's own pace slows down to 30 s, which a person who just repaired the broker would wait for.
    """

    def ensure_connection(self, *arguments: Any, **more: Any) -> Connection:  # type: ignore[override]
        """Connect, trying again and again."""
        pace: dict[str, Any] = {"interval_start": RETRY_SECONDS, "interval_step": 0.0, "interval_max": RETRY_SECONDS}
        return super().ensure_connection(*arguments, **(pace | more))

    def _do_close_transport(self) -> None:
        # Kombu also takes the transport its way back to us. Messages taken through it are acknowledged, or given
        # back, after it was closed; without that way each of them ends the whole worker with an AttributeError.
        self._transport = None


class PatientAMQP(AMQP):
    """What the application makes its connections from."""

    Connection = PatientConnection
    BrokerConnection = PatientConnection
