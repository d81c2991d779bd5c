"""The routes about costs and headroom."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema

from releases import permissions
from releases.insights import headroom
from releases.insights.capacity_seen import seen_of
from releases.models import Host, Project
from releases.permissions import Need, signed_in
from releases.views.costs import context_of

router = Router()


class CostLineOut(Schema):
    """One thing that is paid for. `amount` is null where a day of the month has no price."""

    name: str
    kind: str
    environment: str | None
    amount: Decimal | None
    currency: str


class CostsOut(Schema):
    """What the current month comes to by plan: by currency, not rounded, nothing converted."""

    month: str
    totals: dict[str, Decimal]
    without_gpu: dict[str, Decimal]
    gpu_billed_usd: Decimal | None
    is_whole: bool
    lines: list[CostLineOut]


class RuleOut(Schema):
    """One rule about headroom: ok, close, over, unknown, or none where it does not apply.

    The figure is in `percent`, that of the rule about response times in `milliseconds`; the other is null.
    """

    code: str
    state: str
    percent: float | None
    milliseconds: float | None
    at: datetime | None
    evidence: str
    next_step: str


@router.get("/projects/{number}/costs", response=CostsOut)
def project_costs(request: HttpRequest, number: int) -> dict[str, Any]:
    """The costs of this month of one project."""
    project = permissions.get(Project, signed_in(request), Need.VIEW, pk=number)
    found = context_of(project)
    month = found["month"]
    lines = [
        {
            "name": line.item.name,
            "kind": line.item.kind,
            "environment": line.item.environment.key if line.item.environment else None,
            "amount": line.amount,
            "currency": line.currency,
        }
        for line in found["lines"]
    ]
    return {
        "month": f"{month.first:%Y-%m}",
        "totals": month.sums,
        "without_gpu": month.without_gpu,
        "gpu_billed_usd": found["gpu_months"][0]["billed"],
        "is_whole": not month.unpriced,
        "lines": lines,
    }


@router.get("/hosts/{number}/headroom", response=list[RuleOut])
def host_headroom(request: HttpRequest, number: int) -> list[dict[str, Any]]:
    """How the rules about headroom stand on one host."""
    host = permissions.get(Host, signed_in(request), Need.VIEW, "environment__project", "watch", pk=number)
    return [
        {
            "code": rule.code,
            "state": rule.state,
            "percent": rule.value if rule.unit == headroom.PERCENT else None,
            "milliseconds": rule.value if rule.unit == headroom.MILLISECONDS else None,
            "at": rule.at,
            "evidence": rule.evidence,
            "next_step": rule.next_step,
        }
        for rule in headroom.rules(seen_of([host], timezone.now())[host.pk])
    ]
