"""Waiting for a set time."""

import threading
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from releases.actions.base import DirectAction, StepContext

LOOK_SECONDS = 0.2  # how soon an order to let go is noticed


class Wait(DirectAction):
    """Waits until `seconds` after the attempt began, whoever waits: a new worker waits for the rest only."""

    kind = "wait"

    def run(self, context: StepContext) -> None:
        seconds = int(context.parameters["seconds"])
        until = (context.attempt.started_at or context.attempt.created_at) + timedelta(seconds=seconds)
        context.say(f"$ sleep {seconds}")
        moment = threading.Event()
        while (left := (until - timezone.now()).total_seconds()) > 0:
            if context.stop():
                return
            moment.wait(min(left, LOOK_SECONDS))
        context.say(_("Waited %s s.") % seconds)
