"""Rules that RunPod's description states in words only, and how a request becomes an endpoint's settings."""

import copy
from typing import Any

from . import catalog

DEFAULTS = {"dataCenterIds": [], "networkVolumes": [], "timeout": 300000, "flashboot": "OFF", "disk": 20, "env": {}}
WORKERS = {"min": 0, "max": 3, "idleTimeout": 10}


class RuleBroken(Exception):
    """The request is refused with 400 and this text."""


def created(body: dict[str, Any]) -> dict[str, Any]:
    """Complete settings of a new endpoint. Raises RuleBroken."""
    if ("gpu" in body) == ("cpu" in body):
        raise RuleBroken("exactly one of gpu and cpu is required")
    settings = {**copy.deepcopy(DEFAULTS), **copy.deepcopy(body)}
    by_count = _scales_by_count(settings)
    if by_count and "idleTimeout" in body.get("workers", {}):
        raise RuleBroken("workers.idleTimeout does not apply to queue-based endpoints that scale on requestCount")
    settings["workers"] = {**WORKERS, **settings.get("workers", {})}
    if by_count:
        del settings["workers"]["idleTimeout"]
    if "gpu" in body:
        gpu = {"count": 1, "allowedCudaVersions": [], "minCudaVersion": None, **settings["gpu"]}
        settings["gpu"] = _trimmed(gpu)
        _check_gpu(settings["gpu"])
    else:
        settings["gpu"] = None
        settings["cpu"] = _with_memory(settings["cpu"])
    _check_workers(settings)
    return settings


def changed(old: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Settings after a PATCH: what the body leaves out stays, `env` is replaced. Raises RuleBroken."""
    _check_family(old, body)
    settings = {**copy.deepcopy(old), **{k: copy.deepcopy(v) for k, v in body.items() if k not in ("gpu", "workers")}}
    settings["workers"] = {**settings["workers"], **body.get("workers", {})}
    if _scales_by_count(settings):
        if "idleTimeout" in body.get("workers", {}):
            raise RuleBroken("workers.idleTimeout does not apply to queue-based endpoints that scale on requestCount")
        settings["workers"].pop("idleTimeout", None)
    else:
        settings["workers"].setdefault("idleTimeout", WORKERS["idleTimeout"])
    if "gpu" in body:
        settings["gpu"] = _changed_gpu(old["gpu"], body["gpu"])
        _check_gpu(settings["gpu"])
    if "cpu" in body:
        settings["cpu"] = _with_memory(settings["cpu"])
    _check_workers(settings)
    return settings


def _check_family(old: dict[str, Any], body: dict[str, Any]) -> None:
    if "gpu" in body and "cpu" in body:
        raise RuleBroken("gpu and cpu cannot both be given")
    if ("gpu" in body and old["gpu"] is None) or ("cpu" in body and old["gpu"] is not None):
        raise RuleBroken("the compute family of an endpoint cannot be changed")


def _changed_gpu(old: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """New pools without exclusions clear the old exclusions: the two are one selection."""
    gpu = {**old, **body}
    if "pools" in body and "excludedTypes" not in body:
        gpu.pop("excludedTypes", None)
    gpu["minCudaVersion"] = gpu["minCudaVersion"] or None
    return _trimmed(gpu)


def _trimmed(gpu: dict[str, Any]) -> dict[str, Any]:
    if "excludedTypes" in gpu:
        gpu["excludedTypes"] = [card.strip() for card in gpu["excludedTypes"]]
    return gpu


def _check_gpu(gpu: dict[str, Any]) -> None:
    if gpu["allowedCudaVersions"] and gpu["minCudaVersion"]:
        raise RuleBroken("gpu.allowedCudaVersions and gpu.minCudaVersion are mutually exclusive")
    known = catalog.pools()
    for pool in gpu["pools"]:
        if pool not in known:
            raise RuleBroken(f"gpu.pools: unknown pool {pool}")
    offered = [card for pool in gpu["pools"] for card in known[pool]]
    for card in gpu.get("excludedTypes", []):
        if card not in offered:
            raise RuleBroken(f"gpu.excludedTypes: {card} is not a GPU type in one of the pools")
    if not catalog.eligible(gpu):
        raise RuleBroken("gpu.excludedTypes leaves no GPU type in the selected pools")


def _check_workers(settings: dict[str, Any]) -> None:
    if settings["workers"]["min"] > settings["workers"]["max"]:
        raise RuleBroken("workers.min must not exceed workers.max")
    if settings["type"] == "LOAD_BALANCER" and settings["scaling"]["type"] == "QUEUE_DELAY":
        raise RuleBroken("scaling.type QUEUE_DELAY applies to queue-based endpoints only")


def _scales_by_count(settings: dict[str, Any]) -> bool:
    return bool(settings["type"] == "QUEUE" and settings["scaling"]["type"] == "REQUEST_COUNT")


def _with_memory(cpus: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Memory follows from the flavour; each has 2 GB per virtual CPU here."""
    return [{**cpu, "memory": 2 * cpu["vcpuCount"]} for cpu in cpus]


def quota_error(used: int, quota: int) -> str | None:
    """The platform's own text, if workers.max of all endpoints sum up to more than the quota."""
    if used <= quota:
        return None
    return f"Max workers across all endpoints must not exceed your workers quota ({quota})"
