"""Hints to workers. Losing one loses nothing: the reconciler sends it again from the rows."""

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)


def driver(deployment_id: int) -> None:
    """After commit, ask a worker to drive the deployment."""
    transaction.on_commit(lambda: send("drive", deployment_id))


def prover(item_id: int, user_id: int | None, address: str) -> None:
    """After commit, ask a worker to run the check of a checklist item in the name of a person."""
    transaction.on_commit(lambda: send("prove", item_id, user_id, address))


def looker(look_id: int) -> None:
    """After commit, ask a worker to look at a step of unknown outcome."""
    transaction.on_commit(lambda: send("look", look_id))


def errand(task: str, number: int) -> None:
    """After commit, ask a worker to carry out an errand."""
    transaction.on_commit(lambda: send(task, number))


def send(task: str, *arguments: object, delay: float = 0.0) -> bool:
    """Send a message, to be read after `delay` seconds. Returns False when the broker can't be reached; the row then
    waits for the reconciler.
    """
    try:
        current_app.send_task(f"releases.tasks.{task}", args=arguments, countdown=delay or None, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("broker unreachable", task=task, arguments=arguments, error=str(error))
        return False
    return True
