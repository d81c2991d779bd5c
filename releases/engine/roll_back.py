"""Rolling back: a deployment of its own kind that puts back what others had backed up.

It passes the same gate as any other. Its plan signs the backups that it puts back, each with its SHA-256.
"""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from releases import compatibility
from releases.actions.restorable import Signed
from releases.audit import Actor
from releases.engine import clock, plan, prepare, undoing
from releases.engine.errors import Conflict
from releases.models import Deployment, User
from releases.way_back import WayBack


def content_of(way: WayBack) -> dict[str, Any]:
    """What the plan of the rollback would hold; nothing is kept. Raises EngineError where there can be none."""
    environment = way.undoes.environment
    version = prepare.runbook_version(environment, way)
    release = way.target() or way.undoes.release
    return plan.content_of(release, environment, version, f"{environment.local(clock.now()):%Y%m%d}", way)


def missing(way: WayBack, content: dict[str, Any] | None = None) -> list[str]:
    """What the rollback could not put back, in sentences; empty: as far as rows can tell, it can go back.

    `content` is that of its plan, where the caller has it.
    """
    found = Signed(content or content_of(way)).needed(way.undoes.environment)
    refuted = _("%s can't be restored")
    return [
        entry if isinstance(entry, str) else refuted % entry
        for entry in found
        if isinstance(entry, str) or entry.refuted_at is not None
    ]


def draft(way: WayBack, user: User | None, actor: Actor, idempotency_key: str) -> tuple[Deployment, bool]:
    """Make the draft of a rollback; the same key gives the same row back. Returns whether it is new.

    Raises EngineError naming why there can be none, and the mend.
    """
    existing = Deployment.objects.filter(idempotency_key=idempotency_key).select_related("release").first()
    with transaction.atomic():  # a release that is made for it stays only with it
        if existing is None:
            undoing.require_open(way)
            if sentence := compatibility.broken(way):
                raise Conflict(sentence)
        release = existing.release if existing else undoing.target(way)
        return prepare.prepare(release, way.undoes.environment, user, actor, idempotency_key, way)
