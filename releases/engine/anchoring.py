"""Walking the chain of the audit log every hour, and keeping its head outside of the database every six."""

from datetime import datetime, timedelta

import structlog

from releases import audit
from releases.models import AuditHead, Heartbeat
from releases.risks import anchors
from releases.risks.audit_chain import VERIFIED
from releases.risks.finding import CannotLook

WALK = timedelta(minutes=50)
ANCHOR = timedelta(hours=6)
log = structlog.get_logger(__name__)


def keep_up(now: datetime) -> None:
    """Do what is due. An anchor is only kept of a chain that holds."""
    heart = Heartbeat.objects.filter(name=VERIFIED).first()
    if heart is None or heart.at < now - WALK:
        head = AuditHead.objects.filter(pk=1).first()
        breaks = sum(1 for _break in audit.verify())
        Heartbeat.beat(VERIFIED, breaks=breaks, sequence=head.sequence if head else 0)
        heart = Heartbeat.objects.get(name=VERIFIED)
    if not heart.detail["breaks"]:
        _anchor(now)


def _anchor(now: datetime) -> None:
    try:
        newest = anchors.kept()[-1:]
        head = AuditHead.objects.filter(pk=1).first()
        if head is not None and (not newest or newest[0].at < now - ANCHOR):
            anchors.keep(head, now)
    except Exception as error:  # a bucket's client has errors of its own; the check says that no anchor was kept
        log.warning("no anchor kept", error=str(error) if isinstance(error, CannotLook) else type(error).__name__)
