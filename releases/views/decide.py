"""While it runs or after it stopped: cancel, retry, skip, confirm, look, resolve."""

import hashlib

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from releases import permissions
from releases.engine import decide, looking
from releases.engine.errors import Conflict, EngineError
from releases.models import AttemptFile, Deployment, Step
from releases.permissions import Need, actor, signed_in
from releases.views.answers import back_to, verb
from releases.views.secret_fields import free_text

LARGEST_FILE = 5 * 1024 * 1024  # bytes, of a file given with a manual step


RESOLVED = {"run_again": "again", "succeeded": "worked", "failed": "failed"}
CONFIRMED = {"confirmed": True, "failed": False}


def _step(request: HttpRequest, number: int) -> Step:
    """The step, if its newest attempt is still the one that the person looked at (the form's `version`)."""
    step = permissions.get(Step, signed_in(request), Need.OPERATE, "deployment__environment", pk=number)
    seen, newest = request.POST.get("version", ""), step.attempts.order_by("-number").first()
    if seen and (newest is None or seen != str(newest.pk)):
        raise Conflict(_("It changed a moment ago; look at the page again and decide anew."))
    return step


def _reason(request: HttpRequest, step: Step) -> str:
    return free_text(request, step, "reason", 500)


@verb
def cancel(request: HttpRequest, number: int) -> HttpResponse:
    """End a running deployment, or put a draft away."""
    deployment = permissions.get(Deployment, signed_in(request), Need.OPERATE, "environment", pk=number)
    decide.cancel(deployment, actor(request))
    return back_to(deployment)


@verb
def retry(request: HttpRequest, number: int) -> HttpResponse:
    """Try a stopped step again."""
    step = _step(request, number)
    decide.retry(step, actor(request), _reason(request, step))
    return back_to(step.deployment)


@verb
def skip(request: HttpRequest, number: int) -> HttpResponse:
    """Leave a stopped step out, for a reason."""
    step = _step(request, number)
    decide.skip(step, actor(request), _reason(request, step))
    return back_to(step.deployment)


@verb
def confirm(request: HttpRequest, number: int) -> HttpResponse:
    """Answer a manual step, with a note and perhaps a file."""
    step = _step(request, number)
    outcome = CONFIRMED.get(request.POST.get("outcome", ""))
    if outcome is None:
        raise EngineError(_("Outcome: say whether it is done or failed."))
    given = request.FILES.get("file")
    files = [_attached(given)] if given else []
    note = free_text(request, step, "note", 2000)
    decide.confirm(step, actor(request), outcome, note, files)
    return back_to(step.deployment)


@verb
def resolve(request: HttpRequest, number: int) -> HttpResponse:
    """Say how an unknown step ended."""
    step = _step(request, number)
    answer = RESOLVED.get(request.POST.get("decision", ""), "")
    decide.resolve(step, actor(request), answer, _reason(request, step))
    return back_to(step.deployment)


@verb
def look(request: HttpRequest, number: int) -> HttpResponse:
    """Have a worker run the probe command of an unknown step; the page's stream brings what it shows."""
    step = _step(request, number)
    looking.ask(step, signed_in(request), actor(request))
    return HttpResponse(status=204) if "HX-Request" in request.headers else back_to(step.deployment)


def _attached(given: UploadedFile[bytes]) -> AttemptFile:
    if (given.size or 0) > LARGEST_FILE:
        raise EngineError(_("File: it is larger than 5 MB; give a smaller one."))
    data = given.read()
    return AttemptFile(
        name=(given.name or "file")[:200],
        content_type=(given.content_type or "application/octet-stream")[:100],
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        data=data,
    )
