"""The demo's risks: nothing is invented; a worker looks as soon as everything runs."""

from typing import Final

from django.db import transaction

from releases.engine import wake
from releases.models import Project, RiskRound

SOON: Final = 20.0  # seconds, until the demo's services answer


def load(project: Project) -> None:
    """Have a worker look. The checks of the demo host stay off: it is the reader's own machine."""
    RiskRound.objects.get_or_create(project=project)
    transaction.on_commit(lambda: wake.send("look_at_risks", project.pk, delay=SOON))
