"""What people enter for the thresholds: counts of active users, where they are fetched from, complaints."""

from datetime import date, datetime, timedelta
from typing import Final

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from releases import audit
from releases.audit import THE_SYSTEM, Actor
from releases.engine import clock, wake
from releases.engine.errors import Conflict, EngineError
from releases.insights import active_users
from releases.models import ActiveUsers, ActiveUsersSource, Complaint, Deployment, Outage, Project, User

DAILY: Final = timedelta(hours=24)
TASK: Final = "fetch_active_users"
log = structlog.get_logger(__name__)


def enter_users(project: Project, count: int, user: User, actor: Actor) -> ActiveUsers:
    """Keep a count that a person knows."""
    with transaction.atomic():
        row = ActiveUsers.objects.create(project=project, count=count, entered_by=user)
        audit.record(actor, "active_users.enter", row, count=count)
    return row


def set_source(project: Project, url: str, path: str, actor: Actor) -> None:
    """Say where the count is fetched from each day, and have it fetched now; an empty address: nowhere."""
    with transaction.atomic():
        if url:
            values = {"url": url, "path": path, "asked_at": None, "problem": ""}
            ActiveUsersSource.objects.update_or_create(project=project, defaults=values)
            wake.errand(TASK, project.pk)
        else:
            ActiveUsersSource.objects.filter(project=project).delete()
        audit.record(actor, "active_users.source", project, url=url, path=path if url else "")


def fetch_now(project: Project) -> None:
    """Have a worker fetch it. Raises EngineError where there is no address, or no worker can be told."""
    if not ActiveUsersSource.objects.filter(project=project).exists():
        raise EngineError(_("No address is set. Save one first."))
    if not wake.send(TASK, project.pk):
        raise EngineError(_("No worker can be told to fetch it: Redis does not answer. Press again in a minute."))


def fetch_due(now: datetime) -> None:
    """Fetch the counts that were not asked for since a day."""
    due = ActiveUsersSource.objects.filter(Q(asked_at__isnull=True) | Q(asked_at__lte=now - DAILY))
    for number in due.values_list("project", flat=True):
        fetch(number)


def fetch(project_id: int) -> None:
    """Ask the address. What went wrong is kept beside the last good count, which stays."""
    source = ActiveUsersSource.objects.select_related("project").filter(project=project_id).first()
    if source is None:
        return
    # What an older address answered is no news: the row is told by its address and path.
    same = ActiveUsersSource.objects.filter(pk=source.pk, url=source.url, path=source.path)
    same.update(asked_at=clock.now())
    try:
        count = active_users.read(source)
    except active_users.NotRead as error:
        log.info("active users not read", project=project_id, problem=str(error))
        same.update(problem=str(error)[:500])
        return
    with transaction.atomic():
        if not same.update(problem=""):
            return
        row = ActiveUsers.objects.create(project=source.project, count=count)
        audit.record(THE_SYSTEM, "active_users.fetch", row, count=count)


def complain(
    project: Project,
    received_on: date,
    text: str,
    about: tuple[Deployment | None, Outage | None],
    user: User,
    actor: Actor,
) -> Complaint:
    """Put a user's complaint on record. `about`: the deployment and the outage it is about, where that is known."""
    deployment, outage = about
    if deployment is not None and deployment.environment.project_id != project.pk:
        raise EngineError(_("Deployment: it belongs to another project. Choose one of this project."))
    if outage is not None and outage.probe.environment.project_id != project.pk:
        raise EngineError(_("Outage: it belongs to another project. Choose one of this project."))
    with transaction.atomic():
        row = Complaint.objects.create(
            project=project,
            received_on=received_on,
            text=text,
            deployment=deployment,
            outage=outage,
            entered_by=user,
        )
        audit.record(actor, "complaint.enter", row, received_on=received_on.isoformat())
    return row


def withdraw(complaint: Complaint, user: User, actor: Actor) -> None:
    """Take a wrong entry back; it stays readable. Raises Conflict where that was done already."""
    with transaction.atomic():
        open_one = Complaint.objects.filter(pk=complaint.pk, withdrawn_at__isnull=True)
        if not open_one.update(withdrawn_at=clock.now(), withdrawn_by=user):
            raise Conflict(_("The complaint was withdrawn already."))
        audit.record(actor, "complaint.withdraw", complaint)
