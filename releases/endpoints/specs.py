"""What an endpoint shall be: from the release's row to the plain values that a plan signs, and on to the provider."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from releases.gpu.nouns import EndpointSpec, FlashBoot, Scaling, ScalingKind
from releases.gpu.policy import Policy
from releases.models import GpuSettings, GpuSpec

Plain = Mapping[str, Any]
NUMBERS: Final = ("gpu_count", "disk_gb", "min_workers", "max_workers", "idle_timeout", "execution_timeout")
RESERVED: Final = frozenset(
    {
        "MODEL_NAME",
        "MODEL_REVISION",
        "OPENAI_SERVED_MODEL_NAME_OVERRIDE",
        "MAX_MODEL_LEN",
        "GPU_MEMORY_UTILIZATION",
        "RUNPOD_INIT_TIMEOUT",
    }
)  # variables that a release's own fields set

HIDDEN: Final = "••••••••"  # in place of a value on pages and in logs


def shown(name: str, value: str) -> str:
    """What people see of a variable: values of those that say what the model is, of others only that there is one."""
    return value if name in RESERVED and value else HIDDEN


def written(spec: GpuSpec) -> dict[str, Any]:
    """The spec as plain values. Holds names of secrets, never a value."""
    return {
        "method": spec.method,
        "image": spec.image,
        "model": spec.model,
        "served_name": spec.asked_for,
        "pools": sorted(spec.pools),
        "excluded_types": sorted(spec.excluded_types),
        "min_cuda": spec.min_cuda,
        **{name: getattr(spec, name) for name in NUMBERS},
        "scaling": spec.scaling,
        "scaling_value": float(spec.scaling_value),
        "flashboot": spec.flashboot,
        "env": env_of(spec),
        "secret_env": dict(sorted(spec.secret_env.items())),
    }


def env_of(spec: GpuSpec) -> dict[str, str]:
    """The variables that are no secrets."""
    own = {
        "MODEL_NAME": spec.model,
        "OPENAI_SERVED_MODEL_NAME_OVERRIDE": spec.asked_for,
        "MODEL_REVISION": spec.revision,
        "MAX_MODEL_LEN": str(spec.max_model_len or ""),
        "GPU_MEMORY_UTILIZATION": str(spec.gpu_memory_utilization or ""),
        "RUNPOD_INIT_TIMEOUT": str(spec.init_timeout),
    }
    given = {**spec.env, **{name: value for name, value in own.items() if value}}
    return {name: str(given[name]) for name in sorted(given)}


def endpoint_spec(plain: Plain, prefix: str, secrets: Mapping[str, str]) -> EndpointSpec:
    """What the provider is told. `secrets`: value by the names that `secret_env` uses. Raises KeyError."""
    hidden = {name: secrets[secret] for name, secret in plain["secret_env"].items()}
    return EndpointSpec(
        name=prefix,
        image=plain["image"],
        env={**plain["env"], **hidden},
        pools=tuple(plain["pools"]),
        excluded_types=tuple(plain["excluded_types"]),
        min_cuda=plain["min_cuda"],
        scaling=Scaling(ScalingKind(plain["scaling"]), plain["scaling_value"]),
        flashboot=FlashBoot(plain["flashboot"]),
        **{name: plain[name] for name in NUMBERS},
    )


def without_secrets(plain: Plain, prefix: str) -> EndpointSpec:
    """The same with "" for each secret, for what only looks at rules and prices."""
    return endpoint_spec(plain, prefix, dict.fromkeys(plain["secret_env"].values(), ""))


def policy_written(rules: GpuSettings) -> dict[str, Any]:
    """What the environment allows, as plain values; USD as texts."""
    return {
        "max_workers": rules.max_workers,
        "idle_timeout": rules.idle_timeout,
        "execution_timeout": rules.execution_timeout,
        "pools": sorted(rules.pools),
        "allow_always_on": rules.allow_always_on,
        **{name: _text(getattr(rules, name)) for name in ("budget_deployment", "budget_day", "budget_month")},
        "retained_days": rules.retained_days,
    }


def policy_of(plain: Plain) -> Policy:
    """The same as the provider-side checks take it."""
    return Policy(
        max_workers=plain["max_workers"],
        idle_timeout=plain["idle_timeout"],
        execution_timeout=plain["execution_timeout"],
        pools=frozenset(plain["pools"]),
        budget_per_day=Decimal(plain["budget_day"]) if plain["budget_day"] else None,
        allow_always_on=plain["allow_always_on"],
    )


def _text(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:.2f}"
