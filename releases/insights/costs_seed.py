"""The shipped figures of the seed as rows that are not saved yet."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import yaml

from releases.models import Component, CostItem, CostScenario, Host, Price, Project, TrafficEstimate

FILE: Final = Path(__file__).parent / "seed" / "costs.yaml"
INSTANCE: Final = "t4g.xlarge"


def _read() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


def prices(project: Project) -> list[Price]:
    """The price table."""
    data = _read()
    return [_price(project, dict(row), data["seed"]) for row in data["prices"]]


def _price(project: Project, row: dict[str, Any], source: str) -> Price:
    derived = row.pop("derived", "")
    row["amount"] = Decimal(row["amount"])
    row["memory_gb"] = Decimal(row["memory_gb"]) if "memory_gb" in row else None
    return Price(project=project, source=f"{source}: {derived}" if derived else source, **row)


def items(project: Project, starts_on: date) -> list[CostItem]:
    """What is paid for, from a day on."""
    return [
        CostItem(
            project=project,
            kind=row["kind"],
            name=row["name"],
            quantity=Decimal(row["quantity"]),
            price_key=row.get("price", ""),
            own_amount=Decimal(row["amount"]) if "amount" in row else None,
            own_unit=row.get("unit", ""),
            starts_on=starts_on,
            note=row.get("note", ""),
        )
        for row in _read()["items"]
    ]


def traffic(project: Project) -> list[TrafficEstimate]:
    """The traffic that was assumed."""
    data = _read()
    return [TrafficEstimate(project=project, source=data["seed"], **row) for row in data["traffic"]]


def scenarios(project: Project) -> list[CostScenario]:
    """The alternatives that were looked at."""
    return list(_scenarios(project))


def _scenarios(project: Project) -> Iterator[CostScenario]:
    for group in _read()["scenarios"]:
        for row in group["rows"]:
            yield CostScenario(
                project=project,
                basis=group["basis"],
                name_ko=row["name"]["ko"],
                name_en=row["name"]["en"],
                low=Decimal(row["low"]),
                high=Decimal(row["high"]) if "high" in row else None,
                why_ko=row["why"]["ko"],
                why_en=row["why"]["en"],
                is_chosen=row.get("chosen", False),
                source=group["source"],
                as_of=group["as_of"],
            )


def components(host: Host, language: str) -> list[Component]:
    """The plan of one host: what each part of the software was reckoned to take."""
    found = []
    for position, row in enumerate(_read()["components"]):
        values = dict(row)
        note = values.pop("note", {}).get("ko" if language.startswith("ko") else "en", "")
        found.append(Component(host=host, position=position, note=note, **values))
    return found
