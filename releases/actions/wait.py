"""Waiting for a set time."""

import threading
import time
from datetime import timedelta

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from releases.actions.base import DirectAction, StepContext
from releases.models import Attempt

LOOK_SECONDS = 0.2  # how soon an order to let go is noticed


class Wait(DirectAction):
    """Waits until `seconds` after the attempt began, whoever waits: a new worker waits for the rest only."""

    kind = "wait"

    def run(self, context: StepContext) -> None:
        seconds = int(context.parameters["seconds"])
        until = (context.attempt.started_at or context.attempt.created_at) + timedelta(seconds=seconds)
        context.say(f"$ sleep {seconds}")
        # The attempt began by the database's clock, which need not be this machine's.
        now = Attempt.objects.values_list(Now(), flat=True).get(pk=context.attempt.pk)
        end = time.monotonic() + (until - now).total_seconds()
        moment = threading.Event()
        while (left := end - time.monotonic()) > 0:
            if context.stop():
                return
            moment.wait(min(left, LOOK_SECONDS))
        context.say(_("Waited %s s.") % seconds)
