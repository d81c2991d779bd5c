"""What can be found: each kind of row with its texts, its title and its address."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Model, Q, QuerySet
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from releases import permissions
from releases.models import (
    Announcement,
    Attempt,
    Deployment,
    Environment,
    Host,
    Release,
    RunbookVersion,
    Service,
    Step,
    User,
    WikiPage,
)
from releases.views.blocks.procedures import command_lines, local
from releases.views.blocks.sources import read
from releases.views.wiki_text import page_address


@dataclass(frozen=True)
class Source:
    """One kind of row. `fields`: its texts, as its indexes have them; `heading`: those of them that weigh more."""

    key: str
    label: Promise
    rows: Callable[[User], QuerySet[Any]]
    fields: tuple[str, ...]
    heading: tuple[str, ...]
    title: Callable[[Any], str]
    address: Callable[[Any], str]
    texts: Callable[[Any], tuple[str, ...]]
    only: Q | None = None  # of an index over some rows: the planner wants the same words


def _pages(user: User) -> QuerySet[WikiPage]:
    return permissions.visible(WikiPage, user).filter(archived_at=None).select_related("project")


def _runbooks(user: User) -> QuerySet[RunbookVersion]:
    newest = RunbookVersion.objects.order_by("runbook_id", "-number").distinct("runbook_id").values("pk")
    rows = permissions.visible(RunbookVersion, user).filter(pk__in=newest)
    return rows.select_related("runbook__project")


def _steps(row: RunbookVersion) -> tuple[str, ...]:
    """The steps and boxes of a runbook as lines, so that what was found in one is shown with its number and title."""
    found = read(row.text)
    if found is None:
        return (row.text,)
    steps = [
        f"{step.number} {local(step.title)} · {step.role.label} · {' '.join(command_lines(step))} {local(step.note)}"
        for step in found.steps
    ]
    return (*steps, *(local(item.title) for item in found.checklist), row.text)


def _of[M: Model](model: type[M], *related: str) -> Callable[[User], QuerySet[M]]:
    return lambda user: permissions.visible(model, user).select_related(*related)


def _deployment_address(number: int) -> str:
    return reverse("releases:deployment", args=[number])


def _attempt_title(row: Attempt) -> str:
    return f"#{row.step.deployment_id} · {row.step.number} {row.step.title()}"


SOURCES: Final = (
    Source(
        "wiki",
        _("Wiki pages"),
        _pages,
        ("title_ko", "title_en", "body_ko", "body_en"),
        ("title_ko", "title_en"),
        title=lambda row: row.title(),
        address=lambda row: page_address(row.project_id, row.slug),
        texts=lambda row: (row.body(), row.body_ko, row.body_en),
    ),
    Source(
        "runbooks",
        _("Runbooks"),
        _runbooks,
        ("runbook__name", "text"),
        ("runbook__name",),
        title=lambda row: f"{row.runbook.name} v{row.number}",
        address=lambda row: reverse("releases:runbook", args=[row.runbook_id]),
        texts=_steps,
    ),
    Source(
        "releases",
        _("Releases"),
        _of(Release, "project"),
        ("version", "notes"),
        ("version",),
        title=lambda row: row.version,
        address=lambda row: reverse("releases:release", args=[row.pk]),
        texts=lambda row: (row.notes,),
    ),
    Source(
        "deployments",
        _("Deployments"),
        _of(Deployment, "release", "environment"),
        ("error",),
        (),
        title=lambda row: f"#{row.pk} · {row.release.version} → {row.environment.name}",
        address=lambda row: _deployment_address(row.pk),
        texts=lambda row: (row.error,),
        only=~Q(error=""),
    ),
    Source(
        "steps",
        _("Steps: why they ended so"),
        _of(Step, "deployment"),
        ("reason",),
        (),
        title=lambda row: f"#{row.deployment_id} · {row.number} {row.title()}",
        address=lambda row: _deployment_address(row.deployment_id),
        texts=lambda row: (row.reason,),
        only=~Q(reason=""),
    ),
    Source(
        "notes",
        _("Notes at steps"),
        _of(Attempt, "step"),
        ("note", "reason"),
        (),
        title=_attempt_title,
        address=lambda row: _deployment_address(row.step.deployment_id),
        texts=lambda row: (row.note, row.reason),
        only=~Q(note="", reason=""),
    ),
    Source(
        "announcements",
        _("Announcements"),
        _of(Announcement, "environment__project"),
        ("title_ko", "title_en", "body_ko", "body_en"),
        ("title_ko", "title_en"),
        title=lambda row: row.title(),
        address=lambda row: reverse("releases:project_announcements", args=[row.environment.project.slug]),
        texts=lambda row: (row.body(), row.body_ko, row.body_en),
    ),
    Source(
        "hosts",
        _("Hosts"),
        _of(Host, "environment"),
        ("name", "role", "address", "user"),
        ("name", "address"),
        title=lambda row: f"{row.name} · {row.environment.name}",
        address=lambda row: reverse("releases:host", args=[row.pk]),
        texts=lambda row: (f"{row.user}@{row.address}:{row.port} · {row.role}",),
    ),
    Source(
        "environments",
        _("Environments"),
        _of(Environment, "project"),
        ("name", "key"),
        ("name",),
        title=lambda row: f"{row.name} · {row.project.name}",
        address=lambda row: reverse("releases:environment", args=[row.pk]),
        texts=lambda row: (row.key,),
    ),
    Source(
        "services",
        _("Services"),
        _of(Service, "project"),
        ("name", "key"),
        ("name",),
        title=lambda row: f"{row.name} · {row.project.name}",
        address=lambda row: reverse("releases:compatibility", args=[row.project_id]),
        texts=lambda row: (f"{row.key} · {row.get_kind_display()}",),
    ),
)
