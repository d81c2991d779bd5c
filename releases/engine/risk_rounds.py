"""Rounds of looks at a project: every hour, and when a person asks. One worker at a time is at one."""

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from releases import audit
from releases.audit import Actor
from releases.engine import anchoring, clock, handover, risks, wake
from releases.engine.errors import Conflict
from releases.models import Project, RiskRound, User
from releases.risks import looking
from releases.risks.registry import all_checks
from releases.risks.ways import Ways

EVERY = timedelta(minutes=55)  # between the end of a round and the next; beat comes by every five minutes
ABANDONED = timedelta(minutes=15)  # after which another worker takes a round up
log = structlog.get_logger(__name__)


def ask(project: Project, user: User, actor: Actor) -> None:
    """Have a worker look at everything now. Raises Conflict while one does."""
    RiskRound.objects.get_or_create(project=project)
    with transaction.atomic():
        row = RiskRound.objects.select_for_update().get(project=project)
        if is_busy(row, clock.now()):
            raise Conflict(_("The checks run at this moment; everybody sees what they find."))
        row.asked_at, row.asked_by = clock.now(), user
        row.save(update_fields=["asked_at", "asked_by"])
        wake.errand("look_at_risks", project.pk)
        audit.record(actor, "risk.look", project)


def is_busy(row: RiskRound | None, now: datetime) -> bool:
    """Somebody asked and nobody looked yet, or a worker is at it."""
    if row is None:
        return False
    if _waits(row):
        return row.asked_at is not None and row.asked_at > now - ABANDONED
    return row.began_at is not None and row.ended_at is None and row.began_at > now - ABANDONED


def _waits(row: RiskRound) -> bool:
    return row.asked_at is not None and (row.began_at is None or row.began_at < row.asked_at)


def send_due(now: datetime) -> None:
    """Open what was accepted until now, and have workers look at the projects whose time has come."""
    risks.expire(now)
    for project in Project.objects.filter(risk_round=None):
        RiskRound.objects.get_or_create(project=project)
    for row in RiskRound.objects.filter(_due(now)):
        wake.send("look_at_risks", row.project_id)


def _due(now: datetime) -> Q:
    late = Q(ended_at=None) | Q(ended_at__lt=now - EVERY)
    asked = Q(asked_at__isnull=False) & (Q(began_at=None) | Q(began_at__lt=F("asked_at")))
    return (late | asked) & _is_free(now)


def _is_free(now: datetime) -> Q:
    return Q(began_at=None) | Q(ended_at__isnull=False, ended_at__gte=F("began_at")) | Q(began_at__lt=now - ABANDONED)


def carry_out(project_id: int) -> None:
    """Look at everything of the project, unless another worker does or there is nothing to do."""
    now = clock.now()
    if RiskRound.objects.filter(_due(now), project=project_id).update(began_at=now) != 1:
        return
    anchoring.keep_up(now)
    project = Project.objects.get(pk=project_id)
    if look(project, now):
        RiskRound.objects.filter(project=project_id, began_at=now).update(ended_at=clock.now())
    else:  # this worker stops; the next one begins anew
        RiskRound.objects.filter(project=project_id, began_at=now).update(began_at=None)


def look(project: Project, now: datetime) -> bool:
    """Every check on every one of its targets, in order; False when this worker was to stop before the end."""
    ways = Ways(now)
    seen: set[tuple[str, str]] = set()
    looked: set[str] = set()
    try:
        for check in all_checks():
            targets = looking.targets(check, project)
            if targets is None:
                risks.lost(project, check)
                continue
            for target in targets:
                if handover.wanted():
                    return False
                risks.keep(project, check, target, looking.look(check, target, ways))
                seen.add((check.kind, target.key))
            looked.add(check.kind)
    finally:
        ways.close()
    risks.close_gone(project, looked, seen)
    return True
