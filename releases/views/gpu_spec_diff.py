"""What an endpoint is beside another one. Values of variables are never shown, but those that say what the model is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _

from releases.actions.gpu_words import FIELDS
from releases.endpoints import specs
from releases.models import EndpointState, GpuEndpoint

SHOWN: Final = ("image", "model", "served_name", "pools", "excluded_types", "min_cuda", "gpu_count", "disk_gb",
                "min_workers", "max_workers", "idle_timeout", "execution_timeout", "scaling", "scaling_value",
                "flashboot")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One field: its value here and there, and whether they differ."""

    name: str
    here: str
    there: str
    differs: bool


@dataclass(frozen=True)
class Diff:
    """`other` is None where there is nothing to compare with: then it is what the endpoint is."""

    other: GpuEndpoint | None
    rows: list[Row]

    @property
    def changed(self) -> int:
        return sum(row.differs for row in self.rows) if self.other else 0


def other(row: GpuEndpoint, others: Sequence[GpuEndpoint], wanted: str) -> GpuEndpoint | None:
    """The one that was asked for; else the active one, or for the active one the newest that is kept."""
    if wanted:
        return next((each for each in others if str(each.pk) == wanted), None)
    states = (
        (EndpointState.RETAINED, EndpointState.STANDBY)
        if row.state == EndpointState.ACTIVE
        else (EndpointState.ACTIVE,)
    )
    return next((each for each in others if each.state in states), None)


def between(row: GpuEndpoint, there: GpuEndpoint | None) -> Diff:
    """All that is said of either, what differs first."""
    rows = [*_fields(row, there), *_variables(row, there)]
    return Diff(there, sorted(rows, key=lambda entry: not entry.differs) if there else rows)


def _fields(row: GpuEndpoint, there: GpuEndpoint | None) -> list[Row]:
    found = []
    for name in SHOWN:
        here, beside = _text(row.spec.get(name)), _text(there.spec.get(name)) if there else ""
        if here or beside:
            found.append(Row(_label(name), here, beside, there is not None and here != beside))
    return found


def _variables(row: GpuEndpoint, there: GpuEndpoint | None) -> list[Row]:
    here, beside = _env(row), _env(there) if there else {}
    found = []
    for name in sorted(here.keys() | beside.keys()):
        differs = there is not None and here.get(name) != beside.get(name)
        found.append(Row(name, _shown(name, here), _shown(name, beside) if there else "", differs))
    return found


def _env(row: GpuEndpoint) -> dict[str, str]:
    """Each variable; of a secret one which secret it is."""
    secret = {name: f"secret {of}" for name, of in row.spec.get("secret_env", {}).items()}
    return {**row.spec.get("env", {}), **secret}


def _shown(name: str, env: dict[str, str]) -> str:
    if name not in env:
        return _("not set")
    return specs.shown(name, env[name])


def _label(name: str) -> str:
    own = {"model": _("model"), "served_name": _("asked for as"), "scaling_value": _("scaling threshold")}
    return str(own.get(name) or FIELDS.get(name, name))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
