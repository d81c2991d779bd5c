"""Database backups as the checks read them."""

from datetime import timedelta
from typing import Final

from django.utils.translation import gettext_lazy as _

from releases.models import Backup, Project, Service
from releases.risks.finding import Line, Target, line
from releases.risks.places import production

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


def targets(project: Project) -> list[Target]:
    """The production environments of a project that has a database."""
    return production(project) if project.services.filter(kind=Service.Kind.DATABASE).exists() else []


def newest(target: Target, **wanted: object) -> Backup | None:
    """The newest database backup that was not removed."""
    assert target.environment is not None  # noqa: S101 - targets are environments
    rows = target.environment.backups.kept().filter(kind=Backup.Kind.DATABASE, **wanted)
    return rows.select_related("environment", "host").order_by("-created_at").first()


def shown(backup: Backup) -> Line:
    """Which it is, and when it was taken."""
    return line(
        _("Backup"), f"#{backup.pk} {backup.name} · {backup.environment.local(backup.created_at):%Y-%m-%d %H:%M %Z}"
    )
