"""The way of a new member to their first deployment: a checklist computed from what they have really done."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from releases import lifecycle, permissions
from releases.engine import people
from releases.models import (
    Approval,
    Deployment,
    DeploymentKind,
    Host,
    Membership,
    Project,
    Reading,
    RunbookVersion,
    User,
)
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import back_where_it_was_pressed, done, verb
from releases.views.blocks.sources import current_version


@dataclass(frozen=True)
class Item:
    """One thing to have done. `read`: the version of a runbook that a press says was read."""

    title: str
    help: str
    done: bool
    address: str
    link: str
    read: int | None = None


def items(user: User, project: Project) -> list[Item]:
    """What leads to a first deployment, as far as the person may go; a fixed number of queries."""
    rights = Membership.objects.filter(user=user, project=project).first()
    found = [
        Item(
            _("Log in"),
            _("You are here."),
            user.last_login is not None,
            reverse("releases:dashboard"),
            _("Dashboard"),
        ),
        Item(
            _("Choose your language"),
            _("Pages, mails and announcements come in it."),
            user.language_chosen_at is not None,
            reverse("releases:me"),
            _("My settings"),
        ),
        _reading(user, project, DeploymentKind.DEPLOY, _("Read the deploy procedure")),
        _machines(project),
    ]
    if rights and rights.can_operate:
        found.append(_rehearsal(user, project))
    if rights and rights.can_approve:
        approved = Approval.objects.filter(user=user, deployment__environment__project=project).exists()
        help_text = _("Look at a plan of somebody else and consent to it.")
        address = reverse("releases:deployments")
        found.append(Item(_("Approve a deployment"), help_text, approved, address, _("Deployments")))
    found.append(_reading(user, project, DeploymentKind.ROLLBACK, _("Read the rollback procedure")))
    return found


def _reading(user: User, project: Project, kind: str, title: str) -> Item:
    """Reading the newest version counts; a new text wants to be read again."""
    version = current_version(project, kind)
    if version is None:
        text = _("The project has no such runbook yet.")
        return Item(title, text, done=False, address=reverse("releases:runbooks"), link=_("Runbooks"))
    read = Reading.objects.filter(user=user, version=version).exists()
    address = reverse("releases:runbook", args=[version.runbook_id])
    name = f"{version.runbook.name} v{version.number}"
    text = _("All of it, before you run it for the first time.")
    return Item(title, text, read, address, name, None if read else version.pk)


def _machines(project: Project) -> Item:
    counts = Host.objects.filter(environment__project=project).aggregate(
        all=Count("pk"), reached=Count("pk", filter=Q(last_check_ok=True))
    )
    text = _("%(reached)s of %(all)s hosts were reached when they were last looked at.") % counts
    done_so = counts["all"] > 0 and counts["reached"] == counts["all"]
    return Item(_("The hosts can be reached"), text, done_so, reverse("releases:hosts"), _("Hosts"))


def _rehearsal(user: User, project: Project) -> Item:
    rows = Deployment.objects.filter(
        environment__project=project, environment__is_production=False, started_by=user, status=lifecycle.SUCCEEDED
    )
    text = _("Deploy to an environment that is not production, from the plan to the end.")
    address = reverse("releases:new_deployment")
    return Item(_("Rehearse on staging"), text, rows.exists(), address, _("Prepare a deployment"))


def for_dashboard(user: User) -> dict[str, Any] | None:
    """The way in that a person has not finished nor put away; None where there is none, or they may only look."""
    deploying = Q(can_operate=True) | Q(can_approve=True)
    open_ones = Membership.objects.filter(deploying, user=user, onboarding_closed_at=None)
    membership = open_ones.select_related("project").order_by("-pk").first()
    if membership is None:
        return None
    found = items(user, membership.project)
    if all(item.done for item in found):
        return None
    return _context(membership.project, found)


def _context(project: Project, found: list[Item]) -> dict[str, Any]:
    return {"project": project, "items": found, "count": sum(item.done for item in found)}


@require_GET
@member_required
def first_deploy(request: HttpRequest, number: int) -> HttpResponse:
    """The checklist on a page of its own."""
    user = signed_in(request)
    project = permissions.get(Project, user, Need.VIEW, pk=number)
    way = _context(project, items(user, project))
    return render(request, "releases/first_deploy.html", {"way": way, "section": "wiki"})


@verb
def close(request: HttpRequest, number: int) -> HttpResponse:
    """Take it off one's own dashboard."""
    user = signed_in(request)
    project = permissions.get(Project, user, Need.VIEW, pk=number)
    people.close_onboarding(project, user, actor(request))
    done(request, _("The list is off your dashboard. It stays in the wiki."))
    return redirect("releases:dashboard")


@verb
def read(request: HttpRequest, number: int) -> HttpResponse:
    """Say that one has read a version of a runbook."""
    user = signed_in(request)
    version = permissions.get(RunbookVersion, user, Need.VIEW, "runbook__project", pk=number)
    people.say_read(version, user, actor(request))
    return back_where_it_was_pressed(request)
