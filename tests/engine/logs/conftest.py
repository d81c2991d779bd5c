"""A deployment with one running attempt, and a hand that writes its log."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest
from django.utils import timezone

from releases.logs.hub import publisher
from releases.logs.store import LogWriter
from releases.models import (
    Attempt,
    Deployment,
    Environment,
    Plan,
    Project,
    Release,
    Runbook,
    RunbookVersion,
    Step,
    User,
    lease,
)

_numbers = count(1)


@dataclass(repr=False)
class Running:
    """A deployment that a driver with `token` drives."""

    deployment: Deployment
    attempt: Attempt
    token: int
    writers: list[LogWriter] = field(default_factory=list)

    def writer(self, *secrets: str, attempt: Attempt | None = None) -> LogWriter:
        """A new writer; abandoned when the test ends."""
        made = LogWriter(attempt or self.attempt, self.deployment.pk, self.token, secrets=secrets)
        self.writers.append(made)
        return made

    def add_attempt(self, key: str = "other") -> Attempt:
        """A running attempt of a further step."""
        position = self.deployment.steps.count()
        step = Step.objects.create(
            deployment=self.deployment,
            position=position,
            key=key,
            title_ko=key,
            title_en=key,
            role="devops",
            phase="prepare",
            action="shell",
            estimate=1,
        )
        return Attempt.objects.create(
            step=step, number=1, remote_id=f"log-test-{next(_numbers)}-{key}", status="running"
        )

    def change(self, **fields: object) -> int:
        """Change the deployment's row; returns its new version. Tells nobody."""
        self.deployment.refresh_from_db()
        version = self.deployment.version + 1
        Deployment.objects.filter(pk=self.deployment.pk).update(version=version, **fields)
        return version


@pytest.fixture
def running(transactional_db: None, redis_url: str) -> Iterator[Running]:
    """A running deployment with one attempt, under a lease."""
    number = next(_numbers)
    user = User.objects.create(username=f"user{number}")
    project = Project.objects.create(slug=f"p{number}", name="P")
    environment = Environment.objects.create(project=project, key="staging", name="S")
    release = Release.objects.create(project=project, version="v1", commit="abcdef1")
    runbook = Runbook.objects.create(project=project, key="deploy", name="Deploy")
    version = RunbookVersion.objects.create(runbook=runbook, number=1, text="", sha256="0" * 64)
    plan = Plan.objects.create(
        environment=environment,
        release=release,
        runbook_version=version,
        content={},
        digest="0" * 64,
        estimate=1,
        downtime_estimate=0,
    )
    deployment = Deployment.objects.create(
        environment=environment,
        release=release,
        plan=plan,
        status="running",
        started_at=timezone.now(),
        idempotency_key=f"key{number}",
        requested_by=user,
    )
    token = lease.take(deployment.pk, "test")
    assert token is not None
    publisher.reset()
    made = Running(deployment, None, token)  # type: ignore[arg-type]
    made.attempt = made.add_attempt("build")
    yield made
    for writer in made.writers:
        writer.abandon()
    publisher.reset()
