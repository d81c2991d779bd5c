"""The audit log: `record` adds one link to the hash chain, `verify` walks it.

Each event's hash is SHA-256 over the previous hash and the event's canonical JSON. The single head row is
locked while an event is added, so the chain has one order. Someone who owns the database can rebuild the
whole chain; comparing the head with a copy kept elsewhere finds that.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction
from django.db.models.functions import Now

from releases.models import AuditEvent, AuditHead, Deployment, Project, User
from releases.models.deployment import BY_ITSELF

SYSTEM = BY_ITSELF


@dataclass(frozen=True)
class Actor:
    """Who acts: a person and the address the request came from, or the system (no person)."""

    user: User | None = None
    address: str = ""

    @property
    def name(self) -> str:
        """The name written into the log, as it is now."""
        return str(self.user) if self.user else SYSTEM


THE_SYSTEM = Actor()


@dataclass(frozen=True)
class Break:
    """A place where the chain does not hold: the sequence number and what is wrong there."""

    sequence: int
    problem: str


def record(actor: Actor, action: str, target: models.Model, **detail: Any) -> AuditEvent:
    """Add an event about `target` in the current transaction.

    `action` is a dotted verb such as "deployment.start"; `detail` must be JSON and hold no secret value.
    """
    with transaction.atomic(savepoint=False):
        head = _locked_head()
        deployment = _deployment(target)
        event = AuditEvent(
            sequence=head.sequence + 1,
            at=head.now,
            actor=actor.user,
            actor_name=actor.name,
            action=action,
            target_type=target._meta.model_name or "",
            target_id=str(target.pk),
            target_name=str(target)[:200],
            project=_project(target, deployment),
            deployment=deployment,
            detail=detail,
            address=actor.address,
            previous_hash=head.hash,
        )
        event.hash = link(event)
        event.save(force_insert=True)
        AuditHead.objects.filter(pk=1).update(sequence=event.sequence, hash=event.hash)
    return event


def differences(before: models.Model | None, after: models.Model, names: Sequence[str]) -> Mapping[str, list[Any]]:
    """The old and the new value of each field that differs, as JSON can hold them. Without `before`, all are new."""
    pairs = {name: (getattr(before, name) if before else None, getattr(after, name)) for name in names}
    return {name: [_plain(old), _plain(new)] for name, (old, new) in pairs.items() if before is None or old != new}


def _locked_head() -> Any:
    """The head row with the database's time as `now`; nobody else can add an event until we commit."""
    rows = AuditHead.objects.select_for_update().annotate(now=Now()).filter(pk=1)
    found = rows.first()
    if found is None:  # the first event of all
        AuditHead.objects.get_or_create(pk=1)
        found = rows.get()
    return found


def link(event: AuditEvent) -> str:
    """The hash that binds `event` to the one before it."""
    content = {
        "sequence": event.sequence,
        "at": event.at.isoformat(),
        "actor": event.actor_id,
        "actor_name": event.actor_name,
        "action": event.action,
        "target": [event.target_type, event.target_id, event.target_name],
        "project": event.project_id,
        "deployment": event.deployment_id,
        "detail": event.detail,
        "address": event.address,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256((event.previous_hash + canonical).encode()).hexdigest()


def verify() -> Iterator[Break]:
    """Walk the whole chain and yield every break; none means that it holds up to the recorded head."""
    previous_hash, expected = "", 1
    for event in AuditEvent.objects.order_by("sequence").iterator(chunk_size=2000):
        if event.sequence != expected:
            yield Break(expected, f"missing; the next event is {event.sequence}")
        if event.previous_hash != previous_hash:
            yield Break(event.sequence, "does not follow the event before it")
        if link(event) != event.hash:
            yield Break(event.sequence, "content does not match its hash")
        previous_hash, expected = event.hash, event.sequence + 1
    head = AuditHead.objects.filter(pk=1).first()
    if (head.sequence, head.hash) != (expected - 1, previous_hash) if head else expected != 1:
        yield Break(expected - 1, "is not the recorded head; the tail was cut or the head changed")


def _deployment(target: models.Model) -> Deployment | None:
    if isinstance(target, Deployment):
        return target
    found = getattr(target, "deployment", None)
    if found is None and hasattr(target, "step"):
        found = target.step.deployment
    return found if isinstance(found, Deployment) else None


def _project(target: models.Model, deployment: Deployment | None) -> Project | None:
    if deployment is not None:
        return deployment.environment.project
    if isinstance(target, Project):
        return target
    for name in ("project", "environment", "release", "runbook"):
        owner = getattr(target, name, None)
        if owner is not None:
            return _project(owner, None)
    return None


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | str | list | dict) else str(value)
