"""What this plan changes against the last one that ran in the same environment."""

import difflib
from typing import Any

from django.utils.translation import gettext as _

from releases.models import Deployment
from releases.runbooks.diff import diff_plans
from releases.runbooks.plan import PlannedStep
from releases.templatetags.figures import short_digest, size
from releases.views.run_state import local, planned_steps

_KINDS = {"+": "add", "-": "del", "same": "same"}


def last_run(deployment: Deployment) -> Deployment | None:
    """The deployment of the same kind that was started there last, before this one."""
    others = Deployment.objects.filter(
        environment=deployment.environment_id, kind=deployment.kind, started_at__isnull=False
    ).exclude(pk=deployment.pk)
    return others.select_related("plan", "release").order_by("-started_at").first()


def changes(deployment: Deployment, steps: list[PlannedStep]) -> dict[str, Any]:
    """The differing lines, grouped by step, with the counts; `last` is None before the first run."""
    last = last_run(deployment)
    if last is None:
        return {"last": None, "hunks": []}
    hunks = _facts(last, deployment)
    for step in diff_plans(list(planned_steps(last).values()), steps):
        lines = [{"number": n, "kind": _KINDS[kind], "text": str(text)} for n, kind, text in step.lines]
        hunks.append({"title": f"{step.number}. {local(step.title)}", "lines": lines})
    kinds = [line["kind"] for hunk in hunks for line in hunk["lines"]]
    return {"last": last, "hunks": hunks, "added": kinds.count("add"), "removed": kinds.count("del")}


def _facts(last: Deployment, deployment: Deployment) -> list[dict[str, Any]]:
    """What the digest signs beside the steps: release, artifacts, hosts, rules, versions of secrets."""
    before, after = _fact_lines(last.plan.content), _fact_lines(deployment.plan.content)
    lines = [
        {"number": None, "kind": "add" if line[0] == "+" else "del", "text": line[2:]}
        for line in difflib.ndiff(before, after)
        if line[0] in "+-"
    ]
    return [{"title": _("Release, hosts and rules"), "lines": lines}] if lines else []


def _fact_lines(content: dict[str, Any]) -> list[str]:
    release = content["release"]
    lines = [_("release") + f" {release['version']}  {release['commit'][:12]} {release['branch']}"]
    if release["migration"]["name"]:
        lines.append(
            _("migration") + f" {release['migration']['name']}  sha256 {short_digest(release['migration']['sha256'])}"
        )
    lines += [
        _("artifact") + f" {a['name']}  {a['path']}  {size(a['size'])}  sha256 {short_digest(a['sha256'])}"
        for a in release["artifacts"]
    ]
    lines += [
        _("host") + f" {h['name']}  {h['user']}@{h['address']}:{h['port']}  {h['fingerprint']}"
        for h in content["hosts"].values()
    ]
    lines += [f"{name} = {value}" for name, value in content["environment"].items()]
    return lines + [_("secret") + f" {name}  v{version}" for name, version in sorted(content["secrets"].items())]
