"""What a deployment's page asks for while it is open: the event stream, log lines, raw logs, files."""

import base64
import time
from functools import partial
from urllib.parse import quote

from django.contrib.auth import get_user
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from releases import lifecycle, permissions
from releases.logs import store, stream
from releases.models import Attempt, AttemptFile, Deployment, User
from releases.permissions import Need, member_required, signed_in
from releases.views.permits import Page, still_allowed

MOST_LINES = 5000


@require_GET
async def events(request: HttpRequest, number: int) -> HttpResponseBase:
    """The one event stream of a deployment's page. 401 without a session, 404 without a right to see it."""
    # In a bounded pool of threads: five hundred pages that reconnect at once must not open as many connections.
    user = await store.in_thread(get_user, request)
    if not isinstance(user, User):
        return HttpResponse(_("Log in again."), status=401, content_type="text/plain; charset=utf-8")
    deployment = await store.in_thread(_visible, user, number)
    viewer = stream.Viewer(user.pk, str(user), str(user.get_role_display()), time.time())

    page = Page(request.session.session_key, user.pk, deployment.pk)
    body = stream.events(deployment.pk, stream.requested_cursor(request), partial(still_allowed, page), viewer)
    return stream.event_stream_response(body)


def _visible(user: User, number: int) -> Deployment:
    return permissions.get(Deployment, user, Need.VIEW, pk=number)


def _attempt(request: HttpRequest, number: int) -> Attempt:
    return permissions.get(Attempt, signed_in(request), Need.VIEW, "step__deployment", pk=number)


@require_GET
@member_required
def log_lines(request: HttpRequest, number: int) -> HttpResponse:
    """Lines `from_line` (from 1), at most `lines`, of an attempt's log. Without from_line: the last ones."""
    attempt = _attempt(request, number)
    try:
        count = min(max(int(request.GET.get("lines", 500)), 1), MOST_LINES)
        first = int(request.GET["from_line"]) if "from_line" in request.GET else None
    except ValueError:
        return JsonResponse({"message": _("from_line and lines: give whole numbers.")}, status=400)
    size, total = store.size_and_lines(attempt.pk)
    found = store.tail_lines(attempt.pk, count) if first is None else store.lines(attempt.pk, max(first, 1), count)
    return JsonResponse(
        {
            "lines": [_line_out(line) for line in found],
            "total_lines": total,
            "size": size,
            "complete": attempt.status in lifecycle.ATTEMPT_FINISHED,
        }
    )


def _line_out(line: store.Line) -> dict[str, object]:
    return {
        "n": line.number,
        "at": line.at.isoformat(),
        "data": base64.b64encode(line.data).decode(),
        "offset": line.offset,
        "cut": line.is_cut,
    }


@require_GET
@member_required
def log_raw(request: HttpRequest, number: int) -> HttpResponseBase:
    """The whole log as it was stored, secrets masked, also while it still grows."""
    attempt = _attempt(request, number)
    return StreamingHttpResponse(
        store.download(attempt.pk),
        content_type="text/plain; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="attempt-{attempt.pk}.log"',
            "X-Content-Type-Options": "nosniff",
        },
    )


@require_GET
@member_required
def attempt_file(request: HttpRequest, number: int) -> HttpResponse:
    """A file that a person gave with a manual step; always as a download."""
    found = permissions.get(AttemptFile, signed_in(request), Need.VIEW, pk=number)
    answer = HttpResponse(bytes(found.data), content_type="application/octet-stream")
    answer["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(found.name, safe='')}"
    return answer
