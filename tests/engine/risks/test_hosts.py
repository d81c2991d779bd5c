"""Checks of a host over a real SSH server: what can be made so without a machine of one's own; see tests/host."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from releases.models import Host, HostLooks
from releases.risks import database_port, env_files
from releases.risks.finding import Said, say
from tests.engine.risks.looks import look, seen, switch_on, told
from tests.engine.sshd import Sshd
from tests.engine.stage import start_host
from tests.factories import World, make_world

KINDS = ("env_files", "ssh_login", "restart_policy", "memory", "disk", "cpu_steal", "file_descriptors", "database_port")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    found = start_host(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def world(db: None, server: Sshd, settings: LazySettings) -> World:
    settings.SSH_KEY_FILE = server.client_key
    world = make_world()
    Host.objects.filter(pk=world.host.pk).update(
        address="127.0.0.1", port=server.port, user=server.user, host_key=server.host_key
    )
    world.host.refresh_from_db()
    return world


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_asked_before_somebody_switches_it_on(world: World, server: Sshd, kind: str) -> None:
    before = server.log.read_text()
    found = look(kind, world.project)
    assert found.seen == "not_known" and "off" in told(found)
    switch_on(world.host)
    HostLooks.objects.update(folders=["/other"], ports=[1])
    found = look(kind, world.project)
    assert found.seen == "not_known" and "changed" in told(found)
    assert server.log.read_text() == before


def test_a_host_that_is_down_is_never_green(world: World, server: Sshd) -> None:
    switch_on(world.host)
    server.stop()
    found = {kind: seen(kind, world.project) for kind in KINDS}
    assert set(found.values()) == {"not_known"}
    server.start()


def test_rights_of_env_files(world: World, tmp_path: Path) -> None:
    app = tmp_path / "app"
    (app / "back end" / "node_modules").mkdir(parents=True)
    switch_on(world.host, folders=[str(app)])
    assert seen("env_files", world.project) == "ok"  # none there
    file = app / "back end" / ".env"
    for path in (file, app / "back end" / "node_modules" / ".env", app / ".env.example"):
        path.touch()
        path.chmod(0o644)
    found = look("env_files", world.project)
    assert found.seen == "risk" and f"{file}: 644" in told(found)
    assert "node_modules" not in told(found) and "example" not in told(found)
    for mode, state in ((0o660, "warning"), (0o640, "ok"), (0o600, "ok")):
        file.chmod(mode)
        assert seen("env_files", world.project) == state
    other = tmp_path / "it's.secret"
    switch_on(world.host, folders=[str(app)], files=[str(other)])
    assert seen("env_files", world.project) == "not_known"  # not there
    other.touch()
    other.chmod(0o604)
    assert seen("env_files", world.project) == "risk"
    shutil.rmtree(app)
    other.chmod(0o600)
    assert seen("env_files", world.project) == "not_known"


def test_a_hostile_path_is_only_a_word(world: World, tmp_path: Path) -> None:
    switch_on(world.host, folders=[f"/; touch {tmp_path}/pwned; '"], files=[f"$(touch {tmp_path}/pwned)"])
    assert seen("env_files", world.project) == "not_known"
    assert not (tmp_path / "pwned").exists()


def test_passwords_at_the_login(world: World, server: Sshd) -> None:
    switch_on(world.host)
    server.stop()
    server.settings += "\nPasswordAuthentication yes"
    server.start()
    found = look("ssh_login", world.project)
    assert found.seen == "risk" and "password" in told(found)


def test_memory_disk_and_processors_are_measured(world: World) -> None:
    switch_on(world.host)
    for kind, words in (("memory", "Available"), ("disk", "%"), ("cpu_steal", "Stolen")):
        found = look(kind, world.project)
        assert found.seen != "not_known", told(found)
        assert words in told(found)


def test_a_process_near_its_limit_of_files(world: World) -> None:
    switch_on(world.host)
    opens = "import resource,sys\nresource.setrlimit(resource.RLIMIT_NOFILE,(64,64))\n"
    opens += "held=[open('/dev/null') for _ in range(58)]\nprint('ready',flush=True)\nsys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", opens], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout and process.stdout.readline() == b"ready\n"
        found = look("file_descriptors", world.project)
        assert found.seen == "risk" and f"({process.pid})" in told(found)
    finally:
        process.communicate()
    assert f"({process.pid})" not in told(look("file_descriptors", world.project))


def test_a_port_of_this_server_itself_says_nothing(world: World) -> None:
    switch_on(world.host)
    assert seen("database_port", world.project) == "not_known"
    Host.objects.update(address="169.254.169.254")
    switch_on(world.host)
    found = look("database_port", world.project)
    assert found.seen == "not_known" and "metadata" in told(found)


@pytest.mark.parametrize("silent", [{5432}, {5432, 22}])
def test_a_host_that_answers_on_no_port_is_never_green(
    world: World, monkeypatch: pytest.MonkeyPatch, silent: set[int]
) -> None:
    def tried(_address: str, port: int) -> tuple[str, Said]:
        return ("" if port in silent else "closed"), say("as it was")

    monkeypatch.setattr(database_port, "_tried", tried)
    Host.objects.update(address="192.0.2.1", port=22)
    switch_on(Host.objects.get())
    assert seen("database_port", world.project) == ("not_known" if 22 in silent else "ok")
    switch_on(Host.objects.get(), ports=[])
    assert seen("database_port", world.project) == "not_known"


def test_a_link_to_an_env_file_and_a_long_list_are_not_passed_over(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = tmp_path / "app"
    app.mkdir()
    kept = tmp_path / "kept"
    kept.write_text("KEY=1")
    kept.chmod(0o644)
    (app / ".env").symlink_to(kept)
    switch_on(world.host, folders=[str(app)])
    assert seen("env_files", world.project) == "risk"
    kept.chmod(0o600)
    assert seen("env_files", world.project) == "ok"
    monkeypatch.setattr(env_files, "MOST", 1)
    switch_on(world.host, folders=[str(app)])
    assert seen("env_files", world.project) == "not_known"


def test_without_systemd_units_are_not_known(world: World) -> None:
    switch_on(world.host)
    found = look("restart_policy", world.project)
    assert found.seen in {"not_known", "risk"}  # risk: where this machine has a pm2 that nothing brings back
    switch_on(world.host, units=["no-such-unit-anywhere"])
    assert seen("restart_policy", world.project) != "ok"
