"""Cloud Wiki's side of a real host: the project's Git repository, its rows, and a deployment's whole way."""

import html
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse

from releases import enrolment
from releases.audit import Actor
from releases.engine import consent, driver, prepare, proving, start
from releases.logs import store
from releases.models import (
    Artifact,
    Attempt,
    Deployment,
    Environment,
    Host,
    Membership,
    Probe,
    Project,
    Release,
    Runbook,
    Service,
    User,
    Variable,
)
from releases.runbooks import loader
from tests.factories import make_user, save_version
from tests.host.apps import samples
from tests.host.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
SEED = (Path(loader.__file__).parent / "seed" / "deploy.yaml").read_text()
SHORT = {"seconds: 10m": "seconds: 4s", "attempts: 30": "attempts: 5", "interval: 2s": "interval: 1s"}
NOT_IN_GIT = ("node_modules", ".next", "build")


def shortened(text: str) -> str:
    """The runbook with shorter times of waiting; every command as it is."""
    for long, short in SHORT.items():
        assert long in text
        text = text.replace(long, short)
    return text


@dataclass
class Site:
    """One project with the environment that the machine is."""

    machine: Machine
    project: Project
    environment: Environment
    host: Host
    runbook: Runbook
    requester: User
    approver: User

    def save_runbook(self, text: str) -> None:
        save_version(self.runbook, text)

    def check_out(self, version: int) -> str:
        """Commit the sample project at a release on main; returns the commit."""
        workspace = Path(self.project.workspace())
        resources = workspace / "src" / "main" / "resources"
        resources.mkdir(exist_ok=True)
        shutil.copy(samples.BACKEND / "releases" / f"{version}.properties", resources / "release.properties")
        (workspace / "release.json").write_text(f'{{"version": "{version}"}}\n')
        git(workspace, "add", "--all")
        git(workspace, "commit", "--quiet", "--allow-empty", "--message", f"Release {version}")
        return git(workspace, "rev-parse", "HEAD")

    def build(self, version: int) -> None:
        """Put the finished builds of a release into the workspace, as a developer's own build leaves them."""
        workspace = Path(self.project.workspace())
        (workspace / "build" / "libs").mkdir(parents=True, exist_ok=True)
        shutil.copy(samples.backend_jar(version), workspace / "build" / "libs" / "app.jar")
        shutil.rmtree(workspace / ".next", ignore_errors=True)
        shutil.copytree(samples.frontend_build(version), workspace / ".next", ignore=shutil.ignore_patterns("cache"))

    def release(self, name: str, commit: str, **fields: object) -> Release:
        made = Release.objects.create(project=self.project, version=name, commit=commit[:12], branch="main", **fields)
        Artifact.objects.create(release=made, name="backend", path="build/libs/app.jar")
        Artifact.objects.create(release=made, name="frontend", path=".next", is_folder=True)
        return made

    def draft(self, release: Release) -> Deployment:
        made, _new = prepare.prepare(release, self.environment, self.requester, Actor(self.requester), uuid.uuid4().hex)
        return made

    def prove(self, deployment: Deployment) -> dict[str, str]:
        """Run every check of the checklist; what each came to, with its note."""
        for item in deployment.checklist.all():
            proving.prove_item(item.pk, self.requester.pk, "")
        return {item.key: f"{item.proof} {item.note}".strip() for item in deployment.checklist.all()}

    def start(self, deployment: Deployment) -> None:
        """Approve as the other person, unless that was done, and start. Raises Blocked."""
        digest = deployment.plan.digest
        if not deployment.approvals.exists():
            consent.approve(deployment, self.approver, Actor(self.approver), digest)
        start.start(deployment, self.requester, Actor(self.requester), digest)

    def ready(self, release: Release) -> Deployment:
        """A started deployment, every box proved."""
        deployment = self.draft(release)
        proved = self.prove(deployment)
        assert all(said.startswith("passed") for said in proved.values()), proved
        self.start(deployment)
        return deployment


def git(folder: Path, *arguments: str) -> str:
    people = {
        f"GIT_{who}_{what}": f"dev@{what}.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        ["git", "-C", folder, *arguments], env=os.environ | people, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def make_repository(folder: Path) -> Path:
    """A Git repository with the sample project in it, packages installed."""
    samples.frontend_source(1, folder)
    shutil.copytree(samples.BACKEND, folder, ignore=shutil.ignore_patterns("releases", "build"), dirs_exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    (folder / ".gitignore").write_text("".join(f"/{name}\n" for name in NOT_IN_GIT))
    return folder


def make_site(machine: Machine, workspace: Path, runbook: str) -> Site:
    """The rows, with the host enrolled as a person does it."""
    mark = uuid.uuid4().hex[:8]
    project = Project.objects.create(
        slug=f"p-{mark}", name="모여밥", repository=str(workspace), workspace_folder=str(workspace)
    )
    for key in ("backend", "frontend", "database"):
        Service.objects.create(project=project, key=key, name=key.title(), kind=key)
    book = Runbook.objects.create(project=project, key="deploy", name="상세 배포 절차")
    save_version(book, runbook)
    environment = Environment.objects.create(
        project=project, key="production", name="운영", is_production=True, runbook=book
    )
    Variable.objects.create(environment=environment, name="db_name", type="identifier", value="cloudwiki")
    requester, approver = make_user(f"minjun-{mark}", shown="김민준"), make_user(f"seoyeon-{mark}", shown="이서연")
    for user in (requester, approver):
        Membership.objects.create(project=project, user=user, can_operate=True, can_approve=True, can_manage=True)
    host = enrol(machine, environment, requester)
    for key, url in {"backend": "http://localhost:8080/health", "frontend": "http://localhost:3000"}.items():
        Probe.objects.create(environment=environment, service=project.services.get(key=key), host=host, url=url)
    return Site(machine, project, environment, host, book, requester, approver)


def enrol(machine: Machine, environment: Environment, user: User) -> Host:
    """Add the host, compare its key with the machine's own, pin it, and try it."""
    host = Host.objects.create(
        environment=environment,
        name="prod-1",
        role="app",
        address=machine.address,
        port=machine.port,
        user=machine.user,
    )
    seen = enrolment.scan(host)
    assert seen.public == machine.host_key
    enrolment.pin(host, seen.fingerprint, user, Actor(user))
    found = enrolment.check(host, Actor(user))
    assert found.ok, found.detail
    return host


def drive(deployment: Deployment) -> str:
    """Drive until it rests; its status."""
    driver.drive(deployment.pk)
    deployment.refresh_from_db()
    return deployment.status


def driving(deployment: Deployment) -> threading.Thread:
    """Drive in a thread; join it."""

    def work() -> None:
        try:
            driver.drive(deployment.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=work, name="driver")
    thread.start()
    return thread


@contextmanager
def process(name: str, machine: Machine, data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One of Cloud Wiki's own processes on this test's database and broker, killed with -9 at the end."""
    address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "cloudwiki.settings",
        "DATABASE_URL": address.geturl(),
        "REDIS_URL": settings.REDIS_URL,
        "CLOUDWIKI_DATA": str(data_dir),
        "CLOUDWIKI_SSH_KEY_FILE": str(machine.private_key),
        "CLOUDWIKI_SECRETS_KEY_FILE": str(settings.SECRETS_KEY_FILE),
    }
    command = [sys.executable, "-m", "cloudwiki", name]
    with (data_dir / f"{name}.log").open("ab") as log:
        started = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait(10)


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition. Raises AssertionError after the deadline."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def statuses(deployment: Deployment, keys: Iterable[str] = ()) -> dict[str, str]:
    found = dict(deployment.steps.values_list("key", "status"))
    return {key: found[key] for key in keys} if keys else found


def newest(deployment: Deployment, key: str) -> Attempt:
    return Attempt.objects.filter(step__deployment=deployment, step__key=key).latest("number")


def log_of(deployment: Deployment, key: str) -> str:
    return store.read(newest(deployment, key).pk, 0, 1 << 22).decode(errors="replace")


def page(deployment: Deployment) -> str:
    """What the requester sees on the deployment's page."""
    client = Client()
    client.force_login(deployment.requested_by)
    answer = client.get(reverse("releases:deployment", args=[deployment.pk]))
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def explained(deployment: Deployment) -> str:
    """For a failed assertion: every step with its reason, and the log of what stopped."""
    lines = [f"{deployment.status} {deployment.error}"]
    for step in deployment.steps.all():
        lines.append(f"{step.number} {step.key} {step.status} {step.reason}")
        if step.attempts.exists() and step.status not in {"succeeded", "skipped"}:
            lines.append(log_of(deployment, step.key)[-3000:])
    return "\n".join(lines)
