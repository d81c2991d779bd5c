"""The GPU part of a plan as a person reads it: what the endpoint will be, and what it may cost. No secret is in it."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.endpoints import specs

_SCALING: Final = {
    "QUEUE_DELAY": gettext_lazy("another one when a request waited %s s"),
    "REQUEST_COUNT": gettext_lazy("one for %s requests"),
}
Row = tuple[str | Promise, str]


def build(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """The rows of what the plan signs; None for a plan that is about no endpoint."""
    part = content.get("gpu")
    if part is None:
        return None
    if "undoes" in part:
        return {"undoes": part["undoes"], "previous": part["previous"], "rows": _of_spec(part["spec"])}
    rows: list[Row] = [
        (_("Account"), part["account"]["name"]),
        (_("Name"), f"{part['name']}-…"),
        *_of_spec(part["spec"]),
    ]
    return {"before": part["before"], "rows": [*rows, *_budgets(part["policy"])]}


def _of_spec(spec: Mapping[str, Any]) -> list[Row]:
    """What is said of the endpoint itself; one that was taken over may say less."""
    rows: list[Row] = [(_("Image"), spec.get("image", "")), (_("Model"), spec.get("model", ""))]
    if spec.get("served_name") != spec.get("model"):
        rows.append((_("Asked for as"), spec.get("served_name", "")))
    if spec.get("pools"):
        without = _(", without %s") % ", ".join(spec["excluded_types"]) if spec.get("excluded_types") else ""
        cuda = f" · CUDA {spec['min_cuda']}" if spec.get("min_cuda") else ""
        rows.append((_("Cards"), f"{spec.get('gpu_count', 1)} × {', '.join(spec['pools'])}{without}{cuda}"))
        rows.append((_("Workers"), _workers(spec)))
    env = spec.get("env", {})
    rows += [(name, specs.shown(name, env[name])) for name in sorted(env)]
    return [row for row in [*rows, *((name, specs.HIDDEN) for name in sorted(spec.get("secret_env", {})))] if row[1]]


def _workers(spec: Mapping[str, Any]) -> str:
    scaling = str(_SCALING[spec["scaling"]]) % f"{spec['scaling_value']:g}"
    idle = _("idle for %s s") % spec["idle_timeout"]
    request = _("a request at most %s s") % spec["execution_timeout"]
    return f"{spec['min_workers']}-{spec['max_workers']} · {scaling} · {idle} · {request}"


def _budgets(policy: Mapping[str, Any]) -> list[Row]:
    names = {
        "budget_deployment": _("of the deployment"),
        "budget_day": _("of a day"),
        "budget_month": _("of a month"),
    }
    said = [f"{policy[name]} USD {word}" for name, word in names.items() if policy[name]]
    return [(_("Budget"), " · ".join(said) or _("none"))]
