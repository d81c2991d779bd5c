"""Rows, services and a running probe process for the tests of probes."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from releases.models import (
    Deployment,
    Environment,
    Plan,
    Probe,
    Project,
    Release,
    Runbook,
    RunbookVersion,
    Service,
    User,
)
from releases.probes.addresses import parse_networks
from releases.probes.http import HttpProber
from releases.probes.runner import Runner
from releases.probes.ssh import HostProbers
from tests.engine.probes.service import LocalService

LOOPBACK = parse_networks(["127.0.0.0/8", "::1/128"])


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def flushable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the clean-up after a test truncate history, which triggers refuse otherwise."""
    flush = connection.ops.sql_flush
    silence = ["SET LOCAL session_replication_role = replica;"]
    monkeypatch.setattr(connection.ops, "sql_flush", lambda *given, **options: silence + flush(*given, **options))


@pytest.fixture
def committed(flushable: None, transactional_db: None) -> None:
    """A database whose rows other connections see; emptied afterwards."""


def make_environment() -> Environment:
    """A project with a backend service and one environment."""
    project = Project.objects.create(slug=f"p-{uuid4().hex[:12]}", name="모여밥")
    Service.objects.create(project=project, key="backend", name="Backend", kind="backend")
    return Environment.objects.create(project=project, key="production", name="운영", is_production=True)


def make_probe(environment: Environment, url: str, key: str = "backend", **fields) -> Probe:
    """A probe of the environment's service `key`, made when missing."""
    service, _made = Service.objects.get_or_create(
        project=environment.project, key=key, defaults={"name": key, "kind": "backend"}
    )
    return Probe.objects.create(environment=environment, service=service, url=url, **fields)


def make_deployment(environment: Environment, **fields) -> Deployment:
    """A deployment that runs since a minute, unless `fields` say otherwise."""
    user = User.objects.create(username=f"u-{uuid4().hex[:12]}")
    release = Release.objects.create(project=environment.project, version=f"v{uuid4().hex[:8]}", commit="abcdef1")
    runbook = Runbook.objects.create(project=environment.project, key=f"r-{uuid4().hex[:8]}", name="r")
    version = RunbookVersion.objects.create(runbook=runbook, number=1, text="", sha256="0" * 64)
    plan = Plan.objects.create(
        environment=environment,
        release=release,
        runbook_version=version,
        content={},
        digest="0" * 64,
        estimate=2280,
        downtime_estimate=480,
    )
    values = {"status": "running", "started_at": timezone.now() - timedelta(minutes=1)} | fields
    return Deployment.objects.create(
        environment=environment,
        release=release,
        plan=plan,
        idempotency_key=uuid4().hex,
        requested_by=user,
        **values,
    )


@contextmanager
def running_probes(on_change: Callable[[int], object] = lambda _deployment: None, connect=None):
    """The probe process's loop, in a thread of the test."""
    started = threading.Event()
    box: dict[str, object] = {}

    async def main() -> None:
        async with HttpProber(LOOPBACK) as http:
            runner = Runner(http, HostProbers(connect), on_change)
            box.update(runner=runner, loop=asyncio.get_running_loop())
            started.set()
            await runner.run()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert started.wait(10)
    try:
        yield box["runner"]
    finally:
        box["loop"].call_soon_threadsafe(box["runner"].stop)
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def service() -> Iterator[LocalService]:
    """A real HTTP service in a process of its own, running."""
    with LocalService() as running:
        running.start()
        yield running
