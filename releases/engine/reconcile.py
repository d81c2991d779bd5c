"""From rows to messages: what the broker lost, or a dead worker left, is picked up again."""

from datetime import timedelta

from django.db.models import Q

from releases import lifecycle
from releases.engine import clock, looking, wake
from releases.models import ChecklistItem, Deployment

DRIVEN = frozenset({lifecycle.RUNNING, lifecycle.CANCELLING})
PROOF_LIMIT = timedelta(minutes=15)


def reconcile() -> list[int]:
    """Send a drive message for each deployment that should be driven and is not. Returns their ids."""
    now = clock.now()
    undriven = Q(lease__isnull=True) | Q(lease__until__isnull=True) | Q(lease__until__lt=now)
    waiting = list(Deployment.objects.filter(undriven, status__in=DRIVEN).values_list("pk", flat=True))
    for deployment_id in waiting:
        wake.send("drive", deployment_id)
    _end_stuck_proofs()
    looking.send_again()
    return waiting


def _end_stuck_proofs() -> None:
    """A check whose worker died must not stay "checking" for ever."""
    ChecklistItem.objects.filter(
        proof=ChecklistItem.Proof.RUNNING, proof_began_at__lt=clock.now() - PROOF_LIMIT
    ).update(proof=ChecklistItem.Proof.NONE, proof_began_at=None)
