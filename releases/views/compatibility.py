"""Which releases of two services work together: the matrix of a project, and a person's word on a pair."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from releases import compatibility, lifecycle, permissions
from releases.compatibility import Part
from releases.models import Compatibility, Project, Release, Service
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import done, verb

SHOWN = 12  # releases, the newest ones, that are laid out; the form takes any
VERDICTS = {"works": True, "fails": False, "unknown": None}


class PairForm(forms.Form):
    """Two services, each at a release, and whether they work together."""

    one = forms.ModelChoiceField(label=gettext_lazy("Service"), queryset=Service.objects.none())
    one_release = forms.ModelChoiceField(label=gettext_lazy("at"), queryset=Release.objects.none())
    other = forms.ModelChoiceField(label=gettext_lazy("beside"), queryset=Service.objects.none())
    other_release = forms.ModelChoiceField(label=gettext_lazy("at"), queryset=Release.objects.none())
    verdict = forms.ChoiceField(
        label=gettext_lazy("Together they"),
        choices=[
            ("works", gettext_lazy("work")),
            ("fails", gettext_lazy("do not work")),
            ("unknown", gettext_lazy("are not known: take back what is on record")),
        ],
    )
    reason = forms.CharField(label=gettext_lazy("Why"), max_length=300, required=False)

    def __init__(self, project: Project, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for name in ("one", "other"):
            self.fields[name].queryset = project.services.all()  # type: ignore[attr-defined]
            self.fields[f"{name}_release"].queryset = project.releases.all()  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Two services, and a reason where a rollback will be refused for it."""
        values = super().clean() or {}
        if values.get("one") and values.get("one") == values.get("other"):
            self.add_error("other", _("Choose another service than the first."))
        if values.get("verdict") == "fails" and not values.get("reason", "").strip():
            self.add_error("reason", _("Say why: whoever is refused a rollback for it reads this."))
        return values


@require_GET
@member_required
def matrix(request: HttpRequest, number: int) -> HttpResponse:
    """The releases of two services laid out against each other."""
    project = permissions.get(Project, signed_in(request), Need.VIEW, pk=number)
    return _page(request, project, PairForm(project, initial=_initial(request, project)))


@verb
def say(request: HttpRequest, number: int) -> HttpResponse:
    """A manager's word on a pair."""
    user = signed_in(request)
    project = permissions.get(Project, user, Need.MANAGE, pk=number)
    form = PairForm(project, request.POST)
    if not form.is_valid():
        return _page(request, project, form, 422)
    values = form.cleaned_data
    one, other = Part(values["one"], values["one_release"]), Part(values["other"], values["other_release"])
    compatibility.decide(one, other, VERDICTS[values["verdict"]], values["reason"].strip(), user, actor(request))
    done(request, _("%(one)s beside %(other)s is on record.") % {"one": one, "other": other})
    page = reverse("releases:compatibility", args=[project.pk])
    return redirect(f"{page}?one={one.service.pk}&other={other.service.pk}")


def _page(request: HttpRequest, project: Project, form: PairForm, status: int = 200) -> HttpResponse:
    context = _context(project, form, permissions.may(signed_in(request), Need.MANAGE, project.pk))
    return render(request, "releases/compatibility.html", context, status=status)


def _initial(request: HttpRequest, project: Project) -> dict[str, Any]:
    """The pair that the address names; else the project's first two services."""
    services = list(project.services.all()[:2])
    given = {name: request.GET.get(name, "") for name in ("one", "other", "one_release", "other_release")}
    first = dict(zip(("one", "other"), (service.pk for service in services), strict=False))
    return first | {
        name: int(text) for name, text in given.items() if text.isascii() and text.isdigit() and len(text) < 10
    }


def _context(project: Project, form: PairForm, may_manage: bool) -> dict[str, Any]:
    services = {service.pk: service for service in project.services.all()}
    one, other = (services.get(_number(form[name].value())) for name in ("one", "other"))
    found: dict[str, Any] = {"project": project, "form": form, "may_manage": may_manage, "services": services.values()}
    if one is None or other is None or one == other:
        return found | {"rows": []}
    releases = list(project.releases.filter(gpu=None).order_by("-created_at", "-pk")[:SHOWN])
    known = compatibility.matrix(one, other, releases)
    ran = set(
        Release.objects.filter(
            pk__in=[release.pk for release in releases],
            deployments__status=lifecycle.SUCCEEDED,
            deployments__only_service=None,
        ).values_list("pk", flat=True)
    )
    rows = [
        {"release": own, "cells": [_cell(known.get((own.pk, theirs.pk)), own, theirs, ran) for theirs in releases]}
        for own in releases
    ]
    return found | {"one": one, "other": other, "releases": releases, "rows": rows}


def _number(value: object) -> int:
    """What a field holds, as a number of a row; 0 where it is none."""
    text = str(value or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _cell(row: Compatibility | None, own: Release, theirs: Release, ran: set[int]) -> dict[str, Any]:
    """One pair: what is known of it, and who said so."""
    if row is not None:
        state = "works" if row.works else "fails"
        return {"release": theirs, "state": state, "row": row}
    return {"release": theirs, "state": "ran" if own == theirs and own.pk in ran else "", "row": None}
