"""Runbooks: written in the browser, checked as you type, kept as versions."""

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from releases import audit, permissions
from releases.engine.errors import Conflict
from releases.engine.runbook_versions import save_version
from releases.models import Project, Runbook, RunbookVersion
from releases.permissions import Need, actor, member_required, signed_in
from releases.runbooks import diff, loader, plan
from releases.runbooks.messages import RunbookErrors
from releases.views.answers import once
from releases.views.secret_fields import TICK, SecretFound, refuse_secrets

LARGEST = 256 * 1024  # bytes of a runbook's text


class NewRunbookForm(forms.ModelForm[Runbook]):
    """A runbook from a text, a file, or one of those that ship with Cloud Wiki."""

    shipped = forms.ChoiceField(
        label=gettext_lazy("Begin with"),
        required=False,
        choices=[
            ("", gettext_lazy("an empty text")),
            ("deploy", gettext_lazy("the team's deploy procedure")),
            ("rollback", gettext_lazy("the team's rollback procedure")),
        ],
    )
    file = forms.FileField(label=gettext_lazy("or a file (YAML)"), required=False)

    class Meta:
        model = Runbook
        fields = ("project", "key", "name")
        labels = {"project": gettext_lazy("Project")}
        error_messages = {
            NON_FIELD_ERRORS: {
                "unique_together": gettext_lazy("This project has a runbook with this short name already.")
            }
        }


@require_GET
@member_required
def runbooks(request: HttpRequest) -> HttpResponse:
    """Every runbook of one's projects with its newest version."""
    rows = permissions.visible(Runbook, signed_in(request)).select_related("project").prefetch_related("versions")
    shown = [{"runbook": runbook, "latest": next(iter(runbook.versions.all()), None)} for runbook in rows]
    may_manage = permissions.may_somewhere(signed_in(request), Need.MANAGE)
    return render(request, "releases/runbooks.html", {"runbooks": shown, "may_manage": may_manage})


@require_http_methods(["GET", "POST"])
@member_required
@once
def new_runbook(request: HttpRequest) -> HttpResponse:
    """Add a runbook; its text is edited in the next step, where mistakes are shown by line."""
    form = NewRunbookForm(request.POST or None, request.FILES or None)
    form.fields["project"].queryset = permissions.visible(Project, signed_in(request))  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        permissions.require(signed_in(request), Need.MANAGE, form.cleaned_data["project"].pk)
        try:
            text = _first_text(form.cleaned_data["file"], form.cleaned_data["shipped"])
        except ValueError as error:
            form.add_error("file", str(error))
        else:
            with transaction.atomic():
                form.save()
                audit.record(actor(request), "runbook.create", form.instance)
            return _edit_page(request, form.instance, text, "")
    context = {"form": form, "title": _("New runbook"), "submit": _("Go on")}
    return render(request, "releases/form.html", context, status=400 if form.errors else 200)


@require_GET
@member_required
def runbook(request: HttpRequest, number: int) -> HttpResponse:
    """One runbook: a version of it, read, and what changed since the one before."""
    found = permissions.get(Runbook, signed_in(request), Need.VIEW, "project", pk=number)
    versions = list(found.versions.select_related("created_by"))
    wanted = request.GET.get("version", "")
    shown = next((v for v in versions if str(v.number) == wanted), versions[0] if versions else None)
    before = next((v for v in versions if shown and v.number < shown.number), None)
    context = {
        "runbook": found,
        "versions": versions,
        "shown": shown,
        "before": before,
        "hunks": hunks(before.text, shown.text) if shown and before else [],
        "read": _read(shown.text) if shown else None,
        "may_manage": permissions.may(signed_in(request), Need.MANAGE, found.project_id),
    }
    return render(request, "releases/runbook.html", context)


@require_http_methods(["GET", "POST"])
@member_required
def edit_runbook(request: HttpRequest, number: int) -> HttpResponse:
    """Write the next version. A text with mistakes is shown with them and not saved."""
    found = permissions.get(Runbook, signed_in(request), Need.MANAGE, "project", pk=number)
    latest = found.latest()
    if request.method == "GET":
        return _edit_page(request, found, latest.text if latest else "", "")
    text = request.POST.get("text", "").replace("\r\n", "\n")
    note = request.POST.get("note", "")[:300]
    if problems(text):
        return _edit_page(request, found, text, _("Not saved: fix the errors first."), 400)
    if "\0" in note:
        message = _("The text holds a zero byte, which can't be kept. Remove it.")
        return _edit_page(request, found, text, message, 400)
    try:
        refuse_secrets(request, found, _("Text of the runbook (YAML)"), f"{text}\n{note}")
        save_version(found, text, note, signed_in(request), actor(request), request.POST.get("base", ""))
    except SecretFound as error:
        return _edit_page(request, found, text, str(error), 400, tick=TICK)
    except Conflict as error:
        return _edit_page(request, found, text, str(error), 409)
    return redirect("releases:runbook", found.pk)


@require_POST
@member_required
def validate_runbook(request: HttpRequest) -> JsonResponse:
    """The mistakes of a text, for the editor: line, column, path, message, mend.

    For those who may write runbooks: a text brings regular expressions, which can keep this process busy.
    """
    if not permissions.may_somewhere(signed_in(request), Need.MANAGE):
        raise PermissionDenied(_("You may not change this project's settings; ask a manager of it."))
    return JsonResponse({"errors": problems(request.POST.get("text", "").replace("\r\n", "\n"))})


@require_GET
@member_required
def runbook_text(request: HttpRequest, number: int) -> HttpResponse:
    """The text of a version as a file."""
    version = get_object_or_404(permissions.visible(RunbookVersion, signed_in(request)), pk=number)
    answer = HttpResponse(version.text, content_type="application/yaml; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{version.runbook.key}-v{version.number}.yaml"'
    return answer


def problems(text: str) -> list[dict[str, object]]:
    """Every mistake of a runbook's text, in the reader's language; empty when it is right."""
    if len(text.encode()) > LARGEST:
        return [_problem(1, 1, "", _("The text is larger than 256 KB."), _("Split it into several runbooks."))]
    try:
        loader.load(text)
    except RunbookErrors as found:
        return [_problem(e.line, e.column, e.path, str(e.message), str(e.mend)) for e in found.errors]
    return []


def _problem(line: int, column: int, path: str, message: str, mend: str) -> dict[str, object]:
    return {"line": line, "column": column, "path": path, "message": message, "mend": mend}


def _first_text(file: UploadedFile[bytes] | None, shipped: str) -> str:
    if file is None:
        return loader.seed_text(shipped) if shipped else ""
    if (file.size or 0) > LARGEST:
        raise ValueError(_("The file is larger than 256 KB; split it into several runbooks."))
    try:
        return bytes(file.read()).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(_("The file is not UTF-8 text; save it as UTF-8.")) from error


def hunks(old: str, new: str) -> list[dict[str, object]]:
    """The changed parts of a text, as the template of differences shows them."""
    kinds = {"-": "del", "+": "add", "same": "same"}
    return [
        {
            "title": _("from line %s") % hunk.new,
            "lines": [{"number": li.number, "kind": kinds[li.kind], "text": str(li.text)} for li in hunk.lines],
        }
        for hunk in diff.diff_versions(old, new)
    ]


def _read(text: str) -> dict[str, object] | None:
    try:
        found = loader.load(text)
    except RunbookErrors:
        return None
    return {"steps": found.steps, "checklist": found.checklist, "totals": plan.totals(found.steps)}


def _edit_page(
    request: HttpRequest, found: Runbook, text: str, message: str, status: int = 200, tick: str = ""
) -> HttpResponse:
    latest = found.latest()
    context = {
        "runbook": found,
        "editor": {
            "name": "text",
            "value": text,
            "label": _("Text of the runbook (YAML)"),
            "check_url": reverse("releases:validate_runbook"),
            "errors": problems(text) if text else [],
        },
        "base": latest.number if latest else 0,
        "message": message,
        "tick": tick,
        "note": request.POST.get("note", "") if request.method == "POST" else "",
    }
    return render(request, "releases/runbook_edit.html", context, status=status)
