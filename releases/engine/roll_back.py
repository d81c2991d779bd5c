"""Rolling back: a deployment of its own kind that puts back what another one had backed up.

It passes the same gate as any other. Its plan signs the backups that it puts back, each with its SHA-256.
"""

from django.db import transaction

from releases.audit import Actor
from releases.engine import prepare, undoing
from releases.models import Deployment, User


def draft(undoes: Deployment, user: User, actor: Actor, idempotency_key: str) -> tuple[Deployment, bool]:
    """Make the draft of a rollback of `undoes`; the same key gives the same row back. Returns whether it is new.

    Raises EngineError naming why it can't be undone, and the mend.
    """
    existing = Deployment.objects.filter(idempotency_key=idempotency_key).select_related("release").first()
    with transaction.atomic():  # a release that is made for it stays only with it
        if existing is None:
            undoing.require_undoable(undoes)
        release = existing.release if existing else undoing.target(undoes)
        return prepare.prepare(release, undoes.environment, user, actor, idempotency_key, undoes)
