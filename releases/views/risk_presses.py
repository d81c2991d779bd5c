"""What people press about risks: look now, accept, take back, give to somebody, switch a host's checks."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from releases import permissions
from releases.engine import host_looks, risk_rounds, risks
from releases.engine.errors import EngineError
from releases.models import Host, Project, Risk
from releases.permissions import Need, actor, signed_in
from releases.risks import consent
from releases.views.answers import done, verb
from releases.views.risk_forms import AcceptForm, LooksForm, OwnerForm
from releases.views.risks import host_page, risk_page


@verb
def look(request: HttpRequest, number: int) -> HttpResponse:
    """Have a worker look at everything of the project now."""
    project = permissions.get(Project, signed_in(request), Need.OPERATE, pk=number)
    risk_rounds.ask(project, signed_in(request), actor(request))
    done(request, _("The checks run. Look at the page again in a moment."))
    return redirect(f"{reverse('releases:risks')}?project={project.pk}")


@verb
def accept(request: HttpRequest, number: int) -> HttpResponse:
    """Live with it until a day, for a reason."""
    found = permissions.get(Risk, signed_in(request), Need.MANAGE, "project", "environment", pk=number)
    form = AcceptForm(request.POST, risk=found)
    if not form.is_valid():
        return risk_page(request, number, 400, accept_form=form)
    reason = form.cleaned_data["reason"]
    risks.accept(found, signed_in(request), actor(request), form.end(), reason, form.insisted())
    return redirect("releases:risk", found.pk)


@verb
def reopen(request: HttpRequest, number: int) -> HttpResponse:
    """Take the acceptance back."""
    found = permissions.get(Risk, signed_in(request), Need.MANAGE, "project", pk=number)
    risks.reopen(found, signed_in(request), actor(request))
    return redirect("releases:risk", found.pk)


@verb
def assign(request: HttpRequest, number: int) -> HttpResponse:
    """Give it to a member of the project."""
    found = permissions.get(Risk, signed_in(request), Need.OPERATE, "project", pk=number)
    form = OwnerForm(request.POST, risk=found)
    if not form.is_valid():
        raise EngineError(_("Owner: choose a member of the project."))
    risks.assign(found, form.cleaned_data["owner"], signed_in(request), actor(request))
    return redirect("releases:risk", found.pk)


@verb
def set_looks(request: HttpRequest, number: int) -> HttpResponse:
    """Set what checks look at on a host."""
    host = permissions.get(Host, signed_in(request), Need.MANAGE, "environment__project", "looks", pk=number)
    form = LooksForm(request.POST, looks=consent.looks_of(host))
    if not form.is_valid():
        return host_page(request, number, form)
    host_looks.set_looks(host, actor(request), form.looks())
    return redirect("releases:host_risks", host.pk)


@verb
def switch(request: HttpRequest, number: int) -> HttpResponse:
    """Let a host's checks run, or not any more."""
    host = permissions.get(Host, signed_in(request), Need.MANAGE, "environment__project", pk=number)
    if request.POST.get("on"):
        host_looks.switch_on(host, signed_in(request), actor(request), request.POST.get("digest", ""))
    else:
        host_looks.switch_off(host, signed_in(request), actor(request))
    return redirect("releases:host_risks", host.pk)
