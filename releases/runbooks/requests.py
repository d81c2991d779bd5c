"""Steps that ask addresses: what goes with a POST only."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from .source import Path, Source


def check_request(source: Source, path: Path, step: dict[str, Any]) -> None:
    """Add an error for each parameter of an `http_check` that its request would not send."""
    parameters = step.get("parameters")
    if step.get("action") != "http_check" or not isinstance(parameters, dict):
        return
    if parameters.get("method", "GET") != "GET":
        return
    for name in ("body", "content_type"):
        if parameters.get(name):
            mend = _("Add method: POST, or remove %(name)s.")
            source.add((*path, "parameters", name), _("%(name)s is sent by a POST only."), mend, name=name)
