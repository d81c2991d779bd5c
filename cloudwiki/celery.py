"""The Celery application: carries hints of work to the workers."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_ready, worker_shutdown, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cloudwiki.settings")

app = Celery("cloudwiki")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["releases"])


@setup_logging.connect(weak=False)
def keep_django_logging(**_: Any) -> None:
    """Being connected is what keeps Celery from replacing the log handlers of settings.LOGGING."""


@worker_ready.connect(weak=False)
def begin_pulse(sender: Any, **_: Any) -> None:
    """Say in PostgreSQL that this worker is alive, from a thread of its main process, until it ends."""
    from releases.system.pulse import Pulse

    pool = sender.pool

    def processes() -> list[int]:
        return list(pool.info.get("processes") or [os.getpid()])

    pulse = Pulse(sender.hostname, processes)
    worker_shutdown.connect(lambda **_: pulse.stop(), weak=False)
    pulse.start()


@worker_shutting_down.connect(weak=False)
def tell_tasks(**_: Any) -> None:
    """Let running tasks know, across the fork, that they should hand over soon."""
    from cloudwiki.shutdown import announce_worker_stop

    announce_worker_stop()
