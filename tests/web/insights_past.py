"""A made-up past of every kind, for the tests of the insights pages."""

import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from releases.models import Complaint, Deployment, Environment, Outage, Plan, Probe, Project, Release, Service, User
from tests.factories import World, make_user

ZONES = {"production": "Asia/Seoul", "second": "America/New_York", "staging": "UTC"}
ENDS = ["succeeded"] * 12 + ["failed"] * 3 + ["errored", "cancelled", "draft", "cancelled_draft"]
KINDS = ["deploy"] * 14 + ["rollback"] * 3 + ["gpu_deploy"] * 2 + ["gpu_rollback", "rehearsal"]
DAYS = 400


@dataclass
class Past:
    """Where it happened, and up to when."""

    world: World
    now: datetime
    environments: list[Environment]
    people: list[User]
    rows: list[Deployment] = field(default_factory=list)


def make_past(world: World, seed: int, count: int = 1000, now: datetime | None = None) -> Past:
    """`count` deployments in three environments, each in a zone of its own, and outages between them."""
    dice = random.Random(seed)
    now = now or datetime(2026, 11, 20, 3, 17, 5, tzinfo=UTC)
    past = Past(world, now, _environments(world), [make_user(f"person-{n}-{uuid.uuid4().hex[:6]}") for n in range(4)])
    plans = {environment.pk: _plans(world, environment, dice, now) for environment in past.environments}
    moments = sorted(now - timedelta(seconds=dice.randrange(DAYS * 86400)) for _ in range(count))
    done: dict[tuple[int, bool], list[Deployment]] = {}
    for begin in moments:
        environment = dice.choices(past.environments, (6, 2, 2))[0]
        row = _deployment(past, plans[environment.pk], environment, begin, dice)
        earlier = done.setdefault((environment.pk, row.is_gpu), [])
        if row.kind in {"rollback", "gpu_rollback"} and row.started_at and earlier:
            _undo(row, earlier, dice)
        row.save()
        Deployment.objects.filter(pk=row.pk).update(created_at=begin)
        if row.kind in {"deploy", "gpu_deploy"} and row.started_at:
            earlier.append(row)
        past.rows.append(row)
    _one_active(past, plans)
    _outages(past, dice)
    return past


def _environments(world: World) -> list[Environment]:
    service = Service.objects.get(project=world.project)
    other = Service.objects.create(project=world.project, key="frontend", name="Frontend", kind="frontend")
    found = []
    for position, (key, zone) in enumerate(ZONES.items()):
        environment, _new = Environment.objects.update_or_create(
            project=world.project,
            key=key,
            defaults={
                "name": key,
                "zone": zone,
                "is_production": key != "staging",
                "rollback_minutes": 30 + 15 * position,
                "runbook": world.runbook,
            },
        )
        for one in (service, other):
            Probe.objects.create(environment=environment, service=one, url="http://127.0.0.1:1/health")
        found.append(environment)
    return found


def _plans(world: World, environment: Environment, dice: random.Random, now: datetime) -> list[Plan]:
    version = world.runbook.versions.get()
    made = []
    for number in range(25):
        commit = dice.choice([None, now - timedelta(days=DAYS + 9), now - timedelta(days=dice.randrange(DAYS))])
        release = Release.objects.create(
            project=world.project, version=f"{environment.key}-{number}", commit=f"{number:07x}", committed_at=commit
        )
        made.append(
            Plan.objects.create(
                environment=environment, release=release, runbook_version=version, content={}, digest="0" * 64,
                estimate=dice.randrange(60, 4000), downtime_estimate=dice.choice([0, 60, 480, 540]),
            )
        )  # fmt: skip
    return made


def _deployment(
    past: Past, plans: list[Plan], environment: Environment, begin: datetime, dice: random.Random
) -> Deployment:
    plan, kind, ends = dice.choice(plans), dice.choice(KINDS), dice.choice(ENDS)
    row = Deployment(
        environment=environment, release=plan.release, plan=plan, kind=kind, idempotency_key=uuid.uuid4().hex,
        requested_by=dice.choice(past.people), created_at=begin,
    )  # fmt: skip
    if ends == "draft":
        return row
    if ends == "cancelled_draft":
        row.status, row.finished_at = "cancelled", begin + timedelta(hours=1)
        return row
    row.status, row.started_at = ends, begin
    row.started_by = dice.choice([*past.people, None])
    row.finished_at = begin + timedelta(seconds=dice.expovariate(1 / 900) + 1, microseconds=dice.randrange(10**6))
    long = (row.finished_at - begin).total_seconds()
    if dice.random() < 0.7:
        row.downtime_opened_at = begin + timedelta(seconds=long * 0.3)
        if dice.random() < 0.8:
            row.downtime_closed_at = begin + timedelta(seconds=long * dice.uniform(0.4, 0.9))
    row.downtime_measured = dice.choice([None, 0.0, long * dice.random()])
    return row


def _undo(row: Deployment, earlier: list[Deployment], dice: random.Random) -> None:
    row.undoes = earlier[-1]
    if row.kind == "rollback" and len(earlier) > 3 and dice.random() < 0.3:
        row.undoes_first = earlier[-dice.randrange(2, 4)]


def _one_active(past: Past, plans: dict[int, list[Plan]]) -> None:
    """One that runs now, in the first environment."""
    environment = past.environments[0]
    plan = plans[environment.pk][0]
    begin = past.now - timedelta(minutes=4)
    row = Deployment.objects.create(
        environment=environment, release=plan.release, plan=plan, status="running", started_at=begin,
        started_by=past.people[0], requested_by=past.people[0], idempotency_key=uuid.uuid4().hex,
    )  # fmt: skip
    past.rows.append(row)


def _outages(past: Past, dice: random.Random) -> None:
    started = [row for row in past.rows if row.started_at]
    made = []
    for environment in past.environments:
        own = [row for row in started if row.environment_id == environment.pk]
        for probe in environment.probes.all():
            for _number in range(40):
                begin: Any = past.now - timedelta(seconds=dice.randrange(DAYS * 86400))
                if own and dice.random() < 0.6:  # near a deployment: before, during or after it
                    begin = dice.choice(own).started_at + timedelta(minutes=dice.randrange(-20, 100))
                end = begin + timedelta(seconds=dice.expovariate(1 / 600))
                made.append(Outage(probe=probe, started_at=begin, ended_at=end, planned=dice.random() < 0.4))
            made.append(Outage(probe=probe, started_at=past.now - timedelta(hours=2), planned=dice.random() < 0.5))
    Outage.objects.bulk_create(made)


def complaint_row(project: Project, user: User) -> int:
    """The number of a complaint."""
    return Complaint.objects.create(project=project, received_on="2026-11-01", text="slow", entered_by=user).pk
