"""Who may see, operate, approve and manage: the first line of every view.

A row belongs to a project; what a person may do with it follows from their membership there. Someone without
a membership gets 404, so that not even the existence of a row shows; a member without the right gets 403.
A superuser sees and manages every project, but operates and approves only as a member: running and consenting
are for people the team named.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from functools import wraps
from typing import Any, Concatenate

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _

from releases import models
from releases.audit import Actor
from releases.models import Membership, User


class Need(Enum):
    """What a view needs: the column of Membership that must be true (VIEW: any membership)."""

    VIEW = ""
    OPERATE = "can_operate"
    APPROVE = "can_approve"
    MANAGE = "can_manage"


# How each kind of row finds its project.
PROJECT_OF: dict[type[Model], str] = {
    models.Project: "",
    models.Service: "project",
    models.Environment: "project",
    models.Runbook: "project",
    models.RunbookVersion: "runbook__project",
    models.Release: "project",
    models.Compatibility: "project",
    models.Artifact: "release__project",
    models.Host: "environment__project",
    models.HostWatch: "host__environment__project",
    models.Component: "host__environment__project",
    models.Price: "project",
    models.CostItem: "project",
    models.CostScenario: "project",
    models.TrafficEstimate: "project",
    models.Variable: "environment__project",
    models.DeployWindow: "environment__project",
    models.Probe: "environment__project",
    models.Deployment: "environment__project",
    models.ChecklistItem: "deployment__environment__project",
    models.Approval: "deployment__environment__project",
    models.Step: "deployment__environment__project",
    models.Attempt: "step__deployment__environment__project",
    models.Look: "step__deployment__environment__project",
    models.AttemptFile: "attempt__step__deployment__environment__project",
    models.Backup: "environment__project",
    models.BackupOrder: "environment__project",
    models.KeptDatabase: "environment__project",
    models.GpuAccount: "project",
    models.GpuEndpoint: "environment__project",
    models.Recovery: "deployment__environment__project",
    models.Outage: "probe__environment__project",
    models.Coverage: "probe__environment__project",
    models.Announcement: "environment__project",
    models.Channel: "project",
    models.Delivery: "channel__project",
    models.Risk: "project",
    models.AuditEvent: "project",
    models.Complaint: "project",
    models.ActiveUsersSource: "project",
    models.WikiPage: "project",
    models.WikiRevision: "page__project",
    models.Announcement: "environment__project",
}


def signed_in(request: HttpRequest) -> User:
    """The person behind a request that `login_required` let through."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def actor(request: HttpRequest) -> Actor:
    """Who acts, for the audit log, with the address the request came from."""
    return Actor(signed_in(request), request.META.get("REMOTE_ADDR", "") or "")


def visible[M: Model](model: type[M], user: User) -> QuerySet[M]:
    """The rows of projects that the person is a member of."""
    rows = model._default_manager.all()
    return rows if user.is_superuser else rows.filter(_member(model, user))


def pairs_visible(model: type[Model], people: QuerySet[User], rows: Iterable[int]) -> set[tuple[int, int]]:
    """Which of the people sees which of the rows, as (person, row); three queries, however many there are."""
    everywhere = dict(people.values_list("pk", "is_superuser"))
    project_of = dict(model._default_manager.filter(pk__in=rows).values_list("pk", PROJECT_OF[model] or "pk"))
    members = set(
        Membership.objects.filter(user__in=everywhere, project__in=project_of.values()).values_list("user", "project")
    )
    return {
        (person, row)
        for person, sees_all in everywhere.items()
        for row, project in project_of.items()
        if sees_all or (person, project) in members
    }


def visible_projects(user: User) -> QuerySet[models.Project]:
    """The projects that the person is a member of."""
    return visible(models.Project, user)


def get[M: Model](model: type[M], user: User, need: Need, *related: str, **lookup: Any) -> M:
    """One row that the person may use for `need`; `related` names what to join.

    Raises Http404 for rows of other projects, PermissionDenied where the right is missing.
    """
    found = visible(model, user).filter(**lookup)
    row = (found.select_related(*related) if related else found).first()
    if row is None:
        raise Http404
    require(user, need, project_id(row))
    return row


def require(user: User, need: Need, project: int) -> None:
    """Raise PermissionDenied unless the person has the right in the project."""
    if not may(user, need, project):
        raise PermissionDenied(_REFUSALS[need]())


def may(user: User, need: Need, project: int) -> bool:
    """Whether the person has the right in the project."""
    if user.is_superuser and need in {Need.VIEW, Need.MANAGE}:
        return True
    rights = Membership.objects.filter(user=user, project=project)
    return (rights.filter(**{need.value: True}) if need.value else rights).exists()


def may_somewhere(user: User, need: Need) -> bool:
    """Whether the person has the right in any project: pages offer no way to a form that would refuse them."""
    if user.is_superuser and need in {Need.VIEW, Need.MANAGE}:
        return True
    rights = Membership.objects.filter(user=user)
    return (rights.filter(**{need.value: True}) if need.value else rights).exists()


def may_see_system(user: User) -> bool:
    """Staff, and people who manage a project: the system page names deployments of their own projects only."""
    return user.is_staff or may_somewhere(user, Need.MANAGE)


def require_system(user: User) -> None:
    """Raise PermissionDenied unless the person may see how the installation is."""
    if not may_see_system(user):
        raise PermissionDenied(_("The system page is for people who manage a project; ask one of them."))


def projects(user: User, need: Need) -> set[int]:
    """The numbers of the projects in which the person has the right."""
    if user.is_superuser and need in {Need.VIEW, Need.MANAGE}:
        return set(models.Project.objects.values_list("pk", flat=True))
    rights = Membership.objects.filter(user=user)
    return set((rights.filter(**{need.value: True}) if need.value else rights).values_list("project", flat=True))


def project_id(row: Model) -> int:
    """The project that a row belongs to."""
    path = PROJECT_OF[type(row)]
    value: Any = row
    for name in path.split("__") if path else []:
        value = getattr(value, name)
    return int(value.pk)


def member_required[**P](
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Login for pages; 401 instead of a redirect where a script asks (event streams, htmx, JSON)."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if _asked_by_script(request):
            return HttpResponse(_("Log in again."), status=401, content_type="text/plain; charset=utf-8")
        return redirect_to_login(request.get_full_path())

    return checked


def _asked_by_script(request: HttpRequest) -> bool:
    """A script in a page asks (fetch, htmx, event stream): it must get a status, not the sign-in page."""
    return (
        "HX-Request" in request.headers
        or request.headers.get("Sec-Fetch-Dest") == "empty"
        or not request.accepts("text/html")
    )


def _member(model: type[Model], user: User) -> Q:
    # A condition, not a join: no row comes twice, so no list has to be sorted through to find that out.
    own = Membership.objects.filter(user=user).values("project")
    return Q(**{f"{PROJECT_OF[model] or 'pk'}__in": own})


_REFUSALS: dict[Need, Callable[[], str]] = {
    Need.VIEW: lambda: _("You may not see this."),
    Need.OPERATE: lambda: _("You may not run deployments in this project; ask a manager of it."),
    Need.APPROVE: lambda: _("You may not approve in this project; ask a manager of it."),
    Need.MANAGE: lambda: _("You may not change this project's settings; ask a manager of it."),
}
