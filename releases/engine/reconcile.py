"""From rows to messages: what the broker lost, or a dead worker left, is picked up again."""

from datetime import datetime, timedelta

from django.db.models import Q

from releases import lifecycle
from releases.engine import backup_orders, backup_proofs, backup_returns, clock, looking, wake
from releases.models import ChecklistItem, Deployment, Heartbeat
from releases.models.lease import FARTHEST_SECONDS

DRIVEN = frozenset({lifecycle.RUNNING, lifecycle.CANCELLING})
PROOF_LIMIT = timedelta(minutes=15)
HEARTBEAT = "reconcile"


def reconcile() -> list[int]:
    """Send a drive message for each deployment that should be driven and is not. Returns their ids."""
    rows = Deployment.objects.filter(undriven(clock.now()), status__in=DRIVEN)
    waiting = list(rows.values_list("pk", flat=True))
    sent = sum(wake.send("drive", deployment_id) for deployment_id in waiting)
    _end_stuck_proofs()
    looking.send_again()
    backup_proofs.send_again()
    backup_orders.send_again()
    backup_returns.send_again()
    Heartbeat.beat(HEARTBEAT, sent=sent, waiting=len(waiting))
    return waiting


def undriven(now: datetime, lease: str = "lease") -> Q:
    """No driver holds the lease at `now` (database clock); `lease` is the way to it from the rows asked for."""
    farthest = now + timedelta(seconds=FARTHEST_SECONDS)
    over = Q(**{f"{lease}__until__lt": now}) | Q(**{f"{lease}__until__gt": farthest})
    return Q(**{f"{lease}__isnull": True}) | Q(**{f"{lease}__until__isnull": True}) | over


def _end_stuck_proofs() -> None:
    """A check whose worker died must not stay "checking" for ever."""
    ChecklistItem.objects.filter(
        proof=ChecklistItem.Proof.RUNNING, proof_began_at__lt=clock.now() - PROOF_LIMIT
    ).update(proof=ChecklistItem.Proof.NONE, proof_began_at=None)
