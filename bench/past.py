"""Rows of a long history: 10,000 deployments with their steps, attempts, outages and audit events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from bench.whole_steps import runbook

if TYPE_CHECKING:
    from releases.models import Environment, Plan, Release, User
    from tests.factories import World

DEPLOYMENTS = 10_000
RELEASES = 500
STEPS = 14

# Each deployment five hours after the one before; one in ten failed. Statements rather than objects: a history of
# half a million rows is there in seconds.
_STEPS = """
INSERT INTO releases_step (deployment_id, position, number, key, title_ko, title_en, role, phase, action, status,
  estimate, opens_downtime, closes_downtime, started_at, finished_at, reason)
SELECT d.id, n, (n + 1)::text, 's' || n, 's' || n, 's' || n, 'devops', 'replace', 'shell',
  CASE WHEN d.status = 'failed' AND n = %(last)s THEN 'failed' ELSE 'succeeded' END,
  60, n = 4, n = 10, d.started_at + n * interval '1 minute', d.started_at + (n + 1) * interval '1 minute', ''
FROM releases_deployment d CROSS JOIN generate_series(0, %(last)s) n WHERE d.idempotency_key LIKE 'past-%%'"""
_ATTEMPTS = """
INSERT INTO releases_attempt (step_id, number, remote_id, status, host_name, token, exit_code, reason, evidence,
  source_offset, log_size, log_lines, created_at, started_at, finished_at, note, log_sha256)
SELECT s.id, 1, 'past-' || s.id, s.status, 'prod-1', 1, CASE s.status WHEN 'failed' THEN 1 ELSE 0 END, '', '{}',
  0, 0, 0, s.started_at, s.started_at, s.finished_at, '', ''
FROM releases_step s WHERE s.started_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM releases_attempt a WHERE a.step_id = s.id)"""
_OUTAGES = """
INSERT INTO releases_outage (probe_id, deployment_id, started_at, ended_at, planned, detail)
SELECT p.id, d.id, d.started_at + interval '5 minutes', d.started_at + interval '13 minutes', true, 'no answer'
FROM releases_deployment d JOIN releases_probe p ON p.environment_id = d.environment_id
WHERE d.idempotency_key LIKE 'past-%%'"""
# One deployment in twenty is a rollback of the one before it there, one in forty of three together; after one in thirty
# an outage that nobody planned. Half of the releases know when their commit was made.
_ROLLBACKS = """
UPDATE releases_deployment d SET kind = 'rollback', undoes_id = d.id - 2,
  undoes_first_id = CASE WHEN d.id %% 40 = 0 THEN d.id - 6 END
WHERE d.id %% 20 = 0 AND d.idempotency_key LIKE 'past-%%'
  AND EXISTS (SELECT 1 FROM releases_deployment b WHERE b.id = d.id - 6 AND b.idempotency_key LIKE 'past-%%')"""
_UNPLANNED = """
INSERT INTO releases_outage (probe_id, deployment_id, started_at, ended_at, planned, detail)
SELECT p.id, NULL, d.finished_at + interval '9 minutes', d.finished_at + interval '21 minutes', false, 'refused'
FROM releases_deployment d JOIN releases_probe p ON p.environment_id = d.environment_id
WHERE d.id %% 30 = 1 AND d.idempotency_key LIKE 'past-%%'"""
_COMMITS = """
UPDATE releases_release r SET committed_at = (SELECT min(d.started_at) - interval '2 days' FROM releases_deployment d
  WHERE d.release_id = r.id) WHERE r.id %% 2 = 0"""
# What people search: why things failed, in both languages.
_REASONS = """
UPDATE releases_deployment SET error = '10. Backend 서비스 시작: connection refused, 데이터베이스 연결 실패 ' || id
WHERE status = 'failed' AND idempotency_key LIKE 'past-%';
UPDATE releases_step SET reason = 'exit code 1: connection refused by db-' || id || ', 연결을 거부함'
WHERE status = 'failed'"""
_EVENTS = """
INSERT INTO releases_auditevent (sequence, at, actor_name, action, target_type, target_id, target_name, project_id,
  deployment_id, detail, address, previous_hash, hash)
SELECT %(from)s + row_number() OVER (ORDER BY s.id, a.action), s.started_at, 'Cloud Wiki', a.action, 'step',
  s.id::text, s.number || '. ' || s.title_en, e.project_id, d.id, '{"attempt": 1}', '', '',
  encode(sha256(convert_to(s.id || a.action, 'UTF8')), 'hex')
FROM releases_step s JOIN releases_deployment d ON d.id = s.deployment_id
JOIN releases_environment e ON e.id = d.environment_id
CROSS JOIN LATERAL (VALUES ('step.start'), ('step.' || s.status)) a(action)
WHERE d.idempotency_key LIKE 'past-%%'"""


@dataclass(frozen=True)
class Past:
    """Whose pages to open, and which."""

    user: User
    newest: int
    release: int
    environment: int
    runbook: int
    wiki: str
    slug: str


def make_past() -> Past:
    """Fill the database; a member of the project looks at it."""
    from django.db import connection

    from tests.factories import make_world

    world = make_world(runbook(STEPS), approvals_required=0)
    newest, release = _deployments(world, _plans(world))
    head = _events_before()
    with connection.cursor() as cursor:
        cursor.execute(_STEPS, {"last": STEPS - 1})
        cursor.execute(_ATTEMPTS)
        cursor.execute(_OUTAGES, {})
        for more in (_ROLLBACKS, _UNPLANNED, _COMMITS):
            cursor.execute(more, {})
        cursor.execute(_EVENTS, {"from": head})
        cursor.execute("UPDATE releases_audithead SET sequence = (SELECT max(sequence) FROM releases_auditevent)")
        cursor.execute(_REASONS)
        cursor.execute("ANALYZE")
    return Past(
        world.requester, newest, release, world.environment.pk, world.runbook.pk, _wiki(world), world.project.slug
    )


def _wiki(world: World) -> str:
    """The first document as pages; the address of the one with the longest procedure."""
    from releases.audit import Actor
    from releases.engine import wiki
    from releases.wiki import importing, seed

    wiki.import_pages(world.project, importing.split(seed.document(), seed.english()), Actor(world.requester))
    page = world.project.wiki_pages.get(title_ko__startswith="2.3 ")
    return f"/projects/{world.project.pk}/wiki/{quote(page.slug)}/"


def _events_before() -> int:
    from releases.models import AuditHead

    return AuditHead.objects.get_or_create(pk=1)[0].sequence


def _plans(world: World) -> list[Plan]:
    """Two environments with a health check, 500 releases, a plan of each release in each environment."""
    from releases.models import Environment, Plan, Probe, Release, Service

    staging = Environment.objects.create(
        project=world.project, key="staging", name="스테이징", runbook=world.environment.runbook
    )
    service = Service.objects.get(project=world.project)
    for environment in (world.environment, staging):
        Probe.objects.create(environment=environment, service=service, url="http://127.0.0.1:8080/health")
    content = world.draft().plan
    releases = Release.objects.bulk_create(
        Release(project=world.project, version=f"v1.{n}.0", commit=f"{n:07x}", created_by=world.requester)
        for n in range(RELEASES)
    )
    return Plan.objects.bulk_create(
        _plan(content, release, environment) for release in releases for environment in (staging, world.environment)
    )


def _plan(like: Plan, release: Release, environment: Environment) -> Plan:
    from releases.models import Plan

    return Plan(
        environment=environment, release=release, runbook_version=like.runbook_version, content=like.content,
        digest=like.digest, estimate=like.estimate, downtime_estimate=like.downtime_estimate,
    )  # fmt: skip


def _deployments(world: World, plans: list[Plan]) -> tuple[int, int]:
    from django.db.models import F

    from releases.models import Deployment

    first = datetime.now(UTC) - timedelta(hours=5 * DEPLOYMENTS)
    rows = []
    for n in range(DEPLOYMENTS):
        plan, begin = plans[n * len(plans) // DEPLOYMENTS], first + timedelta(hours=5 * n)
        rows.append(
            Deployment(
                environment=plan.environment, release=plan.release, plan=plan, idempotency_key=f"past-{n}",
                status="failed" if n % 10 == 9 else "succeeded", version=60, requested_by=world.requester,
                started_by=world.requester, started_at=begin, finished_at=begin + timedelta(minutes=STEPS),
                downtime_opened_at=begin + timedelta(minutes=5), downtime_closed_at=begin + timedelta(minutes=13),
                lost_requests=80, downtime_measured=480.0, error="14. s13" if n % 10 == 9 else "",
            )
        )  # fmt: skip
    made = Deployment.objects.bulk_create(rows, batch_size=2000)
    Deployment.objects.filter(idempotency_key__startswith="past-").update(created_at=F("started_at"))
    return made[-1].pk, plans[-1].release_id
