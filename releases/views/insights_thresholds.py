"""The thresholds of the seed's 3.3, and what people enter for them."""

from typing import Any, Final

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from releases import permissions
from releases.engine import clock, user_reports
from releases.insights import active_users, thresholds
from releases.models import ActiveUsersSource, Complaint, Deployment, Outage, Project
from releases.models.insights import MOST_USERS
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import done, verb
from releases.views.insights_next import NEXT_STEPS, REQUIRED, source_problem

SHOWN: Final = 50  # complaints, the newest
OUTAGES: Final = 30  # that a complaint can be about, the newest
_DAY: Final = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class UsersForm(forms.Form):
    """A count that a person knows."""

    count = forms.IntegerField(label=gettext_lazy("Monthly active users"), min_value=0, max_value=MOST_USERS)


class SourceForm(forms.ModelForm[ActiveUsersSource]):
    """Where the count is fetched from; both fields empty: nowhere."""

    class Meta:
        model = ActiveUsersSource
        fields = ("url", "path")
        help_texts = {
            "url": gettext_lazy("Asked once a day. Private addresses are refused as for health checks. Empty: nowhere.")
        }

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fields["url"].required = self.fields["path"].required = False

    def clean(self) -> dict[str, Any]:
        """An address needs a path that can be read."""
        values = super().clean() or {}
        if values.get("url"):
            try:
                active_users.parsed(values.get("path") or "")
            except active_users.NotRead:
                self.add_error("path", _("This is no JSON path to one place. Write one such as $.data.monthly_users."))
        return values


class ComplaintForm(forms.ModelForm[Complaint]):
    """What a user said, when, and maybe about what."""

    deployment = forms.IntegerField(
        label=gettext_lazy("Number of the deployment"), required=False, min_value=1, max_value=2**31
    )

    class Meta:
        model = Complaint
        fields = ("received_on", "text", "deployment", "outage")
        widgets = {"received_on": _DAY, "text": forms.Textarea(attrs={"rows": 3})}
        labels = {"outage": gettext_lazy("Outage")}

    def __init__(self, project: Project, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.project = project
        rows = Outage.objects.filter(probe__environment__project=project)
        newest = list(rows.order_by("-started_at").values_list("pk", flat=True)[:OUTAGES])
        field: Any = self.fields["outage"]
        field.queryset = rows.filter(pk__in=newest).select_related("probe__service", "probe__environment")
        field.label_from_instance = _outage_name

    def clean_received_on(self) -> Any:
        """Not later than today."""
        day = self.cleaned_data["received_on"]
        if day > timezone.localdate():
            raise forms.ValidationError(_("Choose today or an earlier day."))
        return day

    def clean_deployment(self) -> Deployment | None:
        """One of this project, by its number."""
        number = self.cleaned_data["deployment"]
        if number is None:
            return None
        rows = Deployment.objects.select_related("environment")
        found = rows.filter(environment__project=self.project, pk=number).first()
        if found is None:
            raise forms.ValidationError(_("This project has no deployment of that number. Look it up in the history."))
        return found


@require_GET
@member_required
def page(request: HttpRequest) -> HttpResponse:
    """Every threshold of a project with how far it is, and what is to be done next."""
    rows = permissions.visible(Project, signed_in(request)).order_by("name", "pk")
    wanted = request.GET.get("project", "")
    chosen = rows.filter(pk=int(wanted)).first() if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 else None
    return _page(request, chosen or rows.first())


@verb
def enter_users(request: HttpRequest, number: int) -> HttpResponse:
    """Keep a count of active users."""
    project = permissions.get(Project, signed_in(request), Need.OPERATE, pk=number)
    form = UsersForm(request.POST)
    if not form.is_valid():
        return _page(request, project, {"users_form": form}, 422)
    user_reports.enter_users(project, form.cleaned_data["count"], signed_in(request), actor(request))
    done(request, _("The count of active users was kept."))
    return _back(project)


@verb
def set_source(request: HttpRequest, number: int) -> HttpResponse:
    """Say where the count is fetched from."""
    project = permissions.get(Project, signed_in(request), Need.MANAGE, pk=number)
    form = SourceForm(request.POST, instance=_source(project))
    if not form.is_valid():
        return _page(request, project, {"source_form": form}, 422)
    user_reports.set_source(project, form.cleaned_data["url"], form.cleaned_data["path"], actor(request))
    done(request, _("Saved. A worker asks it now, and then once a day."))
    return _back(project)


@verb
def fetch_users(request: HttpRequest, number: int) -> HttpResponse:
    """Have the count fetched now."""
    project = permissions.get(Project, signed_in(request), Need.OPERATE, pk=number)
    user_reports.fetch_now(project)
    done(request, _("A worker asks it now; look again in a moment."))
    return _back(project)


@verb
def complain(request: HttpRequest, number: int) -> HttpResponse:
    """Put a complaint on record."""
    user = signed_in(request)
    project = permissions.get(Project, user, Need.OPERATE, pk=number)
    form = ComplaintForm(project, request.POST)
    if not form.is_valid():
        return _page(request, project, {"complaint_form": form}, 422)
    values = form.cleaned_data
    about = (values["deployment"], values["outage"])
    user_reports.complain(project, values["received_on"], values["text"], about, user, actor(request))
    done(request, _("The complaint is on record."))
    return _back(project)


@verb
def withdraw(request: HttpRequest, number: int) -> HttpResponse:
    """Take a wrong complaint back."""
    found = permissions.get(Complaint, signed_in(request), Need.OPERATE, "project", pk=number)
    user_reports.withdraw(found, signed_in(request), actor(request))
    done(request, _("The complaint was withdrawn."))
    return _back(found.project)


def _back(project: Project) -> HttpResponse:
    return redirect(f"{reverse('releases:insights_thresholds')}?project={project.pk}")


def _page(
    request: HttpRequest, project: Project | None, forms_with_errors: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    user = signed_in(request)
    context: dict[str, Any] = {"project": project, "tab": "thresholds", "section": "insights"}
    if project is not None:
        readings = thresholds.readings(project, clock.now())
        source = ActiveUsersSource.objects.filter(project=project).first()
        context |= {
            "projects": permissions.visible_projects(user).order_by("name", "pk"),
            "readings": readings,
            "is_crossed": any(reading.crossing or reading.is_reached for reading in readings),
            "next_steps": NEXT_STEPS,
            "required": REQUIRED,
            "users": thresholds.active_users(project),
            "source": source,
            "problem": source_problem(source),
            "complaints": _complaints(project),
            "may_operate": permissions.may(user, Need.OPERATE, project.pk),
            "may_manage": permissions.may(user, Need.MANAGE, project.pk),
            "users_form": UsersForm(),
            "source_form": SourceForm(instance=source),
            "complaint_form": ComplaintForm(project, initial={"received_on": timezone.localdate()}),
        }
    return render(request, "insights/thresholds.html", context | (forms_with_errors or {}), status=status)


def _source(project: Project) -> ActiveUsersSource:
    return ActiveUsersSource.objects.filter(project=project).first() or ActiveUsersSource(project=project)


def _complaints(project: Project) -> list[Complaint]:
    rows = Complaint.objects.filter(project=project)
    joined = ("deployment", "outage__probe__service", "outage__probe__environment", "entered_by", "withdrawn_by")
    return list(rows.select_related(*joined)[:SHOWN])


def _outage_name(outage: Outage) -> str:
    where = outage.probe.environment
    return f"{where.local(outage.started_at):%Y-%m-%d %H:%M} · {where} · {outage.probe.service}"
