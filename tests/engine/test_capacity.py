"""Reading a host over SSH: a real server, real processes, a real database, and everything that may go wrong."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import LazySettings

from releases.audit import Actor
from releases.engine import capacity, capacity_keeping, clock
from releases.engine.errors import Conflict
from releases.insights import capacity_commands
from releases.insights.capacity_asking import asked_of
from releases.insights.capacity_seen import planned_and_measured
from releases.models import AuditEvent, CapacityHour, CapacitySample, Component, Host, HostWatch
from tests.costs import watched
from tests.engine.database import new_database
from tests.engine.stage import Stage, start_host

MARK = "a-mark-of-this-test"


@pytest.fixture
def host(stage: Stage, settings: LazySettings) -> Host:
    """A host by SSH that is opted in."""
    settings.SSH_KEY_FILE = stage.server.client_key
    watched(stage.world.host)
    return stage.world.host


@pytest.fixture
def worker() -> Iterator[None]:
    """A process that stays, takes memory, and does something."""
    text = "held = bytearray(40_000_000)\nwhile True: sum(range(10000))"
    process = subprocess.Popen([sys.executable, "-c", text, MARK])
    yield
    process.kill()
    process.wait()


def read(host: Host) -> CapacitySample:
    """Have it read as beat's message does, and give what is kept."""
    CapacitySample.objects.filter(host=host).update(at=clock.now() - timedelta(minutes=5))
    capacity.carry_out(host.pk)
    found = CapacitySample.objects.filter(host=host).last()
    assert found is not None
    return found


def change(host: Host, **fields: Any) -> None:
    HostWatch.objects.filter(host=host).update(**fields)


def test_what_is_kept_is_what_the_machine_says(host: Host, worker: None) -> None:
    Component.objects.create(host=host, name="App", match="command", value=MARK)
    Component.objects.create(host=host, name="Rest", match="rest", position=1)
    found = read(host)
    assert found.problem == ""
    assert found.cpus == psutil.cpu_count()
    memory = psutil.virtual_memory()
    assert found.memory_total == memory.total
    assert 0 < (found.memory_used or 0) < memory.total
    assert found.disks[0]["path"] == "/"
    assert found.uptime and found.cpu is not None and found.load is not None
    app, rest = (
        planned_and_measured(list(host.components.all()), clock.now())[one.pk] for one in host.components.all()
    )
    assert app and rest
    assert app["processes"] == 1
    assert 40_000_000 < app["memory"] < 200_000_000
    assert app["cpu"] > 0
    assert rest["processes"] > 5
    hour = CapacityHour.objects.get(host=host)
    assert (hour.readings, hour.failed) == (1, 0)
    assert hour.memory_share is not None
    assert HostWatch.objects.get(host=host).began_at is None


def test_no_command_line_is_kept(host: Host, worker: None) -> None:
    read(host)
    kept = [str(vars(row)) for model in (CapacitySample, CapacityHour) for row in model.objects.all()]
    assert kept
    assert not [row for row in kept if MARK in row]


def test_cpu_is_what_was_used_since_the_reading_before(host: Host) -> None:
    first = read(host)
    busy, total = first.ticks["busy"], first.ticks["total"]
    ticks = {"boot": first.ticks["boot"], "busy": busy - 1000, "total": total - 1000}
    CapacitySample.objects.filter(pk=first.pk).update(ticks=ticks)
    assert (read(host).cpu or 0) > 50
    CapacitySample.objects.all().update(ticks=ticks | {"boot": "another"})
    assert (read(host).ticks["boot"]) == first.ticks["boot"]


def test_a_machine_of_busybox(host: Host, stage: Stage, tmp_path: Path) -> None:
    tools = tmp_path / "busybox"
    tools.mkdir()
    subprocess.run(["busybox", "--install", "-s", tools], check=True)
    folder = tmp_path / "small"
    folder.mkdir()
    server = start_host(folder, first_on_path=tools)
    try:
        Host.objects.filter(pk=host.pk).update(port=server.port, host_key=server.host_key)
        server_key = stage.server.client_key.with_suffix(".pub").read_text()
        (server.folder / "authorized_keys").write_text(server_key)
        found = read(Host.objects.get(pk=host.pk))
    finally:
        server.stop()
    assert found.problem == ""
    assert found.memory_used and found.cpu is not None and found.disks
    assert "processes" not in found.missing


def test_connections_are_asked_with_psql_or_said_to_be_unknown(host: Host, stage: Stage) -> None:
    change(host, database="psql")
    assert read(host).connections is None
    assert [entry for entry in CapacitySample.objects.latest("at").missing if entry.startswith("connections psql:")]
    with new_database() as server:
        names = {"database": "db_name", "host": "db_host", "port": "db_port", "user": "db_user"}
        for name, value in server.parameters.items():
            stage.variable(names[name], str(value))
        found = read(host)
        row = server.session.execute("SHOW max_connections").fetchone()
    assert row is not None
    assert found.max_connections == int(row[0])
    assert (found.connections or 0) >= 1


def test_connections_by_processes_take_the_limit_that_was_given(host: Host) -> None:
    assert "max_connections" in read(host).missing
    change(host, max_connections=200)
    found = read(host)
    assert found.max_connections == 200
    assert found.connections is not None  # those of this very test among them
    assert found.connections >= 1


def test_a_host_that_is_away_says_so_and_counts_nothing(host: Host, stage: Stage) -> None:
    stage.server.stop()
    found = read(host)
    assert found.problem
    assert (found.cpu, found.memory_used, found.connections, found.disks) == (None, None, None, [])
    hour = CapacityHour.objects.get(host=host)
    assert (hour.readings, hour.failed, hour.cpu, hour.memory_share) == (0, 1, None, None)


def test_another_key_is_refused_and_audited(host: Host, stage: Stage) -> None:
    stage.server.stop()
    stage.server.new_host_key()
    stage.server.start()
    assert "key" in read(host).problem
    assert AuditEvent.objects.filter(action="host.key_changed").count() == 1


def test_commands_that_do_not_end_are_let_go(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    monkeypatch.setattr(capacity_commands, "SECONDS", 1.0)
    (stage.home / "bin").mkdir()
    slow = stage.home / "bin" / "nproc"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    found = read(host)
    assert "1" in found.problem
    assert found.cpus is None


def test_an_answer_without_end_is_not_kept(host: Host, monkeypatch: pytest.MonkeyPatch, stage: Stage) -> None:
    (stage.home / "bin").mkdir()
    loud = stage.home / "bin" / "nproc"
    loud.write_text("#!/bin/sh\nexec yes\n")
    loud.chmod(0o755)
    assert "1 MB" in read(host).problem


def test_a_host_that_is_not_opted_in_is_left_alone(host: Host, stage: Stage) -> None:
    change(host, is_on=False)
    capacity.carry_out(host.pk)
    capacity.order_due()
    person = stage.world.requester
    with pytest.raises(Conflict):
        capacity.ask(host, person, Actor(person))
    assert not CapacitySample.objects.exists()
    assert HostWatch.objects.get(host=host).due_at is None


def test_a_press_orders_one_reading(host: Host, stage: Stage) -> None:
    person = stage.world.requester
    capacity.ask(host, person, Actor(person))
    with pytest.raises(Conflict):
        capacity.ask(host, person, Actor(person))
    capacity.carry_out(host.pk)
    watch = HostWatch.objects.get(host=host)
    assert (watch.asked_at, watch.asked_by, watch.began_at) == (None, None, None)
    assert CapacitySample.objects.count() == 1
    with pytest.raises(Conflict):
        capacity.ask(host, person, Actor(person))  # a moment ago
    assert AuditEvent.objects.filter(action="host.read").count() == 1


def test_one_worker_at_a_time_and_another_after_a_dead_one(host: Host) -> None:
    change(host, began_at=clock.now())
    capacity.carry_out(host.pk)
    assert not CapacitySample.objects.exists()
    change(host, began_at=clock.now() - timedelta(minutes=3))
    capacity.carry_out(host.pk)
    assert CapacitySample.objects.count() == 1
    capacity.carry_out(host.pk)  # a second message for the same reading
    assert CapacitySample.objects.count() == 1


def test_the_next_reading_is_due_some_minutes_later(host: Host) -> None:
    capacity.order_due()
    due = HostWatch.objects.get(host=host).due_at
    assert due is not None
    assert timedelta(minutes=4) < due - clock.now() <= capacity.INTERVAL
    capacity.order_due()
    assert HostWatch.objects.get(host=host).due_at == due


def test_readings_are_given_up_after_a_week_and_hours_later(host: Host) -> None:
    now = clock.now()
    for days in (6, 8):
        CapacitySample.objects.create(host=host, at=now - timedelta(days=days))
    for days in (300, 401):
        CapacityHour.objects.create(host=host, hour=now - timedelta(days=days), readings=1)
    capacity_keeping.prune()
    assert CapacitySample.objects.count() == 1
    assert CapacityHour.objects.count() == 1


def test_what_is_listed_is_what_runs(host: Host, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [command.text for command in asked_of(host, host.watch)]
    ran: list[str] = []
    real = capacity_commands.script

    def seen(asked: Any, mark: str) -> str:
        text = real(asked, mark)
        ran.append(text)
        return text

    monkeypatch.setattr(capacity_commands, "script", seen)
    read(host)
    assert all(command in ran[0] for command in listed)
    own = [line for line in ran[0].splitlines() if not line.startswith(("printf ", "export ", ") 2>"))]
    assert len(own) == len(listed)
