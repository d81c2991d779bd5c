"""Which releases of a project's services work together: what was seen, and what people said. Rows only."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from releases import audit, lifecycle
from releases.actions.restorable import RESTORING
from releases.audit import Actor
from releases.models import Compatibility, Deployment, Release, Service, User
from releases.way_back import WayBack

# A service of these kinds is another one with a release only where that release says so.
_UNCHANGED = {Service.Kind.DATABASE: "schema_changed", Service.Kind.PROXY: "nginx_changed"}


@dataclass(frozen=True)
class Part:
    """A service at a release."""

    service: Service
    release: Release

    def __str__(self) -> str:
        return f"{self.service} {self.release}"


@dataclass(frozen=True)
class Pair:
    """Two services side by side. `works`: None where nothing is known. `known`: the row that says it."""

    one: Part
    other: Part
    works: bool | None
    known: Compatibility | None = None
    stopped: int | None = None  # the deployment that stopped half way, so that nobody knows what the other runs


def beside(way: WayBack) -> list[Pair]:
    """The pairs that would run together after a rollback of one service: it as it was, each other one as it is now.

    A database whose schema, or a proxy whose configuration, none of the undone releases changed is the same in both.
    Where Cloud Wiki does not know what ran before, nothing can be known of it either, nor where a deployment or a
    rollback stopped half way since. A fixed number of queries.
    """
    service, to = way.service, way.target()
    if service is None or to is None:
        return []
    undone = [deployment.plan.content["release"] for deployment in way.together()]
    changed = {kind for kind, fact in _UNCHANGED.items() if any(content[fact] for content in undone)}
    own, back, said = Part(service, to), _put_back(way.undoes), _said_of(service, to)
    stopped = _stopped(way.undoes)
    found = []
    for other in service.project.services.exclude(pk=service.pk):
        if other.kind in _UNCHANGED and other.kind not in changed:
            continue
        part = Part(other, back.get(other.pk, way.undoes.release))
        half = stopped.get(other.pk) or stopped.get(None)
        row = None if half else said.get((other.pk, part.release.pk))
        found.append(Pair(own, part, row.works if row else None, row, half))
    return found


def broken(way: WayBack) -> str:
    """A sentence that names a pair that is known not to work and would run together; empty where there is none."""
    for pair in beside(way):
        if pair.works is False:
            words = {"one": pair.one, "other": pair.other, "why": pair.known.reason if pair.known else ""}
            return (_("%(one)s and %(other)s are known not to work together. %(why)s") % words).strip()
    return ""


def see(rollback: Deployment) -> None:
    """Keep what a partial rollback that succeeded has shown to run together; a person's word stands above it."""
    way = WayBack.of(rollback)
    if way is None or _left_out(rollback):
        return
    for pair in beside(way):
        if pair.stopped:
            continue
        values = {"works": True, "deployment": rollback, "decided_at": timezone.now()}
        Compatibility.objects.get_or_create(
            **_key(pair.one, pair.other), defaults={"project": pair.one.service.project, **values}
        )


def decide(one: Part, other: Part, works: bool | None, reason: str, user: User, actor: Actor) -> None:
    """Put a person's word on record; `works` None takes back what is there."""
    with transaction.atomic():
        project = one.service.project
        if works is None:
            Compatibility.objects.filter(**_key(one, other)).delete()
        else:
            Compatibility.objects.update_or_create(
                **_key(one, other),
                defaults={
                    "project": project,
                    "works": works,
                    "reason": reason,
                    "deployment": None,
                    "decided_by": user,
                    "decided_at": timezone.now(),
                },
            )
        audit.record(actor, "compatibility.set", project, pair=f"{one} + {other}", works=works, reason=reason)


def matrix(one: Service, other: Service, releases: list[Release]) -> dict[tuple[int, int], Compatibility]:
    """What is on record of the two at these releases, by the number of one's release and of the other's."""
    first, second = sorted((one, other), key=lambda service: service.pk)
    rows = Compatibility.objects.filter(
        first_service=first, second_service=second, first_release__in=releases, second_release__in=releases
    ).select_related("decided_by", "deployment")
    if first == one:
        return {(row.first_release_id, row.second_release_id): row for row in rows}
    return {(row.second_release_id, row.first_release_id): row for row in rows}


def _put_back(undoes: Deployment) -> dict[int, Release]:
    """By service the release that a partial rollback put back while the deployment stands."""
    rows = undoes.rollbacks.filter(status=lifecycle.SUCCEEDED, only_service__isnull=False).select_related("release")
    return {row.only_service_id: row.release for row in rows.order_by("started_at") if row.only_service_id}


def _stopped(undoes: Deployment) -> dict[int | None, int]:
    """What stopped half way, by service (None: all of them), unless a success of the same came after it."""
    found: dict[int | None, int] = {}
    if undoes.status != lifecycle.SUCCEEDED:
        found[None] = undoes.pk
    for row in undoes.rollbacks.filter(started_at__isnull=False).order_by("started_at"):
        if row.status in lifecycle.STOPPED:
            found[row.only_service_id] = row.pk
        elif row.status == lifecycle.SUCCEEDED:
            found.pop(row.only_service_id, None)
    return found


def _left_out(rollback: Deployment) -> bool:
    """Whether a person skipped a step that puts something back, so that nothing was shown by its success."""
    planned = [step for step in rollback.plan.content["steps"] if not step["skipped_because"]]
    keys = [step["key"] for step in planned if step["action"] in RESTORING]
    return rollback.steps.filter(key__in=keys, status=lifecycle.SKIPPED).exists()


def _said_of(service: Service, release: Release) -> dict[tuple[int, int], Compatibility]:
    """What is on record of a service at a release, by the other service and its release."""
    rows = Compatibility.objects.select_related("decided_by", "deployment")
    first = rows.filter(first_service=service, first_release=release)
    second = rows.filter(second_service=service, second_release=release)
    return {(row.second_service_id, row.second_release_id): row for row in first} | {
        (row.first_service_id, row.first_release_id): row for row in second
    }


def _key(one: Part, other: Part) -> dict[str, Any]:
    first, second = sorted((one, other), key=lambda part: part.service.pk)
    return {
        "first_service": first.service,
        "first_release": first.release,
        "second_service": second.service,
        "second_release": second.release,
    }
