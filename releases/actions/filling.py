"""The values of a plan's placeholders, for texts that are filled in after the plan was made."""

from collections.abc import Mapping
from typing import Any

from releases.models import Host
from releases.runbooks.placeholders import substitute


def values(content: Mapping[str, Any], host: Host | None) -> dict[str, str]:
    """Every placeholder that is not secret, as the plan's steps on that host (None: the controller) have it."""
    totals = content["totals"]
    found = {
        "estimate_minutes": str(-(-totals["estimate"] // 60)),
        "downtime_minutes": str(-(-totals["downtime"] // 60)),
        **content["values"],
    }
    if host is not None:
        found |= {"server": host.address, "user": host.user}
    return {name: value for name, value in found.items() if name not in content["secrets"]}


def fill(text: str, content: Mapping[str, Any], host: Host | None) -> str:
    """The text with its placeholders filled in. Raises PlaceholderError."""
    return substitute(text, values(content, host), content["secrets"])
