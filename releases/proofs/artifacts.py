"""What was built is there and is what was recorded."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from releases.actions import artifacts
from releases.actions.base import ActionError
from releases.actions.texts import size
from releases.models import Deployment
from releases.proofs.evidence import Evidence, line


def prove(parameters: Mapping[str, Any], deployment: Deployment) -> Evidence:
    """Read every artifact anew and compare its SHA-256 with the recorded one.

    One without a record that a step of this plan makes anew only has to be there (the build succeeded); any other
    is recorded now, so that from here on it can't change unseen.
    """
    names = parameters.get("names") or _sent(deployment)
    if not names:
        return Evidence(
            False, [], _("The release has no artifact, and no step sends one. Add it on the release's page.")
        )
    seen: list[dict[str, str]] = []
    problems, recorded = [], []
    for name in names:
        try:
            recorded += _look(deployment, name, seen)
        except ActionError as error:
            problems.append(str(error))
    if problems:
        return Evidence(False, seen, " ".join(problems))
    if recorded:
        return Evidence(
            True, seen, _("Recorded now: %s. The plan names it once it is made anew.") % ", ".join(recorded)
        )
    return Evidence(True, seen, "")


def _sent(deployment: Deployment) -> list[str]:
    steps = deployment.plan.content["steps"]
    found = [s["parameters"].get("artifact") for s in steps if s["action"] == "upload" and not s["skipped_because"]]
    return list(dict.fromkeys(name for name in found if name))


def _look(deployment: Deployment, name: str, seen: list[dict[str, str]]) -> list[str]:
    """Add what was seen of one artifact; returns its name when it was recorded now. Raises ActionError."""
    row = artifacts.row(deployment, name)
    found = artifacts.read(deployment.release, row.path, row.is_folder)
    seen.append(line(name, f"{row.path}  {size(found.size)}  sha256 {found.sha256}"))
    if row.sha256 and row.sha256 != found.sha256:
        words = {"name": name, "found": found.sha256[:12], "recorded": row.sha256[:12]}
        raise ActionError(
            _("%(name)s is not what was recorded (sha256 %(found)s, recorded %(recorded)s).") % words
            + " "
            + _("Build the release's commit again, or record it anew on the release's page.")
        )
    if row.sha256 or artifacts.produced(deployment, name):
        return []
    artifacts.record(row)
    return [name]
