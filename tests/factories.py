"""Rows for tests: one project, its people, an environment that is ready to be deployed to."""

import hashlib
import uuid
from dataclasses import dataclass
from typing import Any

from django.test import Client

from releases.audit import Actor
from releases.engine import clock, prepare
from releases.models import (
    Deployment,
    Environment,
    Host,
    Membership,
    Project,
    Release,
    Runbook,
    RunbookVersion,
    Service,
    User,
)
from releases.way_back import WayBack

SIMPLE_RUNBOOK = """
kind: deploy
title: {ko: 간단한 배포, en: Simple deploy}
checklist:
  - {key: looked, title: {ko: 확인, en: Looked at it}}
steps:
  - key: one
    title: {ko: 하나, en: One}
    role: DevOps
    phase: prepare
    action: shell
    runs_on: app
    estimate: 60
    parameters: {command: "echo one"}
  - key: two
    title: {ko: 둘, en: Two}
    role: DevOps
    phase: replace
    action: shell
    runs_on: app
    estimate: 60
    opens_downtime: true
    closes_downtime: true
    parameters: {command: "echo two {version}"}
"""


@dataclass
class World:
    """What a test of the main way needs."""

    project: Project
    environment: Environment
    host: Host
    runbook: Runbook
    release: Release
    requester: User
    approver: User
    outsider: User

    def draft(self, **changes: Any) -> Deployment:
        """A new draft deployment of the release."""
        made, _new = prepare.prepare(
            self.release,
            self.environment,
            self.requester,
            Actor(self.requester),
            changes.get("key") or uuid.uuid4().hex,
            WayBack(changes["undoes"]) if changes.get("undoes") else None,
        )
        return made

    def save_runbook(self, text: str) -> RunbookVersion:
        """A new version of the runbook."""
        return save_version(self.runbook, text)


def make_user(name: str, **fields: Any) -> User:
    """A person; names are unique per test."""
    return User.objects.create_user(
        username=name, password="a-long-password", display_name=fields.pop("shown", ""), **fields
    )


def client_of(user: User | None, language: str = "en") -> Client:
    """A browser in which this person is logged in; None: nobody."""
    client = Client(HTTP_HOST="localhost", headers={"accept-language": language})
    if user is not None:
        client.force_login(user)
    return client


def save_version(runbook: Runbook, text: str) -> RunbookVersion:
    """The next version of a runbook."""
    number = runbook.versions.count() + 1
    digest = hashlib.sha256(text.encode()).hexdigest()
    return RunbookVersion.objects.create(runbook=runbook, number=number, text=text, sha256=digest)


def make_world(runbook_text: str = SIMPLE_RUNBOOK, **environment_fields: Any) -> World:
    """A project with an environment, one pinned and reachable host, a release and three people."""
    mark = uuid.uuid4().hex[:8]
    project = Project.objects.create(slug=f"p-{mark}", name="Moyeobab")
    runbook = Runbook.objects.create(project=project, key="deploy", name="배포")
    save_version(runbook, runbook_text)
    Service.objects.create(project=project, key="backend", name="Backend", kind="backend")
    environment = Environment.objects.create(
        project=project, key="production", name="운영", is_production=True, runbook=runbook, **environment_fields
    )
    host = Host.objects.create(
        environment=environment,
        name="prod-1",
        role="app",
        address="127.0.0.1",
        port=22,
        user="deploy",
        host_key="ssh-ed25519 AAAA",
        fingerprint="SHA256:test",
        last_checked_at=clock.now(),
        last_check_ok=True,
    )
    release = Release.objects.create(project=project, version="v2.8.0", commit="a41f9c2", branch="main")
    requester, approver = make_user(f"minjun-{mark}", shown="김민준"), make_user(f"seoyeon-{mark}", shown="이서연")
    outsider = make_user(f"outsider-{mark}")
    rights = {"can_operate": True, "can_approve": True, "can_manage": True}
    for user in (requester, approver):
        Membership.objects.create(project=project, user=user, **rights)
    return World(project, environment, host, runbook, release, requester, approver, outsider)
