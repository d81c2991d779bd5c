"""The Celery application: carries hints of work to the workers."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cloudwiki.settings")

app = Celery("cloudwiki")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["releases"])


@setup_logging.connect(weak=False)
def keep_django_logging(**_: Any) -> None:
    """Being connected is what keeps Celery from replacing the log handlers of settings.LOGGING."""


@worker_shutting_down.connect(weak=False)
def tell_tasks(**_: Any) -> None:
    """Let running tasks know, across the fork, that they should hand over soon."""
    from cloudwiki.shutdown import announce_worker_stop

    announce_worker_stop()
