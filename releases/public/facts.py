"""Gather a project's public state from its rows; production environments only. The same queries at any size."""

import uuid
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from releases.models import Announcement, AnnouncementRevision, Environment, Project
from releases.public import outages, services
from releases.public.days import DAYS
from releases.public.snapshot import Notice, NoticeState, Snapshot, Update, Words

PAST: Final = 100  # announcements shown beside the current ones
CURRENT: Final = ("scheduled", "in_progress", "verifying")
_ORDER: Final = {"in_progress": 0, "verifying": 1, "scheduled": 2}
_SPACE: Final = uuid.UUID("6f0f1c1c-7f0c-4a76-9a9c-0d5f3c1e6a55")  # of our identifiers in feeds; never change it


def public_projects() -> QuerySet[Project]:
    """The projects that have a public page."""
    return Project.objects.filter(public_page=True).order_by("name", "pk")


def gather(slug: str, now: datetime | None = None) -> Snapshot | None:
    """The state of a project now; None where there is no public page."""
    project = public_projects().filter(slug=slug).first()
    if project is None:
        return None
    now = now or timezone.now()
    since = now - timedelta(days=DAYS)
    environments = list(Environment.objects.filter(project=project, is_production=True))
    rows = announcements(project)
    current = [notice_of(row, project) for row in rows.filter(state__in=CURRENT)[:PAST]]
    past = [notice_of(row, project) for row in rows.exclude(state__in=CURRENT).filter(created_at__gte=since)[:PAST]]
    found = outages.read(environments, since, now)
    return Snapshot(
        slug=project.slug,
        name=project.name,
        uid=_uid(project),
        zone=environments[0].zone if environments else "UTC",
        created_at=project.created_at,
        checked_at=now,
        services=services.read(project, environments, found, current, now),
        current=sorted(current, key=_place_now),
        past=sorted(past, key=lambda notice: notice.placed_at, reverse=True),
        episodes=outages.episodes(found, [*current, *past], len(environments) > 1),
    )


def one_notice(slug: str, number: int) -> Notice | None:
    """One announcement, however old."""
    project = public_projects().filter(slug=slug).first()
    row = announcements(project).filter(pk=number).first() if project else None
    return notice_of(row, project) if row and project else None


def announcements(project: Project) -> QuerySet[Announcement]:
    """What is announced for the project's production, the newest first."""
    wordings = AnnouncementRevision.objects.order_by("-created_at", "-pk")
    rows = Announcement.objects.filter(environment__project=project, environment__is_production=True)
    rows = rows.select_related("environment", "deployment").order_by("-created_at", "-pk")
    return rows.prefetch_related("services", Prefetch("revisions", wordings, to_attr="wordings"))


def notice_of(row: Any, project: Project) -> Notice:
    """A row of `announcements` as the public reads it; its deployment's marks count until it has times of its own."""
    deployment = row.deployment
    began = row.began_at or (deployment and deployment.downtime_opened_at)
    ended = row.ended_at or (deployment and deployment.downtime_closed_at)
    updates = [_update(wording) for wording in row.wordings]
    measured = deployment.downtime_measured if deployment else None
    return Notice(
        number=row.pk,
        uid=_uid(project, row.pk),
        kind=row.kind,
        state=_state(row.state, began, ended),
        title=Words(ko=row.title_ko, en=row.title_en),
        body=Words(ko=row.body_ko, en=row.body_en),
        services=[service.name for service in row.services.all()],
        zone=row.environment.zone,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        began_at=began,
        ended_at=ended,
        no_answer=None if measured is None else round(measured),
        created_at=row.created_at,
        changed_at=max([row.updated_at, *(update.at for update in updates)]),
        updates=updates,
    )


def _state(said: NoticeState, began: datetime | None, ended: datetime | None) -> NoticeState:
    """A downtime that has begun is no longer scheduled, whoever says so."""
    if said != "scheduled" or began is None:
        return said
    return "verifying" if ended else "in_progress"


def _update(wording: Any) -> Update:
    return Update(
        state=wording.state,
        title=Words(ko=wording.title_ko, en=wording.title_en),
        body=Words(ko=wording.body_ko, en=wording.body_en),
        at=wording.created_at,
    )


def _place_now(notice: Notice) -> tuple[int, datetime]:
    return _ORDER.get(notice.state, 3), notice.placed_at


def _uid(project: Project, number: int | str = "") -> str:
    """The same for ever, also after the project got another short name; another one in every installation."""
    return str(uuid.uuid5(_SPACE, f"{project.pk} {project.created_at.isoformat()} {number}"))
