"""Rolling back: a deployment of its own kind that puts back what another one had backed up.

It passes the same gate as any other. Its plan signs the backups that it puts back, each with its SHA-256.
"""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from releases.actions.restorable import Signed
from releases.audit import Actor
from releases.engine import clock, plan, prepare, undoing
from releases.models import Deployment, User


def content_of(undoes: Deployment) -> dict[str, Any]:
    """What the plan of its rollback would hold; nothing is kept. Raises EngineError where there can be none."""
    environment = undoes.environment
    version = prepare.runbook_version(environment, undoes)
    release = undoing.running_before(undoes) or undoes.release
    return plan.content_of(release, environment, version, f"{environment.local(clock.now()):%Y%m%d}", undoes)


def missing(undoes: Deployment) -> list[str]:
    """What its rollback could not put back, in sentences; empty: as far as rows can tell, it can go back."""
    found = Signed(content_of(undoes)).needed(undoes.environment)
    refuted = _("%s can't be restored")
    return [
        entry if isinstance(entry, str) else refuted % entry
        for entry in found
        if isinstance(entry, str) or entry.refuted_at is not None
    ]


def draft(undoes: Deployment, user: User | None, actor: Actor, idempotency_key: str) -> tuple[Deployment, bool]:
    """Make the draft of a rollback of `undoes`; the same key gives the same row back. Returns whether it is new.

    Raises EngineError naming why it can't be undone, and the mend.
    """
    existing = Deployment.objects.filter(idempotency_key=idempotency_key).select_related("release").first()
    with transaction.atomic():  # a release that is made for it stays only with it
        if existing is None:
            undoing.require_undoable(undoes)
        release = existing.release if existing else undoing.target(undoes)
        return prepare.prepare(release, undoes.environment, user, actor, idempotency_key, undoes)
