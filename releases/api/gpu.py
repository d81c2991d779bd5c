"""The routes about GPU endpoints."""

from typing import Any

from django.http import HttpRequest
from ninja import Router
from ninja.pagination import LimitOffsetPagination, paginate

from releases import permissions
from releases.api import schemas
from releases.models import GpuEndpoint, GpuProof
from releases.permissions import Need, signed_in

router = Router()
PARTS = ("environment__project", "account", "release", "previous")


@router.get("/gpu-endpoints", response=list[schemas.GpuEndpointOut])
@paginate(LimitOffsetPagination)
def endpoints(request: HttpRequest) -> Any:
    """The GPU endpoints of your projects, newest first, retired ones, too."""
    rows = permissions.visible(GpuEndpoint, signed_in(request)).select_related(*PARTS).order_by("-pk")
    return [endpoint_out(row) for row in rows]


@router.get("/gpu-endpoints/{number}", response=schemas.GpuEndpointDetailOut)
def endpoint(request: HttpRequest, number: int) -> Any:
    """One endpoint with what was last seen of it and its last proofs."""
    row = permissions.get(GpuEndpoint, signed_in(request), Need.VIEW, *PARTS, pk=number)
    proofs = GpuProof.objects.filter(endpoint=row).order_by("-at")[:10]
    return {**endpoint_out(row), "seen": row.seen, "proofs": list(proofs.values(*schemas.PROOF_FIELDS))}


def endpoint_out(row: GpuEndpoint) -> dict[str, Any]:
    """The row alone; no variable of the endpoint is in it."""
    return {
        "id": row.pk,
        "environment": row.environment.key,
        "account": row.account.name,
        "provider": row.account.provider,
        "release": row.release.version if row.release else None,
        "deployment": row.deployment_id,
        "previous": row.previous_id,
        "ref": row.ref,
        "name": row.name,
        "state": row.state,
        "problem": row.problem,
        "model": row.spec.get("model", ""),
        "image": row.spec.get("image", ""),
        "max_workers": row.max_workers,
        "price": row.price,
        "cost": row.cost,
        "billed": row.billed,
        "stopped_at": row.stopped_at,
        "retained_until": row.retained_until,
        "watched_at": row.watched_at,
        "created_at": row.created_at,
    }
