"""What people announce: maintenance, incidents, a deployment before it starts; and what they change of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from releases import lifecycle
from releases.audit import Actor
from releases.engine import clock
from releases.engine.errors import Conflict, EngineError
from releases.engine.insisting import put_on_record
from releases.models import Announcement, Deployment, DeploymentKind, Environment, Event, Service
from releases.notices import planning, states, wording
from releases.notices.shipped import Words
from releases.risks.secrets_scanner import Found

_MOVED: Final = ("state", "starts_at", "ends_at", "began_at", "ended_at")


@dataclass(frozen=True)
class Wish:
    """What a person wants an announcement to be. `words`: with placeholders; `insisted`: no secrets, they say."""

    state: str
    words: Words
    starts_at: datetime | None
    ends_at: datetime | None
    services: tuple[Service, ...]
    insisted: tuple[Found, ...] = ()


def kind_of(deployment: Deployment) -> str:
    """What an announcement of this deployment is about."""
    return states.KINDS.get(DeploymentKind(deployment.kind), Announcement.Kind.DEPLOY)


def draft_of(deployment: Deployment, starts_at: datetime) -> tuple[datetime, datetime, list[Service]]:
    """When a deployment that would start at `starts_at` is planned to be away, and which services."""
    begins, ends = planning.planned_times(deployment)
    moved = starts_at - (deployment.started_at or clock.now())
    return begins + moved, ends + moved, planning.concerned(deployment)


def announce(
    environment: Environment, kind: str, wish: Wish, actor: Actor, deployment: Deployment | None = None
) -> Announcement:
    """Post an announcement; channels are told. Raises EngineError where the times or the deployment do not fit."""
    _require_times(wish)
    row = Announcement(
        environment=environment,
        kind=kind,
        deployment=deployment,
        state=wish.state,
        starts_at=wish.starts_at,
        ends_at=wish.ends_at,
    )
    _mark(row, "", wish.state)
    own = wish.words != wording.words_of(environment.project, kind, wish.state)
    words = wording.filled(wish.words, row, list(wish.services)) if own else None
    try:
        with transaction.atomic():
            if deployment is not None:
                _require_draft(deployment)
            made = states.create(row, wish.services, actor, words)
            put_on_record(actor, made, wish.insisted)
            return made
    except IntegrityError as error:
        raise Conflict(_("This deployment was announced a moment ago.")) from error


def edit(row: Announcement, wish: Wish, actor: Actor, *, tell: bool) -> bool:
    """Change an announcement. A new state or time is always told, new words only with `tell`.

    False where all was so already. Raises EngineError, lifecycle.ForbiddenTransition.
    """
    with transaction.atomic():
        changed = _edited(row, wish, actor, tell=tell)
        put_on_record(actor, row, wish.insisted)
        return changed


def _edited(row: Announcement, wish: Wish, actor: Actor, *, tell: bool) -> bool:
    _require_times(wish)
    # Held from here on: what a run, or another person, says meanwhile is not undone by what was true a moment ago.
    rows = Announcement.objects.select_related("environment__project", "deployment__release")
    planned = rows.select_for_update(of=("self",), no_key=True).get(pk=row.pk)
    if any(getattr(planned, name) != getattr(row, name) for name in _MOVED):
        raise Conflict(_("It changed a moment ago; look at the page again and decide anew."))
    driven = is_driven(planned)
    if driven and (wish.state, wish.starts_at, wish.ends_at) != (row.state, row.starts_at, row.ends_at):
        raise Conflict(_("The run of the deployment says its state and times."))
    before = planned.state, planned.starts_at
    planned.state, planned.starts_at, planned.ends_at = wish.state, wish.starts_at, wish.ends_at
    _mark(planned, before[0], wish.state)
    follows = row.follows_wording and wish.words == Words.of(row)
    words = None if follows else wording.filled(wish.words, planned, list(wish.services))
    columns: dict[str, Any] = {
        name: getattr(planned, name) for name in ("starts_at", "ends_at", "began_at", "ended_at")
    }
    columns["follows_wording"] = follows
    if wish.state != before[0]:
        event = wish.state
    elif wish.state == lifecycle.SCHEDULED and wish.starts_at != before[1]:
        event = Event.POSTPONED.value
    else:
        event = Event.EDITED.value if tell else ""
    return states.change(
        row, actor, "announcement.edit", stage=wish.state, words=words, services=wish.services, event=event, **columns
    )


def is_driven(row: Announcement) -> bool:
    """Whether a running deployment says how it stands."""
    return row.deployment is not None and row.deployment.is_active


def next_states(row: Announcement) -> list[str]:
    """Where a person may bring it: where it is first, then what the table allows."""
    if is_driven(row):
        return [row.state]
    return [
        row.state,
        *(state for state in Announcement.State.values if lifecycle.allows("announcement", row.state, state)),
    ]


def _mark(row: Announcement, before: str, state: str) -> None:
    """What a person says now is how it was: it begins, it is over."""
    if state == before:
        return
    now = clock.now()
    if state in {lifecycle.IN_PROGRESS, lifecycle.VERIFYING} and row.began_at is None:
        row.began_at = now
    if state == lifecycle.IN_PROGRESS:
        row.ended_at = None
    if state in {lifecycle.VERIFYING, lifecycle.DONE} and row.began_at is not None and row.ended_at is None:
        row.ended_at = now


def _require_times(wish: Wish) -> None:
    if wish.starts_at and wish.ends_at and wish.ends_at <= wish.starts_at:
        raise EngineError(_("Planned end: choose a moment after the beginning."))


def _require_draft(deployment: Deployment) -> None:
    locked = Deployment.objects.select_for_update(of=("self",), no_key=True).get(pk=deployment.pk)
    if locked.status != lifecycle.DRAFT:
        raise Conflict(_("It has started; its run announces it."))
