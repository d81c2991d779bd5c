"""One deployment's page: which of its two faces it shows, and what the live connection needs."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _

from releases import permissions
from releases.engine import clock
from releases.logs import snapshot
from releases.models import Deployment
from releases.permissions import Need, signed_in
from releases.views import plan_context, run_context, run_state

JOINED = (
    "environment__project",
    "environment__lock__holder",
    "release__project",
    "plan",
    "requested_by",
    "started_by",
    "cancelled_by",
    "only_service",
)


def build(request: HttpRequest, number: int) -> dict[str, Any]:
    """The context of the page, whole or its live part. Raises Http404 for people outside the project."""
    user = signed_in(request)
    # The cursor first: whatever is read after it is at least as new, so the stream misses nothing.
    cursor = snapshot.cursor(number)
    deployment = permissions.get(Deployment, user, Need.VIEW, *JOINED, pk=number)
    project, now = deployment.environment.project_id, clock.now()
    may_operate = permissions.may(user, Need.OPERATE, project)
    if deployment.started_at is None:
        reader = plan_context.Reader(user, may_operate, permissions.may(user, Need.APPROVE, project))
        face = plan_context.build(deployment, now, reader)
        face["favicon"] = static(f"favicon/{face['favicon_state']}.svg")
    else:
        face = run_context.build(run_state.load(deployment, now, may_operate))
    is_over = snapshot.is_over(number, deployment.status, deployment.finished_at)
    return {
        "deployment": deployment,
        "environment": deployment.environment,
        "zone": deployment.environment,
        "plan_name": f"sha256:{deployment.plan.digest}",
        "section": "deployments",
        "stream_url": "" if is_over else reverse("releases:events", args=[number]),
        "live_url": reverse("releases:live", args=[number]),
        "cursor": cursor,
        "now_ms": round(now.timestamp() * 1000),
        "dialogs": _dialogs(deployment) if may_operate and not deployment.is_finished else [],
        **face,
        "plain_title": face["title"].replace(" {downtime}", ""),
    }


def _dialogs(deployment: Deployment) -> list[dict[str, Any]]:
    """The questions before an act. Both are there: a draft that starts turns into a run without a reload."""
    url = reverse("releases:cancel", args=[deployment.pk])
    name = {"release": deployment.release, "environment": deployment.environment}
    return [
        {
            "id": "ask-cancel",
            "title": _("Cancel the deployment?"),
            "text": _(
                "The steps that run are ended on their machines and nothing more is started. %(environment)s stays"
                " as it is then; %(release)s may be there in part."
            )
            % name,
            "url": url,
            "label": _("Cancel the deployment"),
            "icon": "ban",
            "kind": "danger",
        },
        {
            "id": "ask-put-away",
            "title": _("Put the draft away?"),
            "text": _("It stays in the history and can't be started any more. Nothing has run."),
            "url": url,
            "label": _("Put it away"),
            "icon": "trash-2",
            "kind": "stop",
        },
    ]
