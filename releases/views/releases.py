"""Releases: what is shipped."""

from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from releases import audit, lifecycle, permissions
from releases.actions import artifacts
from releases.actions.base import ActionError
from releases.engine.errors import EngineError
from releases.engine.insisting import put_on_record
from releases.models import Artifact, Deployment, Project, Release
from releases.permissions import Need, actor, member_required, signed_in
from releases.proofs import git
from releases.risks.secrets_scanner import Found
from releases.views import gpu_spec
from releases.views.answers import done, once, verb
from releases.views.careful_forms import CarefulForm
from releases.views.offers import undoable
from releases.views.secret_fields import scan_fields

PAGE = 50
PARTS = ("project", "created_by", "gpu")


class ReleaseForm(CarefulForm[Release]):
    """A release's own facts. The migration SQL is asked for where the schema changes."""

    insisted: list[Found] | None = None

    class Meta:
        model = Release
        fields = (
            "project",
            "version",
            "commit",
            "branch",
            "notes",
            "schema_changed",
            "migration_name",
            "migration_sql",
            "nginx_changed",
        )
        labels = {"project": gettext_lazy("Project")}
        error_messages = {
            NON_FIELD_ERRORS: {"unique_together": gettext_lazy("This project has a release with this version already.")}
        }
        widgets = {
            "notes": forms.Textarea(attrs={"rows": 4}),
            "migration_sql": forms.Textarea(attrs={"rows": 8, "class": "mono", "spellcheck": "false"}),
        }
        help_texts = {
            "version": gettext_lazy("Such as v2.8.0; each version exists once."),
            "commit": gettext_lazy("7 to 40 hexadecimal digits, as git prints them."),
            "migration_name": gettext_lazy("Such as V42__tags.sql; needed when the schema changes."),
        }

    def _get_validation_exclusions(self) -> set[str]:
        """A version is unique within the project, also where that is no field of the form."""
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"project"} if self.instance.pk else excluded

    def clean(self) -> dict[str, Any]:
        """A schema change needs its SQL, and SQL without a schema change would never run."""
        values = super().clean() or {}
        if values.get("schema_changed") and not (values.get("migration_sql") or "").strip():
            self.add_error("migration_sql", _("The schema changes: give the SQL that changes it."))
        if values.get("schema_changed") and not values.get("migration_name"):
            values["migration_name"] = f"{values.get('version', 'migration')}.sql"
        if values.get("migration_sql", "").strip() and not values.get("schema_changed"):
            self.add_error("schema_changed", _("There is migration SQL: tick this, or remove the SQL."))
        self.insisted = scan_fields(self, {name: values.get(name) for name in ("notes", "migration_sql")})
        return values


class ArtifactForm(forms.ModelForm[Artifact]):
    """A file or folder of the release, on the controller."""

    class Meta:
        model = Artifact
        fields = ("name", "service", "path", "is_folder")
        labels = {"service": gettext_lazy("Service")}
        error_messages = {
            NON_FIELD_ERRORS: {"unique_together": gettext_lazy("This release has an artifact with this name already.")}
        }


def _release_form(request: HttpRequest, instance: Release | None = None) -> ReleaseForm:
    form = ReleaseForm(request.POST or None, instance=instance)
    projects = permissions.visible(Project, signed_in(request)).filter(
        Q(memberships__user=signed_in(request), memberships__can_operate=True)
    )
    form.fields["project"].queryset = projects  # type: ignore[attr-defined]
    if instance is not None:
        del form.fields["project"]
    elif len(projects) == 1:
        form.fields["project"].initial = projects[0]
    return form


@require_GET
@member_required
def releases(request: HttpRequest) -> HttpResponse:
    """Every release of one's projects, newest first, and where it ran."""
    rows = permissions.visible(Release, signed_in(request)).select_related("project", "created_by")
    rows = rows.prefetch_related(Prefetch("deployments", _last_ones())).order_by("-created_at", "-pk")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    may_operate = permissions.may_somewhere(signed_in(request), Need.OPERATE)
    return render(request, "releases/releases.html", {"page_obj": page, "may_operate": may_operate})


def _last_ones() -> QuerySet[Deployment]:
    """The last deployment of a release to each environment."""
    ran = Deployment.objects.exclude(status=lifecycle.DRAFT).select_related("environment")
    return ran.order_by("release_id", "environment_id", "-pk").distinct("release_id", "environment_id")


@require_http_methods(["GET", "POST"])
@member_required
@once
def new_release(request: HttpRequest) -> HttpResponse:
    """Make a release."""
    form = _release_form(request)
    if request.method == "POST" and form.is_valid():
        permissions.require(signed_in(request), Need.OPERATE, form.cleaned_data["project"].pk)
        form.instance.committed_at = git.committed_at(form.instance)
        with transaction.atomic():
            release = form.save(commit=False)
            release.created_by = signed_in(request)
            release.save()
            put_on_record(actor(request), release, form.insisted or [])
            audit.record(actor(request), "release.create", release, commit=release.commit)
        return redirect("releases:release", release.pk)
    return _form_page(request, form, _("New release"), 400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@member_required
@once
def edit_release(request: HttpRequest, number: int) -> HttpResponse:
    """Change a release. Plans made from it are out of date then, and their approvals void."""
    release = permissions.get(Release, signed_in(request), Need.OPERATE, "project", pk=number)
    form = _release_form(request, release)
    if request.method == "POST" and form.is_valid():
        if "commit" in form.changed_data:
            form.instance.committed_at = git.committed_at(form.instance)
        with transaction.atomic():
            form.save()
            put_on_record(actor(request), release, form.insisted or [])
            audit.record(actor(request), "release.change", release, changed=form.changed_data)
        return redirect("releases:release", release.pk)
    return _form_page(request, form, _("Change %s") % release, 400 if form.errors else 200)


@require_GET
@member_required
def release(request: HttpRequest, number: int) -> HttpResponse:
    """One release: facts, artifacts, migration, where it was deployed."""
    found = permissions.get(Release, signed_in(request), Need.VIEW, *PARTS, pk=number)
    return _release_page(request, found, ArtifactForm())


@require_http_methods(["POST"])
@member_required
@once
def add_artifact(request: HttpRequest, number: int) -> HttpResponse:
    """Name an artifact of the release; its digest is taken now where it exists already."""
    found = permissions.get(Release, signed_in(request), Need.OPERATE, *PARTS, pk=number)
    form = ArtifactForm(request.POST, instance=Artifact(release=found))
    if form.is_valid() and not found.artifacts.filter(name=form.cleaned_data["name"]).exists():
        with transaction.atomic():
            form.save()
            audit.record(actor(request), "artifact.register", form.instance, path=form.instance.path)
        return redirect("releases:release", found.pk)
    if form.is_valid():
        form.add_error("name", _("The release has an artifact of this name; choose another one."))
    return _release_page(request, found, form, 400)


@verb
def record_artifact(request: HttpRequest, number: int) -> HttpResponse:
    """Take the size and SHA-256 of the artifact as it is on the controller now."""
    found = permissions.get(Artifact, signed_in(request), Need.OPERATE, "release__project", pk=number)
    try:
        evidence = artifacts.record(found)
    except ActionError as error:
        raise EngineError(str(error)) from error
    audit.record(actor(request), "artifact.register", found, sha256=evidence["sha256"])
    done(request, _("%s: size and SHA-256 were taken.") % found.name)
    return redirect("releases:release", found.release_id)


def _release_page(request: HttpRequest, found: Release, form: ArtifactForm, status: int = 200) -> HttpResponse:
    form.fields["service"].queryset = found.project.services.all()  # type: ignore[attr-defined]
    user = signed_in(request)
    deployments = list(
        found.deployments.select_related("environment", "release", "requested_by", "plan", "only_service")
        .defer("plan__content")
        .order_by("-pk")[:20]
    )
    context = {
        "release": found,
        "artifacts": found.artifacts.select_related("service"),
        "deployments": deployments,
        "undoable": undoable(user, deployments),
        "form": form,
        "may_operate": permissions.may(user, Need.OPERATE, found.project_id),
        **gpu_spec.context_of(found),
    }
    return render(request, "releases/release.html", context, status=status)


def _form_page(request: HttpRequest, form: forms.ModelForm[Any], title: str, status: int) -> HttpResponse:
    return render(request, "releases/form.html", {"form": form, "title": title}, status=status)
