"""An application on a real host that is deployed and rolled back: one file, one folder, one database."""

import time
import uuid
from collections.abc import Callable
from typing import Any

from releases import lifecycle
from releases.audit import Actor
from releases.engine import clock, consent, driver, prepare, roll_back, start
from releases.models import Deployment, Host, Release
from releases.way_back import WayBack
from tests.engine.database import Server
from tests.engine.stage import STEP, Stage, runbook
from tests.factories import save_version


class Team:
    """An application on a real host: one file, one folder, one database; a deploy and a rollback runbook."""

    def __init__(self, stage: Stage, server: Server) -> None:
        self.stage, self.server, self.world = stage, server, stage.world
        self.app = stage.home / "app"
        self.environment = stage.world.environment
        server.session.execute("CREATE TABLE meal (id int PRIMARY KEY, name text)")
        server.session.execute("INSERT INTO meal SELECT n, 'old' FROM generate_series(1, 50) n")
        self._files("old")
        files = [
            {"path": str(self.app / "app.jar"), "link": "app.jar.bak"},
            {"path": str(self.app / ".next"), "link": ".next.bak", "folder": True},
        ]
        keep = {"files": files, "destination": str(stage.home / "backup")}
        change = f"cd {self.app} && echo new > app.jar && rm -r .next && mkdir .next && echo new > .next/BUILD_ID"
        self.deploy_steps = [
            self.step("files", "backup_files", keep),
            self.step("data", "backup_database", {**server.parameters, "destination": "dump"}),
            self.step("replace", "shell", {"command": change}, phase="replace", opens_downtime=True),
            self.step(
                "migrate", "sql", server.parameters, phase="replace", condition="schema_changed", closes_downtime=True
            ),
        ]
        back = [
            self.step("files_back", "restore_files", {"files": files}, opens_downtime=True),
            self.step("data_back", "restore_database", server.parameters, condition="schema_changed"),
            self.step("verify", "shell", {"command": f"test -s {self.app}/app.jar"}, closes_downtime=True),
        ]
        self.world.save_runbook(self.deploy_runbook())
        made = self.world.project.runbooks.create(key="back", name="Back", kind="rollback")
        save_version(made, runbook(back, kind="rollback"))
        self.environment.rollback_runbook = made
        self.environment.save()

    def deploy_runbook(self) -> str:
        """Its text, of the steps as they are now."""
        return runbook(self.deploy_steps)

    @staticmethod
    def until(condition: Callable[[], object]) -> None:
        """Wait for what a thread does."""
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.05)

    @staticmethod
    def step(key: str, action: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {**STEP, "key": key, "action": action, "parameters": parameters, **more}

    def _files(self, text: str) -> None:
        (self.app / ".next").mkdir(parents=True)
        (self.app / "app.jar").write_text(f"{text}\n")
        (self.app / ".next" / "BUILD_ID").write_text(f"{text}\n")

    def seen(self) -> tuple[str, str, list[Any]]:
        """What lies there now: the file, the folder, the table."""
        with self.server.reach() as session:
            rows = session.execute("SELECT count(*), min(name), max(name) FROM meal").fetchall()
        return (self.app / "app.jar").read_text(), (self.app / ".next" / "BUILD_ID").read_text(), rows

    def deploy_files(self) -> None:
        """Somebody puts the new files there."""
        (self.app / "app.jar").write_text("new\n")
        (self.app / ".next" / "BUILD_ID").write_text("new\n")

    def verify(self, action: str, parameters: dict[str, Any]) -> None:
        """From now on a deployment ends with this check."""
        check = self.step("check", action, parameters, phase="verify")
        self.world.save_runbook(runbook([*self.deploy_steps, check]))

    def run(self, deployment: Deployment) -> Deployment:
        """Approve, start and drive it to where it stops."""
        Host.objects.filter(pk=self.world.host.pk).update(last_checked_at=clock.now(), last_check_ok=True)
        approver, digest = self.world.approver, deployment.plan.digest
        consent.approve(deployment, approver, Actor(approver), digest)
        start.start(deployment, self.world.requester, Actor(self.world.requester), digest)
        driver.drive(deployment.pk)
        deployment.refresh_from_db()
        return deployment

    def deploy(self, version: str, sql: str = "") -> Deployment:
        """A release deployed without a fault."""
        done = self.try_deploy(version, sql)
        assert done.status == lifecycle.SUCCEEDED, [(s.key, s.status, s.reason) for s in done.steps.all()]
        return done

    def try_deploy(self, version: str, sql: str = "") -> Deployment:
        """A release deployed as far as it goes."""
        return self.run(self.draft(version, sql))

    def draft(self, version: str, sql: str = "") -> Deployment:
        """A release made, and the draft of its deployment."""
        release = Release.objects.create(
            project=self.world.project, version=version, commit="abcdef1", schema_changed=bool(sql),
            migration_name="V2.sql" if sql else "", migration_sql=sql,
        )  # fmt: skip
        return self.draft_of(release)

    def draft_of(self, release: Release) -> Deployment:
        """Another draft of a release."""
        user = self.world.requester
        made, _new = prepare.prepare(release, self.environment, user, Actor(user), uuid.uuid4().hex)
        return made

    def draft_back(self, undoes: Deployment, key: str = "") -> Deployment:
        user = self.world.requester
        return roll_back.draft(WayBack(undoes), user, Actor(user), key or uuid.uuid4().hex)[0]
