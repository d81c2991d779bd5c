"""What tests of the way back on a real server share: a deployment to undo, and what lay there before it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from releases import lifecycle
from releases.audit import Actor
from releases.engine import recovering, recovery
from releases.models import Deployment, Recovery, Runbook
from releases.runbooks import loader
from tests.factories import save_version
from tests.host.apps.samples import wait_for
from tests.host.machine import Machine
from tests.host.site import SEED, Site, drive, explained, make_repository, make_site, shortened, until

ROLLBACK = (Path(loader.__file__).parent / "seed" / "rollback.yaml").read_text()
# Rows, and a checksum of them, of every table; then the schema's own words.
TABLES = """
SELECT format('SELECT %L, count(*), md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '''')) FROM %I.%I t',
  table_name, table_schema, table_name)
  FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name \\gexec
SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2;
"""


@pytest.fixture
def site(machine: Machine, data_dir: Path, settings: LazySettings, redis_url: str) -> Iterator[Site]:
    """Release 1 as it was installed, in an environment that knows how to go back to it."""
    settings.SSH_KEY_FILE = machine.private_key
    made = make_site(machine, make_repository(data_dir / "repository"), shortened(SEED))
    book = Runbook.objects.create(project=made.project, key="rollback", name="롤백 절차", kind="rollback")
    save_version(book, ROLLBACK.replace("interval: 2s", "interval: 1s"))
    made.environment.rollback_runbook = book
    made.environment.save()
    yield made
    left = "select format('drop database %I', datname) from pg_database where datname ~ '_before_' \\gexec"
    machine.run("psql -U postgres", left.encode())


def held(machine: Machine) -> dict[str, bytes]:
    """What of the services lies there: every file's SHA-256, and every table."""
    files = "find . -type f ! -path './cache/*' -exec sha256sum {} + | sort"
    return {
        "jar": machine.run("sha256sum < /app/backend/app.jar").stdout,
        "next": machine.run(f"cd /app/frontend/.next && {files}").stdout,
        "tables": machine.run("psql -U postgres -d cloudwiki -At", TABLES.encode()).stdout,
    }


def nothing_is_left(machine: Machine) -> None:
    """No copy of an unfinished restore lies beside what was restored."""
    left = machine.run("find /app/backend /app/frontend -maxdepth 1 -name '.*restore-*'").stdout
    assert left == b""


CHANGE = """kind: deploy
title: {ko: 바꾸기, en: Change}
steps:
  - key: files
    title: {ko: 백업, en: Back up}
    role: DevOps
    phase: prepare
    action: backup_files
    runs_on: app
    estimate: 10
    parameters:
      destination: /app/backup
      files:
        - {path: /app/backend/app.jar, link: app.jar.bak}
        - {path: /app/frontend/.next, link: .next.bak, folder: true}
  - key: dump
    title: {ko: 덤프, en: Dump}
    role: DevOps
    phase: prepare
    action: backup_database
    runs_on: app
    estimate: 10
    parameters: {database: cloudwiki, user: postgres, destination: /app/backup/dump.sql}
  - key: change
    title: {ko: 변경, en: Change}
    role: DevOps
    phase: replace
    action: shell
    runs_on: app
    estimate: 10
    parameters:
      command: |
        echo no jar > /app/backend/app.jar
        rm -r /app/frontend/.next/server
        psql -U postgres -d cloudwiki -v ON_ERROR_STOP=1 -qc "delete from member where id % 2 = 0; create table new ()"
"""


@pytest.fixture
def damaged(site: Site, machine: Machine) -> Iterator[tuple[Deployment, dict[str, bytes]]]:
    """A deployment that left jar, folder and database broken, and what was there before it."""
    site.save_runbook(CHANGE)
    before = held(machine)
    release = site.release("v9", "a41f9c2", schema_changed=True, migration_name="V9.sql", migration_sql="select 1;")
    deployment = site.ready(release)
    assert drive(deployment) == lifecycle.SUCCEEDED, explained(deployment)
    assert all(held(machine)[part] != text for part, text in before.items())
    yield deployment, before


def ask(site: Site, deployment: Deployment) -> Recovery:
    return recovery.ask(deployment, site.requester, Actor(site.requester), "a fault while we go back")


def rollback_of(deployment: Deployment) -> Deployment:
    """Its rollback, once it has begun."""
    started = Deployment.objects.filter(undoes=deployment, started_at__isnull=False)
    until(started.exists)
    return started.get()


def all_is_back(machine: Machine, rollback: Deployment, before: dict[str, bytes]) -> None:
    rollback.refresh_from_db()
    assert rollback.status == lifecycle.SUCCEEDED, explained(rollback)
    assert held(machine) == before
    assert b'"status":"UP","version":"1"' in wait_for(machine, "curl -fsS http://localhost:8080/health")
    nothing_is_left(machine)
    copies = machine.run("psql -U postgres -Atc \"select datname from pg_database where datname ~ 'restor'\"").stdout
    assert copies == b""


def begun(site: Site, deployment: Deployment) -> Deployment:
    """Its rollback, asked for and ready to be driven by this process."""
    ask(site, deployment)
    recovering.carry_out(Recovery.objects.get(deployment=deployment).pk)
    return rollback_of(deployment)
