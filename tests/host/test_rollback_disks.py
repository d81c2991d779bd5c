"""Going back on a real server while the very disk that a step writes to is full: the app's, the site's, the database's.

Each is a small file system of its own, filled before the step looks for room, or in the middle of what it writes.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest
from django.conf import LazySettings

from releases import lifecycle
from releases.audit import Actor
from releases.engine import decide
from releases.models import Deployment
from releases.remote import faults
from tests.host.apps import samples
from tests.host.machine import Machine
from tests.host.rollbacks import all_is_back, begun, damaged, held, nothing_is_left, site
from tests.host.site import Site, drive, explained, log_of, newest

__all__ = ["damaged", "site"]

pytestmark = pytest.mark.django_db(transaction=True)

SERVER, SPACE = "/var/lib/postgresql/17", "/srv/database"
# Loop devices are not to be had in the host, so each disk is a tmpfs with a limit. What is mounted privately below
# /srv still shows what was there before.
PARTITION = """set -e
small() { # FOLDER SIZE: what is in the folder goes to a disk of its own
  was=/srv/was$(echo "$1" | tr / -)
  sudo mkdir -p "$was" "$1"
  sudo mount --bind "$1" "$was"
  sudo mount --make-private "$was"
  sudo mount -t tmpfs -o "size=$2" small "$1"
  sudo tar -C "$was" --exclude=./node_modules -cf - . | sudo tar -C "$1" -xpf -
}
sudo systemctl stop spring-boot postgresql
small /app/backend 4m
small /app/frontend 64m
sudo mkdir /app/frontend/node_modules
sudo mount --bind /srv/was-app-frontend/node_modules /app/frontend/node_modules
small /var/lib/postgresql/17 192m
small /srv/database 64m
sudo install -d -o postgres -g postgres -m 700 /srv/database/space
sudo systemctl start postgresql
until psql -U postgres -c "create tablespace space location '/srv/database/space'"; do sleep 0.1; done
sudo systemctl start spring-boot
"""
# The first time that it is called with these words, the disk fills up; then, or before that, it does its work.
PROGRAM = """#!/bin/sh
case "$*" in
*{words}*) if rm /home/deploy/armed 2>/dev/null; then
  {first}
  {then}
  exit 0
fi ;;
esac
exec /usr/bin/{program} "$@"
"""


class Filler(NamedTuple):
    """What fills a disk: nothing but us (no program), or a program of the step, when called with these words."""

    disk: str
    program: str = ""
    words: str = ""
    leave: int = 0  # kB that stay free, so that something of it can still be written
    after: bool = False  # the program's own work comes first

    @property
    def command(self) -> str:
        """Fill it, whoever owns it."""
        if not self.leave:
            return f"sudo sh -c 'cat /dev/zero >{self.disk}/filler' 2>/dev/null"
        free = f"$(df -Pk {self.disk} | tail -n 1 | tr -s ' ' | cut -d' ' -f4)"
        return f'sudo sh -c "head -c $(({free} - {self.leave}))k /dev/zero >{self.disk}/filler"'

    def arm(self, machine: Machine) -> None:
        """From now on it is full, or will be."""
        if not self.program:
            machine.run(self.command, check=False)
            return
        real = f'/usr/bin/{self.program} "$@"'
        first, then = (f"{real} || exit", self.command) if self.after else (self.command, f"exec {real}")
        text = PROGRAM.format(words=self.words, first=first, then=then, program=self.program)
        place = f"/usr/local/bin/{self.program}"
        machine.run(f"sudo tee {place} >/dev/null && sudo chmod 755 {place} && touch armed", text.encode())

    def disarm(self, machine: Machine) -> None:
        """There is room again, and every program is as it was."""
        program = f"/usr/local/bin/{self.program} armed" if self.program else ""
        machine.run(f"sudo rm -f {self.disk}/filler {program}")


BEFORE = {
    "restore_backend": [Filler("/app/backend")],
    "restore_frontend": [Filler("/app/frontend")],
    "restore_database": [Filler(SPACE)],
}
MIDDLE = {
    "restore_backend": [Filler("/app/backend", "cp", "app.jar", leave=4)],
    "restore_frontend": [Filler("/app/frontend", "cp", ".next", leave=400)],
    "restore_database": [Filler(SPACE, "psql", "--file=", leave=256)],
}
SERVERS = {
    "restore_database": [
        Filler(SERVER),
        Filler(SERVER, "psql", "--file=", leave=256),
        Filler(SERVER, "psql", "'--quiet --set=ON_ERROR_STOP=1 --dbname'", after=True),
    ]
}
REFUSALS = {
    "before": ["Too little room to restore"] * 3,
    "middle": ["could not be copied. Nothing was changed"] * 2 + ["could not be restored. The live one is as it was"],
}
STAYS = "what was restored so far is there until the next try"  # the server has no room to drop it
PARTS = {"restore_backend": "jar", "restore_frontend": "next", "restore_database": "tables"}


@pytest.fixture(autouse=True)
def _in_english(settings: LazySettings) -> None:
    settings.LANGUAGE_CODE = "en"


@pytest.fixture(scope="module")
def machine(host_support: None) -> Iterator[Machine]:
    """A host whose app, site, database server and one tablespace lie on a small disk each."""
    with Machine(layers=[samples.frontend_layer()], prepare=samples.install_release_1) as host:
        host.run(PARTITION)
        samples.start_release_1(host)
        yield host


def move(machine: Machine, tablespace: str) -> None:
    """The application's database to another disk, for which nobody may be connected."""
    statement = f"alter database cloudwiki set tablespace {tablespace}"
    machine.run(
        f"sudo systemctl stop spring-boot && psql -U postgres -c '{statement}' && sudo systemctl start spring-boot"
    )


@pytest.fixture
def in_a_tablespace(machine: Machine) -> None:
    move(machine, "space")


@pytest.fixture
def on_the_servers_disk(machine: Machine) -> None:
    move(machine, "pg_default")


def kept(machine: Machine) -> bytes:
    """Every backup, with its SHA-256."""
    return machine.run("find /app/backup -type f -exec sha256sum {} + | sort; find /app/backup -type l -ls").stdout


class Rollback:
    """One rollback that meets full disks on its way."""

    def __init__(self, site: Site, machine: Machine, damaged: tuple[Deployment, dict[str, bytes]]) -> None:
        self.machine, self.user = machine, site.requester
        deployment, self.before = damaged
        self.backups, self.now = kept(machine), held(machine)
        self.row = begun(site, deployment)
        self.refused: list[tuple[str, str]] = []

    def run(self, fillers: Mapping[str, list[Filler]], monkeypatch: pytest.MonkeyPatch) -> None:
        """To its end: after each refusal there is room again, and the step is tried once more."""
        armed: list[Filler] = []

        def arm(point: str) -> None:
            busy = self.row.steps.filter(status__in=lifecycle.STEP_BUSY).first()
            if busy is not None and point == "after_begin":
                for filler in fillers.get(busy.key, [])[busy.attempts.count() - 1 :][:1]:
                    armed.append(filler)
                    filler.arm(self.machine)

        monkeypatch.setattr(faults, "hook", arm)
        while True:
            ended = drive(self.row)
            assert self.machine.run("pg_isready -q", check=False).returncode == 0, explained(self.row)
            while armed:
                armed.pop().disarm(self.machine)
            if ended == lifecycle.SUCCEEDED:
                return
            self._refusal()

    def _refusal(self) -> None:
        """What is there is wholly the one or the other, and the copies are as they were."""
        step = self.row.steps.get(status__in=lifecycle.STEP_STOPPED)
        reason = newest(self.row, step.key).reason
        assert step.status == lifecycle.FAILED and reason, explained(self.row)
        self.refused.append((step.key, reason))
        done = self.row.steps.filter(key__in=PARTS, status=lifecycle.SUCCEEDED).values_list("key", flat=True)
        expected = self.now | {PARTS[key]: self.before[PARTS[key]] for key in done}
        assert held(self.machine) == expected, self.refused
        assert kept(self.machine) == self.backups
        nothing_is_left(self.machine)
        made = "select datname from pg_database where datname ~ '_(restore|before)_'"
        left = self.machine.run(f'psql -U postgres -Atc "{made}"').stdout
        assert bool(left) == (STAYS in log_of(self.row, step.key)), explained(self.row)
        decide.retry(step, Actor(self.user))


@pytest.mark.usefixtures("in_a_tablespace")
@pytest.mark.parametrize(("moment", "fillers"), [("before", BEFORE), ("middle", MIDDLE)], ids=["before", "middle"])
def test_the_disk_that_a_step_writes_to_is_full(
    site: Site,
    machine: Machine,
    damaged: tuple[Deployment, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    fillers: dict[str, list[Filler]],
) -> None:
    rollback = Rollback(site, machine, damaged)
    rollback.run(fillers, monkeypatch)
    assert [key for key, _reason in rollback.refused] == list(PARTS)
    for (_key, reason), words in zip(rollback.refused, REFUSALS[moment], strict=True):
        assert words in reason
    if moment == "middle":
        assert ["full" in reason or "No space left" in reason for _key, reason in rollback.refused] == [True] * 3
    all_is_back(machine, rollback.row, rollback.before)
    assert kept(machine) == rollback.backups


@pytest.mark.usefixtures("on_the_servers_disk")
def test_the_disk_of_the_whole_database_server_is_full(
    site: Site, machine: Machine, damaged: tuple[Deployment, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the look for room, in the middle of the restore, and just before the two databases change their names."""
    rollback = Rollback(site, machine, damaged)
    rollback.run(SERVERS, monkeypatch)
    reasons = [reason for _key, reason in rollback.refused]
    assert "Too little room" in reasons[0] and "Nothing was changed" in reasons[0]
    assert all("No space left on device" in reason and "as it was" in reason for reason in reasons[1:])
    assert len(reasons) in {2, 3}, reasons  # to change the names may need no more room
    all_is_back(machine, rollback.row, rollback.before)
    assert kept(machine) == rollback.backups
