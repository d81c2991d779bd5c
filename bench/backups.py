"""Backing up, sending and putting back, against the same by hand in the same run.

python -m bench.backups [MEGABYTES]
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.ssh import expect, stock_ssh
from bench.stage import stage, world_on
from tests.engine.sshd import Sshd

if TYPE_CHECKING:
    from releases.models import Deployment
    from tests.engine.database import Server

MEGABYTES = 200  # of the file, and about that of the tables
ROW_BYTES = 240  # of a row with its share of the index
GOAL = 1.1  # times by hand


class Site:
    """A file and a database on a machine, with the runbooks that back them up, change them and go back."""

    def __init__(self, machine: Sshd, server: Server, folder: Path, megabytes: int) -> None:
        self.machine, self.server, self.app = machine, server, folder / "app"
        self.app.mkdir(parents=True)
        self.jar, self.built = self.app / "app.jar", folder / "built.jar"
        for path in (self.jar, self.built):
            with path.open("wb") as file:
                for _megabyte in range(megabytes):
                    file.write(os.urandom(1 << 20))
        server.session.execute("CREATE TABLE meal (id int PRIMARY KEY, name text)")
        rows = megabytes * (1 << 20) // ROW_BYTES
        fill = "INSERT INTO meal SELECT n, repeat(md5(n::text), 5) FROM generate_series(1, %s) n"
        server.session.execute(fill, [rows])

    def steps(self) -> list[dict[str, Any]]:
        """Those of a deployment that backs up and sends."""
        files = [{"path": str(self.jar), "link": "app.jar.bak"}]
        target = {"source": str(self.built), "destination": str(self.app / "app.jar")}
        dump = {**self.server.parameters, "format": "custom", "destination": str(self.app / "dump")}
        return [
            _step("files", "backup_files", {"files": files, "destination": str(self.app / "backup")}),
            _step("dump", "backup_database", dump),
            _step("send", "upload", target),
        ]

    def steps_back(self) -> list[dict[str, Any]]:
        """Those of the way back."""
        files = [{"path": str(self.jar), "link": "app.jar.bak"}]
        return [
            _step("files", "restore_files", {"files": files}),
            _step("data", "restore_database", self.server.parameters),
        ]


def _step(key: str, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
    common = {"title": {"ko": key}, "role": "DevOps", "phase": "replace", "runs_on": "app", "estimate": 60}
    return {"key": key, "action": action, "parameters": parameters, "timeout": 3600, **common}


def _runbook(kind: str, steps: list[dict[str, Any]]) -> str:
    return json.dumps({"kind": kind, "title": {"ko": kind}, "steps": steps})


@contextmanager
def site(megabytes: int) -> Iterator[Site]:
    """All of it, gone afterwards."""
    from cloudwiki.embedded.binaries import find_postgres
    from tests.engine.database import new_database

    folder = Path(tempfile.mkdtemp(prefix="cloudwiki-bench-"))
    path = f"{find_postgres().path.parent}:{os.environ['PATH']}"
    machine = Sshd(folder / "sshd", f"SetEnv PATH={path}")
    machine.start()
    try:
        with new_database() as server:
            yield Site(machine, server, folder, megabytes)
    finally:
        machine.stop()
        shutil.rmtree(folder, ignore_errors=True)


def measure(megabytes: int = MEGABYTES) -> Iterator[str]:
    """A line for each kind of work: ours, by hand, and the ratio."""
    with site(megabytes) as place:
        ours = _ours(place)
        hand = _by_hand(place)
    yield f"a file of {megabytes} MB of noise, and a database of about that size"
    for name, step, other in (
        ("dump", ours["dump"], "pg_dump"),
        ("restore, with the swap", ours["data"], "pg_restore"),
        ("back up a file", ours["files"], "cp"),
        ("put a file back", ours["files back"], "cp"),
        ("send, against scp", ours["send"], "scp"),
        ("send, against rsync", ours["send"], "rsync"),
    ):
        if other in hand:
            ratio = step / hand[other]
            missed = "" if ratio <= GOAL else ": misses"
            yield f"{name:<24}{step:7.2f} s   {other:<10}{hand[other]:7.2f} s   {ratio:5.2f} x   goal <= {GOAL}{missed}"


def _ours(place: Site) -> dict[str, float]:
    """Seconds of each step, from its begin to its end as the rows say."""
    from django.conf import settings

    from releases.audit import Actor
    from releases.engine import roll_back
    from releases.models import Release
    from releases.way_back import WayBack
    from tests.factories import save_version

    settings.SSH_KEY_FILE = place.machine.client_key
    world = world_on(place.machine, _runbook("deploy", place.steps()))
    back = world.project.runbooks.create(key="back", name="Back", kind="rollback")
    save_version(back, _runbook("rollback", place.steps_back()))
    world.environment.rollback_runbook = back
    world.environment.save()
    Release.objects.filter(pk=world.release.pk).update(schema_changed=True, migration_sql="SELECT 1;")
    world.release.refresh_from_db()
    deployed = _driven(world.draft())
    user = world.requester
    restored = _driven(roll_back.draft(WayBack(deployed), user, Actor(user), uuid.uuid4().hex)[0])
    return _seconds(deployed) | {f"{key} back" if key == "files" else key: s for key, s in _seconds(restored).items()}


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


def _by_hand(place: Site) -> dict[str, float]:
    """Seconds of what a person types, over plain ssh."""
    from tests.engine.database import keys

    reach = " ".join(f"--{'username' if key == 'user' else key}={value}" for key, value in keys().items())
    name, dump, machine = place.server.parameters["database"], place.app / "by-hand.dump", place.machine
    spare = f"{name}_by_hand"
    ssh = stock_ssh(machine)
    copied = f"{ssh[-1]}:{place.app}/"
    options = [word for word in ssh[1:-1] if word != "-p"]
    options.remove(str(machine.port))
    acts = {
        "pg_dump": [*ssh, f"pg_dump {reach} -Fc -f {dump} {name}"],
        "pg_restore": [*ssh, f"createdb {reach} {spare} && pg_restore {reach} --exit-on-error -d {spare} {dump}"],
        "cp": [*ssh, f"cp -a {place.jar} {place.app}/by-hand.jar"],
        "scp": ["scp", "-q", "-O", "-P", str(machine.port), *options, str(place.built), f"{copied}scp.jar"],
        "rsync": ["rsync", "-e", " ".join(ssh[:-1]), str(place.built), f"{copied}rsync.jar"],
    }
    return {name: _taken(command) for name, command in acts.items() if shutil.which(command[0])}


def _taken(command: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    expect(done.returncode == 0, f"{command[0]} to work, but: {done.stderr.strip()[-300:]}")
    return time.perf_counter() - began


def main(lines: Callable[[int], Iterator[str]] = measure) -> None:
    """This part alone."""
    with stage():
        for line in lines(int(sys.argv[1]) if len(sys.argv) > 1 else MEGABYTES):
            print(line, flush=True)


if __name__ == "__main__":
    main()
