"""What backups are measured on: a file and a database on a machine, with our steps for them."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.ssh import expect
from bench.stage import world_on
from tests.engine.sshd import Sshd

if TYPE_CHECKING:
    from releases.models import Deployment
    from tests.engine.database import Server

ROW_BYTES = 240  # of a row with its share of the index
LONGER = 4096  # bytes by which a new build differs in size from the old one, as builds do


class Site:
    """Everything lies on one disk: the file, the database, our copies and those made by hand."""

    def __init__(self, machine: Sshd, server: Server, folder: Path, megabytes: int) -> None:
        self.machine, self.server, self.app = machine, server, folder / "app"
        self.app.mkdir(parents=True)
        self.jar, self.built = self.app / "app.jar", folder / "built.jar"
        for path in (self.jar, self.built):
            with path.open("wb") as file:
                for _megabyte in range(megabytes):
                    file.write(os.urandom(1 << 20))
        with self.built.open("ab") as file:
            file.write(os.urandom(LONGER))
        server.session.execute("CREATE TABLE meal (id int PRIMARY KEY, name text)")
        rows = megabytes * (1 << 20) // ROW_BYTES
        fill = "INSERT INTO meal SELECT n, repeat(md5(n::text), 5) FROM generate_series(1, %s) n"
        server.session.execute(fill, [rows])
        server.session.execute("VACUUM ANALYZE meal")
        server.session.close()  # a restore ends every session of the database

    @property
    def name(self) -> str:
        """Of the database."""
        return str(self.server.parameters["database"])

    def steps(self) -> list[dict[str, Any]]:
        """Those of a deployment that backs up and sends."""
        files = [{"path": str(self.jar), "link": "app.jar.bak"}]
        target = {"source": str(self.built), "destination": str(self.jar)}
        dump = {**self.server.parameters, "format": "custom", "destination": str(self.app / "dump")}
        return [
            _step("files", "backup_files", {"files": files, "destination": str(self.app / "backup")}),
            _settled("files_settled"),
            _step("dump", "backup_database", dump),
            _settled("dump_settled"),
            _step("send", "upload", target),
        ]

    def steps_back(self) -> list[dict[str, Any]]:
        """Those of the way back."""
        files = [{"path": str(self.jar), "link": "app.jar.bak"}]
        return [
            _step("files back", "restore_files", {"files": files}),
            _settled("files_back_settled"),
            _step("data", "restore_database", self.server.parameters),
        ]

    def settle(self) -> None:
        """What the one before wrote must not slow the next one down."""
        import psycopg

        from tests.engine.database import keys

        os.sync()
        with psycopg.connect(**keys(), dbname="postgres", autocommit=True) as session:
            session.execute("CHECKPOINT")

    def clear(self) -> None:
        """Remove what a round made, so that each begins with the same disk and the same databases."""
        import psycopg
        from django.conf import settings

        from tests.engine.database import keys

        for path in self.app.iterdir():
            if path != self.jar and not path.is_dir():
                path.unlink()
        shutil.rmtree(self.app / "backup", ignore_errors=True)
        shutil.rmtree(settings.BACKUPS_DIR, ignore_errors=True)
        live = self.server.parameters["database"]
        with psycopg.connect(**keys(), dbname="postgres", autocommit=True) as admin:
            found = "SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND datname <> %s"
            for (name,) in admin.execute(found, [live, live]).fetchall():
                admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _step(key: str, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
    common = {"title": {"ko": key}, "role": "DevOps", "phase": "replace", "runs_on": "app", "estimate": 60}
    return {"key": key.replace(" ", "_"), "action": action, "parameters": parameters, "timeout": 3600, **common}


def _settled(key: str) -> dict[str, Any]:
    """What `settle` is between what is done by hand; its time does not count."""
    return _step(key, "shell", {"command": "sync"})


def _runbook(kind: str, steps: list[dict[str, Any]]) -> str:
    return json.dumps({"kind": kind, "title": {"ko": kind}, "steps": steps})


@contextmanager
def site(megabytes: int) -> Iterator[Site]:
    """All of it, gone afterwards."""
    from cloudwiki.embedded.binaries import find_postgres
    from tests.engine.database import new_database

    folder = Path(tempfile.mkdtemp(prefix="cloudwiki-bench-"))
    path = f"{find_postgres().path.parent}:{os.environ['PATH']}"
    machine = Sshd(folder / "sshd", f"SetEnv PATH={path} HOME={folder}/sshd/home")
    machine.start()
    try:
        with new_database() as server:
            yield Site(machine, server, folder, megabytes)
    finally:
        machine.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Ours:
    """Deployments there and back; a step takes from its begin to its end, as the rows say."""

    def __init__(self, place: Site) -> None:
        from django.conf import settings

        from releases.models import Release
        from tests.factories import save_version

        settings.SSH_KEY_FILE = place.machine.client_key
        self.world = world_on(place.machine, _runbook("deploy", place.steps()))
        back = self.world.project.runbooks.create(key="back", name="Back", kind="rollback")
        save_version(back, _runbook("rollback", place.steps_back()))
        self.world.environment.rollback_runbook = back
        self.world.environment.save()
        release = self.world.release
        Release.objects.filter(pk=release.pk).update(schema_changed=True, migration_sql="SELECT 1;")
        release.refresh_from_db()
        self.deployed: Deployment | None = None

    def forth(self) -> dict[str, float]:
        """Seconds of backing up and sending."""
        self.deployed = _driven(self.world.draft())
        return _seconds(self.deployed)

    def back(self) -> dict[str, float]:
        """Seconds of putting back."""
        from releases.audit import Actor
        from releases.engine import roll_back
        from releases.way_back import WayBack

        user = self.world.requester
        expect(self.deployed is not None, "a deployment to undo")
        return _seconds(_driven(roll_back.draft(WayBack(self.deployed), user, Actor(user), uuid.uuid4().hex)[0]))  # type: ignore[arg-type]


def _driven(deployment: Deployment) -> Deployment:
    from releases import lifecycle
    from releases.audit import Actor
    from releases.engine import driver, start

    start.start(deployment, deployment.requested_by, Actor(deployment.requested_by), deployment.plan.digest)  # type: ignore[arg-type]
    while deployment.status not in lifecycle.FINISHED:
        driver.drive(deployment.pk)
        deployment.refresh_from_db()
    expect(deployment.status == lifecycle.SUCCEEDED, f"a success, not {deployment.error}")
    return deployment


def _seconds(deployment: Deployment) -> dict[str, float]:
    return {
        step.key: (step.finished_at - step.started_at).total_seconds()
        for step in deployment.steps.all()
        if step.started_at and step.finished_at
    }
