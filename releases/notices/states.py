"""The one writer of announcements: state, words and times, checked against lifecycle.py, each wording kept.

Every change is one transaction under the announcement's lock: the row, its revision, what channels are told, and the
audit event last. Saying the same again changes nothing and tells nobody. It lies below the engine, since a step of a
deployment announces, as well as a person (docs/decisions/0019).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from releases import audit, lifecycle
from releases.audit import Actor
from releases.models import (
    Announcement,
    AnnouncementRevision,
    Deployment,
    DeploymentKind,
    Environment,
    Event,
    Service,
    Stage,
)
from releases.notices import planning, telling, wording
from releases.notices.shipped import Words
from releases.public import publish

LEAD: Final = timedelta(minutes=10)  # before the planned beginning, users are reminded
OPEN: Final = frozenset({lifecycle.SCHEDULED, lifecycle.IN_PROGRESS, lifecycle.VERIFYING})
KINDS: Final = {
    DeploymentKind.ROLLBACK: Announcement.Kind.ROLLBACK,
    DeploymentKind.GPU_DEPLOY: Announcement.Kind.GPU,
    DeploymentKind.GPU_ROLLBACK: Announcement.Kind.GPU,
}
# Stages whose words nobody's own can be: those were written before it came to this.
_TURNS: Final = frozenset({Stage.TROUBLE, Stage.CANCELLED})


def create(row: Announcement, services: Iterable[Service], actor: Actor, words: Words | None = None) -> Announcement:
    """Store a new announcement and tell of it. `row`: with its environment, kind, state and times, not stored yet.

    `words`: filled in; None: those of its kind, which change with its state.
    """
    concerned = list(services)
    row.follows_wording = words is None
    _put_words(row, words or wording.of_kind(row, row.state, concerned))
    row.created_by = actor.user
    row.reminded_at = _told_late(row)
    with transaction.atomic():
        row.save(force_insert=True)
        row.services.set(concerned)
        _keep(row, actor)
        telling.tell(row, row.state)
        audit.record(actor, "announcement.post", row, state=row.state, title=row.title_ko)
    return row


def of_run(deployment: Deployment, state: str, words: Words | None, actor: Actor) -> Announcement:
    """What a run says of itself: its announcement made, or brought to this state and these words.

    A state that the table does not allow from where it stands is left; no run fails for its announcement.
    """
    with transaction.atomic():
        # The deployment's row is the lock: two posts at once make one announcement.
        Deployment.objects.select_for_update(of=("self",), no_key=True).get(pk=deployment.pk)
        row = Announcement.objects.filter(deployment=deployment).first()
        if row is not None:
            return _said_again(row, deployment, state, words, actor)
        starts_at, ends_at = planning.planned_times(deployment)
        row = Announcement(
            environment=Environment.objects.select_related("project").get(pk=deployment.environment_id),
            kind=KINDS.get(DeploymentKind(deployment.kind), Announcement.Kind.DEPLOY),
            deployment=deployment,
            state=state,
            starts_at=starts_at,
            ends_at=ends_at,
            began_at=deployment.downtime_opened_at,
            ended_at=deployment.downtime_closed_at,
        )
        return create(row, planning.concerned(deployment), actor, words)


def change(
    row: Announcement,
    actor: Actor,
    action: str,
    *,
    stage: str = "",
    words: Words | None = None,
    services: Iterable[Service] | None = None,
    event: str = "",
    **columns: Any,
) -> bool:
    """Change an announcement; false where all was so already. `row` is brought up to date.

    `stage`: the state wanted, or Stage.TROUBLE; "": it stays. `words`: filled in; None: they stay, or are its
    kind's where it follows those. `event`: what channels are told, "" nothing. `action`: for the audit log.
    Raises ForbiddenTransition.
    """
    with transaction.atomic():
        held = _locked(row.pk)
        before = _facts(held)
        if stage and stage not in {held.state, Stage.TROUBLE}:
            lifecycle.require("announcement", held.state, stage)
            held.state = stage
        for name, value in columns.items():
            setattr(held, name, value)
        if services is not None:
            held.services.set(services)
        _choose_words(held, stage, words)
        after = _facts(held)
        if after != before:
            moved = held.starts_at != before["starts_at"]
            held.reminded_at = _told_late(held) if moved or stage == lifecycle.SCHEDULED else held.reminded_at
            held.save()
            _keep(held, actor)
            if event:
                telling.tell(held, event)
            detail = {"from": before["state"]} if held.state != before["state"] else {}
            audit.record(actor, action, held, state=held.state, title=held.title_ko, **detail)
    row.refresh_from_db()
    return after != before


def remind(row: Announcement, now: datetime) -> bool:
    """Tell that it begins soon, once for this planned time; false where another worker did, or the time moved."""
    with transaction.atomic():
        held = _locked(row.pk)
        due = held.starts_at is not None and now < held.starts_at <= now + LEAD
        if held.state != lifecycle.SCHEDULED or held.reminded_at is not None or not due:
            return False
        Announcement.objects.filter(pk=held.pk).update(reminded_at=now)
        telling.tell(held, Event.REMINDER)
    return True


def _said_again(
    row: Announcement, deployment: Deployment, state: str, words: Words | None, actor: Actor
) -> Announcement:
    reached = state if lifecycle.allows("announcement", row.state, state) else row.state
    columns: dict[str, Any] = {}
    event = reached if reached != row.state else Event.EDITED.value
    if row.state == reached == lifecycle.SCHEDULED and deployment.downtime_opened_at is None:
        # A person announced it before; from now on its run says when.
        starts_at, ends_at = planning.planned_times(deployment)
        if row.starts_at is None or abs(starts_at - row.starts_at) >= LEAD:
            columns, event = {"starts_at": starts_at, "ends_at": ends_at}, Event.POSTPONED.value
    columns["follows_wording"] = words is None
    change(row, actor, "announcement.post", stage=reached, words=words, event=event, **columns)
    return row


def _locked(number: int) -> Announcement:
    rows = Announcement.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("environment__project", "deployment__release").get(pk=number)


def _choose_words(row: Announcement, stage: str, words: Words | None) -> None:
    if words is not None:
        _put_words(row, words)
        return
    if stage in _TURNS:
        row.follows_wording = True
    if row.follows_wording:
        _put_words(row, wording.of_kind(row, stage or row.state))


def _put_words(row: Announcement, words: Words) -> None:
    row.title_ko, row.title_en, row.body_ko, row.body_en = words


def _facts(row: Announcement) -> dict[str, Any]:
    """What readers see of it."""
    times = {name: getattr(row, name) for name in ("starts_at", "ends_at", "began_at", "ended_at")}
    concerned = sorted(row.services.values_list("pk", flat=True))
    return {"state": row.state, "words": Words.of(row), "services": concerned, **times}


def _told_late(row: Announcement) -> datetime | None:
    """When it begins within the lead, what is told of it now is its reminder, too."""
    now = timezone.now()
    near = row.starts_at is not None and row.starts_at - now <= LEAD
    return now if near and row.state == lifecycle.SCHEDULED else None


def _keep(row: Announcement, actor: Actor) -> None:
    """What it says now as a revision, and soon on the public page."""
    words = Words.of(row)._asdict()
    same = {"state": row.state, **words}
    last = row.revisions.order_by("-pk").first()
    if last is None or any(getattr(last, name) != value for name, value in same.items()):
        AnnouncementRevision.objects.create(announcement=row, created_by=actor.user, **same)
    publish.soon(row.environment.project)
