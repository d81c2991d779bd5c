"""A row of every kind that an address can name."""

from releases.audit import Actor
from releases.engine import clock, consent
from releases.models import (
    Artifact,
    Attempt,
    AttemptFile,
    Backup,
    DeployWindow,
    GpuAccount,
    GpuEndpoint,
    KeptDatabase,
    Recovery,
    Step,
    Variable,
)
from tests.costs import numbers_of_rows
from tests.factories import World
from tests.web import notices, wiki
from tests.web.insights_past import complaint_row
from tests.web.risk_rows import a_risk


def rows_of(world: World) -> dict[str, int]:
    """The number of a row for each first word of an address."""
    deployment = world.draft()
    approval = consent.approve(deployment, world.approver, Actor(world.approver), deployment.plan.digest)
    step = Step.objects.filter(deployment=deployment).first()
    assert step is not None
    attempt = Attempt.objects.create(step=step, number=1, remote_id="r1", status="dispatching", started_at=clock.now())
    file = AttemptFile.objects.create(
        attempt=attempt, name="a.txt", content_type="text/plain", sha256="0" * 64, size=1, data=b"x"
    )
    return notices.rows(world) | {
        "deployments": deployment.pk,
        "approvals": approval.pk,
        "checklist": deployment.checklist.get().pk,
        "steps": step.pk,
        "attempts": attempt.pk,
        "attempt-files": file.pk,
        "releases": world.release.pk,
        "artifacts": Artifact.objects.create(release=world.release, name="app", path="app.jar").pk,
        "runbooks": world.runbook.pk,
        "runbook-versions": world.runbook.versions.get().pk,
        "hosts": world.host.pk,
        "environments": world.environment.pk,
        "projects": world.project.pk,
        "complaints": complaint_row(world.project, world.requester),
        "accounts": GpuAccount.objects.create(project=world.project, name="cards").pk,
        "endpoints": GpuEndpoint.objects.create(
            environment=world.environment,
            account=GpuAccount.objects.create(project=world.project, name="watched"),
            name="qwen-r1",
            ref="def456",
        ).pk,
        "risks": a_risk(world).pk,
        "recoveries": Recovery.objects.create(
            deployment=deployment, rule="person", reason="now", asked_by=world.requester, starts_at=clock.now()
        ).pk,
        "backups": Backup.objects.create(
            environment=world.environment,
            host=world.host,
            kind=Backup.Kind.FILES,
            name="app.jar.bak",
            series="app.jar.bak",
            location="/app/backup/app.jar.bak-1-1",
            size=1,
            sha256="0" * 64,
            seconds=0.1,
        ).pk,
        "kept-databases": KeptDatabase.objects.create(
            environment=world.environment,
            deployment=deployment,
            attempt=attempt,
            runs_on="app",
            name="shop_before_0123abcd",
            database="shop",
        ).pk,
        "gpu-endpoints": GpuEndpoint.objects.create(
            environment=world.environment,
            account=GpuAccount.objects.create(project=world.project, name="team"),
            name="shop-production-v1-1",
            ref="abc123",
        ).pk,
        **numbers_of_rows(world),
        **wiki.rows_of_wiki(world),
        "variables": Variable.objects.create(environment=world.environment, name="db_name", value="x").pk,
        "windows": DeployWindow.objects.create(
            environment=world.environment, weekday=3, opens="02:00", closes="03:00"
        ).pk,
    }
