"""The GPU part of a release: what it ships to graphics cards. Fixed once a deployment of the release has started."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from releases import audit, permissions
from releases.engine.errors import EngineError
from releases.models import GpuSpec, Release, Variable
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import done, once, refusal, verb
from releases.views.gpu_spec_form import COLUMNS, DEFAULT_IMAGE, GROUPS, GpuSpecForm
from releases.views.grouped_forms import form_page


@require_http_methods(["GET", "POST"])
@member_required
@once
def edit_spec(request: HttpRequest, number: int) -> HttpResponse:
    """Say what the release ships to cards. Plans made from it are out of date then, and their approvals void."""
    release = permissions.get(Release, signed_in(request), Need.OPERATE, "project", pk=number)
    if is_fixed(release):
        return refusal(request, _fixed_words(release), 409)
    held = GpuSpec.objects.filter(release=release).first()
    form = GpuSpecForm(
        release.project, request.POST or None, instance=held or GpuSpec(release=release, image=DEFAULT_IMAGE)
    )
    if request.method == "POST" and form.is_valid():
        before = GpuSpec.objects.filter(release=release).first()
        with transaction.atomic():
            changes = audit.differences(before, form.save(), COLUMNS)
            if changes:
                audit.record(actor(request), "release.gpu", release, changed=changes)
        return redirect("releases:release", release.pk)
    back = reverse("releases:release", args=[release.pk])
    more: dict[str, Any] = {"css": "gpu-form", "note": _note()} if held is None else {"css": "gpu-form"}
    if held is not None:
        address = reverse("releases:remove_release_gpu", args=[release.pk])
        more |= {"remove_url": address, "remove_text": _("Take the GPU part away")}
    return form_page(request, form, GROUPS, _("GPU part of %s") % release, back, **more)


@verb
def remove_spec(request: HttpRequest, number: int) -> HttpResponse:
    """The release ships nothing to cards after all."""
    release = permissions.get(Release, signed_in(request), Need.OPERATE, "project", pk=number)
    if is_fixed(release):
        raise EngineError(_fixed_words(release))
    with transaction.atomic():
        held = GpuSpec.objects.select_for_update().filter(release=release).first()
        if held is not None:
            held.delete()
            audit.record(actor(request), "release.gpu_remove", release)
    done(request, _("%s has no GPU part any more.") % release)
    return redirect("releases:release", release.pk)


def context_of(release: Release) -> dict[str, Any]:
    """What the release's page shows of it."""
    spec: GpuSpec | None = getattr(release, "gpu", None)
    return {
        "gpu": spec,
        "gpu_fixed": is_fixed(release),
        "gpu_secrets": _secrets(release, spec.secret_env) if spec else [],
    }


def is_fixed(release: Release) -> bool:
    """A deployment of it was started: what ran must stay what the release says."""
    return release.deployments.filter(started_at__isnull=False).exists()


def _fixed_words(release: Release) -> str:
    return (
        _("A deployment of %s was started, so its GPU part stays as it is. Make a new release for another one.")
        % release
    )


def _note() -> str:
    return _(
        "A release with a GPU part is deployed to graphics cards by the environment's GPU runbooks, and to no host."
    )


def _secrets(release: Release, secret_env: dict[str, str]) -> Iterable[dict[str, Any]]:
    """Each secret variable, and the environments of the project that lack it."""
    environments = dict(release.project.environments.values_list("pk", "name"))
    rows = Variable.objects.filter(environment__in=environments, is_secret=True, name__in=secret_env.values())
    held = set(rows.values_list("name", "environment"))
    return [
        {
            "variable": variable,
            "secret": secret,
            "missing": [name for number, name in environments.items() if (secret, number) not in held],
        }
        for variable, secret in secret_env.items()
    ]
