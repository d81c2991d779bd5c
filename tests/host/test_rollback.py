"""Going back on a real server: by itself after a broken release, and while workers, connections and disks fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from releases import lifecycle
from releases.audit import Actor, verify
from releases.engine import decide, roll_back
from releases.models import Announcement, Deployment, Environment, ProbeResult, Recovery
from releases.remote import faults
from releases.way_back import WayBack
from tests.host.apps import samples
from tests.host.apps.samples import wait_for
from tests.host.machine import Machine
from tests.host.rollbacks import all_is_back, ask, begun, damaged, held, nothing_is_left, rollback_of, site
from tests.host.site import Site, drive, explained, newest, process, until

__all__ = ["damaged", "site"]

pytestmark = pytest.mark.django_db(transaction=True)

GOAL = 60  # seconds that a rollback may take where no database is restored


@contextmanager
def installation(machine: Machine, data_dir: Path, *more: str) -> Iterator[None]:
    """Workers and clock as `make up` starts them."""
    with process("beat", machine, data_dir), process("worker", machine, data_dir):
        if not more:
            yield
            return
        with process(more[0], machine, data_dir):
            yield


def over(deployment: Deployment, seconds: float = 180.0) -> str:
    """Wait until it rests."""
    rows = Deployment.objects.filter(pk=deployment.pk)
    until(lambda: rows.get().status in lifecycle.FINISHED | {lifecycle.UNKNOWN}, seconds)
    deployment.refresh_from_db()
    return deployment.status


@pytest.mark.parametrize("schema", [True, False], ids=["with a schema change", "without one"])
def test_a_broken_release_goes_back_by_itself(site: Site, machine: Machine, data_dir: Path, schema: bool) -> None:
    Environment.objects.filter(pk=site.environment.pk).update(automatic_rollback=Environment.Automatic.ON)
    site.environment.refresh_from_db()
    before = held(machine)
    changes = {"schema_changed": True, "migration_name": samples.MIGRATION.name} if schema else {}
    sql = {"migration_sql": samples.MIGRATION.read_text()} if schema else {}
    with installation(machine, data_dir, "probes"):
        answered = ProbeResult.objects.filter(probe__environment=site.environment).values("probe").distinct()
        until(lambda: answered.count() == 2)
        site.build(3)
        deployment = site.ready(site.release("v2", site.check_out(3), **changes, **sql))
        assert over(deployment) == lifecycle.FAILED, explained(deployment)
        changed = held(machine)
        assert (changed["tables"] != before["tables"]) == schema
        until(lambda: Recovery.objects.filter(deployment=deployment, ended_at__isnull=False).exists(), 120)
    found = Recovery.objects.get(deployment=deployment)
    rollback = found.rollback
    assert rollback is not None, found.problem
    assert (found.ending, rollback.status) == ("succeeded", lifecycle.SUCCEEDED), explained(rollback)
    assert found.rule in {"page", "health"} and rollback.started_by is None
    assert held(machine) == before
    assert b'"status":"UP","version":"1"' in wait_for(machine, "curl -fsS http://localhost:8080/health")
    assert b"frontend release 1" in machine.run("curl -fsS http://localhost").stdout
    assert rollback.steps.get(key="restore_database").status == (lifecycle.SUCCEEDED if schema else lifecycle.SKIPPED)
    took = rollback.seconds_taken() or 0.0
    assert schema or took < GOAL
    assert rollback.downtime_measured and rollback.downtime_measured > 0
    assert Announcement.objects.get(deployment=rollback).state == "done"
    nothing_is_left(machine)
    assert list(verify()) == []
    what = "with its database" if schema else "without its database"
    print(f"rolled back by itself {what}: {took:.1f} s, downtime measured {rollback.downtime_measured:.1f} s")


def test_the_frontend_alone_goes_back_by_the_shipped_procedure(site: Site, machine: Machine) -> None:
    """The pages of release 1 are there beside the backend and the data of release 2, which are left alone."""
    before = held(machine)
    site.build(2)
    sql = {"migration_name": samples.MIGRATION.name, "migration_sql": samples.MIGRATION.read_text()}
    deployment = site.ready(site.release("v2", site.check_out(2), schema_changed=True, **sql))
    assert drive(deployment) == lifecycle.SUCCEEDED, explained(deployment)
    deployed, backend = held(machine), "systemctl show spring-boot --property=MainPID,ActiveEnterTimestamp"
    running = machine.run(backend).stdout
    way = WayBack(deployment, None, site.project.services.get(key="frontend"))
    rollback, _new = roll_back.draft(way, site.requester, Actor(site.requester), "frontend-alone")
    site.start(rollback)
    assert drive(rollback) == lifecycle.SUCCEEDED, explained(rollback)
    found = held(machine)
    assert found == {**deployed, "next": before["next"]}
    assert machine.run(backend).stdout == running
    assert b"frontend release 1" in machine.run("curl -fsS http://localhost").stdout
    assert rollback.downtime_opened_at is not None and rollback.downtime_closed_at is not None
    print(f"frontend alone rolled back: {rollback.seconds_taken() or 0.0:.1f} s")
    whole, _new = roll_back.draft(WayBack(deployment), site.requester, Actor(site.requester), "and-the-rest")
    site.start(whole)
    assert drive(whole) == lifecycle.SUCCEEDED, explained(whole)
    assert held(machine) == before
    nothing_is_left(machine)


# One for each step; the last one has no script that could be launched.
POINTS = (
    "after_begin", "before_launch", "after_exec", "after_write", "after_follow", "before_finish", "after_exec",
    "before_finish",
)  # fmt: skip


def test_the_worker_killed_at_each_step_of_it(
    site: Site,
    machine: Machine,
    data_dir: Path,
    damaged: tuple[Deployment, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed with -9 at a point of every step; no step is done twice and both versions are never mixed."""
    deployment, before = damaged
    monkeypatch.setenv("CLOUDWIKI_FAULT_POINTS", "1")
    orders = data_dir / "faults"
    (orders / "taken").mkdir(parents=True)
    with installation(machine, data_dir):
        ask(site, deployment)
        rollback = rollback_of(deployment)
        killed = 0
        while over_yet(rollback) is None and killed < len(POINTS):
            passed, order = passed_steps(rollback), orders / f"{rollback.pk}.{POINTS[killed]}"
            order.write_text("kill")
            until(lambda order=order: not order.exists() or over_yet(rollback) is not None, 120)  # type: ignore[misc]
            killed += not order.exists()
            until(lambda n=passed: passed_steps(rollback) > n or over_yet(rollback) is not None, 120)  # type: ignore[misc]
        assert over(rollback) == lifecycle.SUCCEEDED, explained(rollback)
    all_is_back(machine, rollback, before)
    assert killed == len(POINTS) == rollback.steps.count()
    begun = {step.key: step.attempts.count() for step in rollback.steps.all()}
    assert set(begun.values()) == {1}, begun


def passed_steps(rollback: Deployment) -> int:
    return int(rollback.steps.filter(status__in=lifecycle.STEP_PASSED).count())


def over_yet(rollback: Deployment) -> str | None:
    status = Deployment.objects.values_list("status", flat=True).get(pk=rollback.pk)
    return status if status in lifecycle.FINISHED | {lifecycle.UNKNOWN} else None


def test_the_connection_lost_at_each_step_of_it(
    site: Site, machine: Machine, damaged: tuple[Deployment, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every session of the login is ended on the machine, once while each step is at work."""
    deployment, before = damaged
    cut: set[str] = set()

    def lose(point: str) -> None:
        busy = rollback.steps.filter(status__in=lifecycle.STEP_BUSY).first()
        # The one without a script asks over the connection as soon as it has begun.
        if busy is not None and point == ("after_begin" if busy.key == "health_check" else "after_exec"):
            if busy.key not in cut:
                machine.run("sudo pkill -f '^sshd-session: deploy'", check=False)
            cut.add(busy.key)

    rollback = begun(site, deployment)
    monkeypatch.setattr(faults, "hook", lose)
    assert drive(rollback) == lifecycle.SUCCEEDED, explained(rollback)
    all_is_back(machine, rollback, before)
    assert cut == set(rollback.steps.values_list("key", flat=True))
    assert {step.attempts.count() for step in rollback.steps.all()} == {1}


def test_a_full_disk_at_each_step_of_it(
    site: Site,
    machine: Machine,
    data_dir: Path,
    damaged: tuple[Deployment, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A step is refused with a sentence before it changes anything; with room again, it is done."""
    deployment, before = damaged
    small = "/home/deploy/.cloudwiki"
    machine.run(f"sudo mount -t tmpfs -o size=8m,uid=1000,mode=700 small {small}")
    refused: list[str] = []

    def fill(point: str) -> None:
        if point == "after_begin" and rollback.steps.get(status__in=lifecycle.STEP_BUSY).attempts.count() == 1:
            machine.run(f"cat /dev/zero > {small}/filler", check=False)

    try:
        rollback = begun(site, deployment)
        monkeypatch.setattr(faults, "hook", fill)
        while drive(rollback) != lifecycle.SUCCEEDED:
            step = rollback.steps.get(status__in=lifecycle.STEP_STOPPED)
            assert step.status == lifecycle.ERRORED and newest(rollback, step.key).reason, explained(rollback)
            refused.append(step.key)
            machine.run(f"rm {small}/filler")
            decide.retry(step, Actor(site.requester))
    finally:
        machine.run(f"sudo umount -l {small}", check=False)
    all_is_back(machine, rollback, before)
    # The last one asks over HTTP and writes nothing, so it needs no room.
    assert refused == list(
        rollback.steps.exclude(key="health_check").order_by("position").values_list("key", flat=True)
    )
