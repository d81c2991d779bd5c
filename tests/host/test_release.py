"""The team's written procedure, its literal commands, on a real server: releases 2 and 3, and the way back."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import LazySettings

from releases import lifecycle, stores
from releases.audit import Actor, verify
from releases.engine import decide
from releases.models import Announcement, AuditEvent, Backup, Deployment, Outage, ProbeResult
from tests.host.apps import samples
from tests.host.machine import Machine
from tests.host.site import (
    SEED,
    Site,
    drive,
    explained,
    log_of,
    make_repository,
    make_site,
    newest,
    page,
    process,
    shortened,
    statuses,
    until,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(machine: Machine, data_dir: Path, settings: LazySettings) -> Site:
    settings.SSH_KEY_FILE = machine.private_key
    return make_site(machine, make_repository(data_dir / "repository"), shortened(SEED))


@contextmanager
def probing(site: Site, data_dir: Path) -> Iterator[None]:
    """The probe process, from its first answers on."""
    with process("probes", site.machine, data_dir):
        answered = ProbeResult.objects.filter(probe__environment=site.environment).values("probe").distinct()
        until(lambda: answered.count() == 2)
        yield


def sha256(machine: Machine, path: str) -> str:
    return machine.run(f"sha256sum {path}").stdout.split()[0].decode()


def answers(machine: Machine, version: int) -> None:
    """Both services run that release, by themselves and through nginx."""
    assert (
        f'"status":"UP","version":"{version}"'.encode() in machine.run("curl -sS http://localhost:8080/health").stdout
    )
    for url in ("http://localhost:3000", "http://localhost"):
        assert f"frontend release {version}".encode() in machine.run(f"curl -sS {url}").stdout
    assert machine.run("curl -fsS http://localhost/api/meetings").stdout == b'{"meetings":500}'
    assert machine.run("systemctl is-active spring-boot").stdout == b"active\n"
    assert b"online" in machine.run("pm2 list --no-color").stdout


def same_build(site: Site, machine: Machine) -> None:
    """What was built on the controller is, byte for byte, what the services run from."""
    workspace = Path(site.project.workspace())
    jar = workspace / "build/libs/app.jar"
    assert sha256(machine, "/app/backend/app.jar") == hashlib.sha256(jar.read_bytes()).hexdigest()
    for name in ("BUILD_ID", "build-manifest.json", "server/pages-manifest.json"):
        assert (
            sha256(machine, f"/app/frontend/.next/{name}")
            == hashlib.sha256((workspace / ".next" / name).read_bytes()).hexdigest()
        )
    files = "find . -type f ! -path './cache/*' | wc -l"
    there = int(machine.run(f"cd /app/frontend/.next && {files}").stdout)
    assert there >= sum(1 for file in (workspace / ".next").rglob("*") if file.is_file() and "cache" not in file.parts)


def backups_hold(machine: Machine, deployment: Deployment, data_dir: Path) -> None:
    taken = Backup.objects.filter(deployment=deployment)
    assert taken.filter(name=".next.bak").exists()
    jar, dump = taken.get(name="app.jar.bak"), taken.get(kind=Backup.Kind.DATABASE)
    assert sha256(machine, jar.location) == jar.sha256
    assert machine.run("readlink -f /app/backup/app.jar.bak").stdout.decode().strip() == jar.location
    assert sha256(machine, dump.location) == dump.sha256
    assert b"CREATE TABLE" not in (data_dir / "backups" / dump.copy_location).read_bytes()
    opened = data_dir / "opened"
    stores.get(dump.copy_location, opened, dump.sha256)
    assert opened.stat().st_size == dump.size
    assert b"CREATE TABLE public.meeting" in opened.read_bytes()


def test_the_written_procedure_brings_release_2_then_stops_at_a_failing_release_3(
    site: Site, machine: Machine, data_dir: Path
) -> None:
    before = sha256(machine, "/app/backend/app.jar")
    with probing(site, data_dir):
        second = release_2(site)
        _release_2_is_there(site, machine, second, data_dir, before)
        took = (second.finished_at - second.started_at).total_seconds()
        print(f"release 2: {took:.1f} s, downtime measured {second.downtime_measured:.1f} s")
        third = release_3(site)
        _release_3_is_told_truthfully(site, machine, third)
        _retry_stops_at_the_same_place(site, third)
        _nginx_was_reloaded(machine, back_to_release_2(site))
        answers(machine, 2)
    assert list(verify()) == []


def release_2(site: Site) -> Deployment:
    commit = site.check_out(2)
    site.build(2)
    sql = samples.MIGRATION
    release = site.release("v2", commit, schema_changed=True, migration_name=sql.name, migration_sql=sql.read_text())
    deployment = site.ready(release)
    assert drive(deployment) == lifecycle.SUCCEEDED, explained(deployment)
    return deployment


def _release_2_is_there(site: Site, machine: Machine, deployment: Deployment, data_dir: Path, jar_before: str) -> None:
    answers(machine, 2)
    same_build(site, machine)
    backups_hold(machine, deployment, data_dir)
    assert Backup.objects.get(deployment=deployment, name="app.jar.bak").sha256 == jar_before
    column = """select format_type(atttypid, atttypmod) from pg_attribute
        where attrelid = 'meeting_embedding'::regclass and attname = 'embedding'"""
    assert machine.run(f'psql -U postgres -d cloudwiki -Atc "{column}"').stdout == b"vector(3)\n"
    assert machine.run("psql -U postgres -d cloudwiki -Atc 'select count(*) from meeting_embedding'").stdout == b"500\n"
    assert statuses(deployment, ["migrate", "nginx_test", "nginx_reload"]) == {
        "migrate": lifecycle.SUCCEEDED,
        "nginx_test": lifecycle.SKIPPED,
        "nginx_reload": lifecycle.SKIPPED,
    }
    for key, said in {
        "backup_database": "pg_dump -U postgres -d cloudwiki",
        "build_backend": "BUILD SUCCESSFUL",
        "stop_backend": "sudo systemctl stop spring-boot",
        "start_frontend": "nextjs",
        "health_check": "http://localhost:8080/health",
    }.items():
        assert said in log_of(deployment, key), key
    announcement = Announcement.objects.get(deployment=deployment)
    states = announcement.revisions.order_by("pk").values_list("state", flat=True)
    assert (announcement.state, list(states)) == ("done", ["scheduled", "in_progress", "verifying", "done"])
    _downtime_was_measured(deployment)


def _downtime_was_measured(deployment: Deployment) -> None:
    marked = (deployment.downtime_closed_at - deployment.downtime_opened_at).total_seconds()
    assert deployment.downtime_measured > 0
    # The services are away from a moment after the mark until they answer, which is after the last start.
    assert abs(deployment.downtime_measured - marked) < 15
    outages = Outage.objects.filter(deployment=deployment)
    assert outages.values("probe").distinct().count() == 2
    assert all(outage.planned and outage.ended_at for outage in outages)
    assert deployment.lost_requests == round(deployment.downtime_measured / 60 * 10)


def release_3(site: Site) -> Deployment:
    """A faulty one: its health check answers 500."""
    deployment = site.ready(site.release("v3", site.check_out(3)))
    assert drive(deployment) == lifecycle.FAILED, explained(deployment)
    return deployment


def _release_3_is_told_truthfully(site: Site, machine: Machine, deployment: Deployment) -> None:
    assert deployment.error.startswith("12. http://localhost:8080/health"), deployment.error
    assert "500" in deployment.error
    assert statuses(deployment, ["start_frontend", "health_check", "watch_logs", "announce_done"]) == {
        "start_frontend": lifecycle.SUCCEEDED,
        "health_check": lifecycle.FAILED,
        "watch_logs": lifecycle.PENDING,
        "announce_done": lifecycle.PENDING,
    }
    assert "5/5" in log_of(deployment, "health_check")
    assert deployment.error.removeprefix("12. ") in page(deployment)
    # What is said is what is: release 3 runs there, unhealthy, and nobody announced that all is well.
    assert machine.run("curl -sS http://localhost:8080/health").stdout == b'{"status":"DOWN","version":"3"}'
    assert b"frontend release 3" in machine.run("curl -sS http://localhost").stdout
    assert machine.run("systemctl is-active spring-boot").stdout == b"active\n"
    same_build(site, machine)
    announcement = Announcement.objects.get(deployment=deployment)
    assert (announcement.state, announcement.title_en) == ("verifying", "Maintenance takes longer than planned")
    until(lambda: Outage.objects.filter(deployment=deployment, ended_at__isnull=True).exists())
    jar = Backup.objects.get(deployment=deployment, name="app.jar.bak")
    assert jar.release.version == "v2"


def _retry_stops_at_the_same_place(site: Site, deployment: Deployment) -> None:
    decide.retry(deployment.steps.get(key="health_check"), Actor(site.requester))
    assert drive(deployment) == lifecycle.FAILED, explained(deployment)
    assert newest(deployment, "health_check").number == 2
    assert deployment.steps.get(key="stop_backend").attempts.count() == 1


def back_to_release_2(site: Site) -> Deployment:
    """The good code again, as a new release that also changes the configuration of nginx."""
    deployment = site.ready(site.release("v3.1", site.check_out(2), nginx_changed=True))
    assert drive(deployment) == lifecycle.SUCCEEDED, explained(deployment)
    return deployment


def _nginx_was_reloaded(machine: Machine, deployment: Deployment) -> None:
    assert statuses(deployment, ["migrate", "nginx_test", "nginx_reload"]) == {
        "migrate": lifecycle.SKIPPED,
        "nginx_test": lifecycle.SUCCEEDED,
        "nginx_reload": lifecycle.SUCCEEDED,
    }
    assert "syntax is ok" in log_of(deployment, "nginx_test")
    actions = AuditEvent.objects.filter(deployment=deployment).values_list("action", flat=True)
    assert {"deployment.prepare", "deployment.approve", "deployment.start", "deployment.succeeded"} <= set(actions)
