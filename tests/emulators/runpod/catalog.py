"""The graphics cards on offer: real names, pools and prices of mid-2026, in USD per hour."""

from typing import Any

DATA_CENTER = "US-TX-3"
# id, short name, pool, memory in GB, price of a pod, price of a serverless worker
_CARDS = [
    ("NVIDIA L4", "L4", "AMPERE_24", 24, 0.39, 0.684),
    ("NVIDIA RTX A5000", "RTX A5000", "AMPERE_24", 24, 0.27, 0.684),
    ("NVIDIA GeForce RTX 3090", "RTX 3090", "AMPERE_24", 24, 0.46, 0.684),
    ("NVIDIA GeForce RTX 4090", "RTX 4090", "ADA_24", 24, 0.69, 1.116),
    ("NVIDIA A100 80GB PCIe", "A100 PCIe", "AMPERE_80", 80, 1.39, 2.736),
    ("NVIDIA GeForce RTX 3070", "RTX 3070", None, 8, 0.13, None),
]
PRICES = {card: price for card, _, _, _, _, price in _CARDS if price is not None}
CPU_PRICE = 0.1


def pools() -> dict[str, list[str]]:
    """Cards by the pool they are in."""
    found: dict[str, list[str]] = {}
    for card, _, pool, _, _, _ in _CARDS:
        if pool:
            found.setdefault(pool, []).append(card)
    return found


def eligible(gpu: dict[str, Any]) -> list[str]:
    """Cards that a worker with this `gpu` setting may run on."""
    excluded = gpu.get("excludedTypes", [])
    return [card for pool in gpu["pools"] for card in pools().get(pool, []) if card not in excluded]


def gpu_types(with_availability: bool, empty: bool) -> list[dict[str, Any]]:
    """The catalogue as the API shows it. `empty`: nothing is in stock."""
    return [_shown(card, with_availability, empty) for card in _CARDS]


def _shown(card: tuple[Any, ...], with_availability: bool, empty: bool) -> dict[str, Any]:
    identifier, name, pool, memory, pod_price, price = card
    shown: dict[str, Any] = {
        "id": identifier,
        "name": name,
        "pool": pool,
        "manufacturer": "NVIDIA",
        "memory": memory,
        "secure": True,
        "community": False,
        "price": {"secure": pod_price, "community": pod_price},
        "maxCount": {"secure": 8, "community": 0},
    }
    if price is not None:
        shown["price"]["serverless"] = price
    if with_availability:
        level = "NONE" if empty or pool is None else "HIGH"
        shown["availability"] = level
        if level != "NONE":
            shown["dataCenters"] = [{"id": DATA_CENTER, "name": "US Texas 3", "availability": level}]
        shown["cudaVersions"] = [{"version": version, "available": level != "NONE"} for version in ("12.8", "13.0")]
    return shown
