"""The test host itself: what the seed's runbook does by hand works on it, and hosts are apart from each other."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host import slot
from tests.host.apps import samples
from tests.host.apps.samples import wait_for
from tests.host.machine import HostNotReady, Machine

Project = Callable[[int], Path]
HEALTH = "curl -sS http://localhost:8080/health"
PAGE = "curl -sS http://localhost:3000"


def build(project: Path, command: str) -> None:
    subprocess.run(command, shell=True, cwd=project, check=True, capture_output=True)


def closed(machine: Machine, port: int) -> bool:
    return machine.run(f"curl -sS http://localhost:{port}", check=False).returncode == 7


def test_it_is_a_booted_debian_server(machine: Machine) -> None:
    assert machine.run("systemctl is-system-running").stdout == b"running\n"
    assert b"VERSION_CODENAME=trixie" in machine.run("cat /etc/os-release").stdout
    assert machine.run("ps -o comm= -p 1").stdout == b"systemd\n"
    assert machine.run("sudo id -un").stdout == b"root\n"
    assert machine.run("sudo id -un").stderr == b""


def test_it_is_known_by_its_host_key(machine: Machine) -> None:
    scanned = subprocess.run(
        ["ssh-keyscan", "-t", "ed25519", machine.address], capture_output=True, text=True, check=True
    ).stdout
    assert scanned.split(maxsplit=1)[1].strip() == machine.host_key


def test_release_1_runs_behind_nginx(machine: Machine) -> None:
    assert b'"status":"UP","version":"1","rows":500' in machine.run(HEALTH).stdout
    assert b"frontend release 1" in machine.run(PAGE).stdout
    assert b"frontend release 1" in machine.run("curl -fsS http://localhost").stdout
    assert machine.run("curl -fsS http://localhost/api/meetings").stdout == b'{"meetings":500}'


def test_the_database_is_dumped_and_restored(machine: Machine) -> None:
    machine.run("cd /app/backup && pg_dump -U postgres -d cloudwiki > backup_20260107.sql")
    machine.run("psql -U postgres -qc 'create database restored'")
    machine.run("psql -U postgres -v ON_ERROR_STOP=1 -qd restored < /app/backup/backup_20260107.sql")
    count = "psql -U postgres -d {} -Atc 'select count(*), max(name) from member'"
    assert machine.run(count.format("restored")).stdout == machine.run(count.format("cloudwiki")).stdout
    assert machine.run(count.format("restored")).stdout.startswith(b"5000|")
    machine.run("psql -U postgres -qc 'drop database restored'")


def test_systemctl_stops_and_starts_the_backend(machine: Machine) -> None:
    machine.run("sudo systemctl stop spring-boot")
    assert closed(machine, 8080)
    machine.run("sudo systemctl start spring-boot")
    assert b'"UP"' in wait_for(machine, HEALTH)
    assert b"listens on port 8080" in machine.run("tail -n 20 /app/backend/logs/app.log").stdout


def test_pm2_stops_and_starts_the_frontend(machine: Machine) -> None:
    machine.run("pm2 stop nextjs")
    assert closed(machine, 3000)
    machine.run("pm2 start nextjs")
    assert b"frontend release 1" in wait_for(machine, PAGE)
    assert b"INFO rendered /" in wait_for(machine, "pm2 logs nextjs --nostream | grep 'INFO rendered'")


def test_nginx_tests_and_reloads_its_configuration(machine: Machine) -> None:
    assert b"syntax is ok" in machine.run("sudo nginx -t").stderr
    machine.run("sudo nginx -s reload")
    machine.run("echo 'nonsense;' | sudo tee /etc/nginx/conf.d/broken.conf")
    assert machine.run("sudo nginx -t", check=False).returncode == 1
    machine.run("sudo rm /etc/nginx/conf.d/broken.conf")
    assert machine.run("curl -fsS http://localhost/api/meetings").stdout


def test_the_seed_s_commands_bring_release_2_then_a_failing_release_3(sample_backend: Project) -> None:
    with Machine(layers=[samples.frontend_layer()], prepare=samples.install_release_1) as machine:
        samples.start_release_1(machine)
        backend = sample_backend(2)
        build(backend, "./gradlew clean build -x test")
        machine.run("sudo systemctl stop spring-boot")
        machine.run("pm2 stop nextjs")
        machine.copy(backend / "build/libs/app.jar", "/app/backend/")
        machine.copy(samples.frontend_build(2), "/app/frontend/")
        machine.run("psql -U postgres -v ON_ERROR_STOP=1 -d cloudwiki", samples.MIGRATION.read_bytes())
        machine.run("sudo systemctl start spring-boot")
        machine.run("pm2 start nextjs")
        assert b'"status":"UP","version":"2","rows":5' in wait_for(machine, HEALTH)
        assert b"frontend release 2" in wait_for(machine, PAGE)

        machine.run("sudo systemctl stop spring-boot")
        machine.copy(samples.backend_jar(3), "/app/backend/")
        machine.run("sudo systemctl start spring-boot")
        assert wait_for(machine, HEALTH) == b'{"status":"DOWN","version":"3"}'
        assert machine.run("curl -fsS http://localhost:8080/health", check=False).returncode == 22
        assert (
            b'FATAL health: ERROR: relation "notification" does not exist'
            in machine.run("cat /app/backend/logs/app.log").stdout
        )


def test_the_sample_projects_carry_their_release(sample_backend: Project, sample_frontend: Project) -> None:
    for version in samples.VERSIONS:
        properties = sample_backend(version) / "src/main/resources/release.properties"
        assert f"version={version}\n" in properties.read_text()
    frontend = sample_frontend(2)
    assert (frontend / "release.json").read_text() == '{"version": "2"}\n'
    assert (frontend / "node_modules/.bin/next").exists()


def test_gradlew_runs_the_tests_and_refuses_what_it_does_not_know(sample_backend: Project) -> None:
    backend = sample_backend(1)
    gradlew = [backend / "gradlew"]
    tested = subprocess.run([*gradlew, "build"], capture_output=True, text=True, check=True)
    assert "ReleaseTest > PASSED" in tested.stdout
    unknown = subprocess.run([*gradlew, "publish"], capture_output=True, text=True)
    assert unknown.returncode == 1
    assert "Task 'publish' not found" in unknown.stderr
    (backend / "src/main/java/app/Release.java").write_text("package app; nonsense")
    broken = subprocess.run([*gradlew, "build", "-x", "test"], capture_output=True, text=True)
    assert broken.returncode == 1
    assert "compileJava failed" in broken.stderr


def test_a_reboot_and_a_power_cut_bring_all_services_back(machine: Machine) -> None:
    before = machine.boot_time()
    machine.reboot()
    rebooted = machine.boot_time()
    assert rebooted != before
    assert b'"UP"' in wait_for(machine, "curl -fsS http://localhost:8080/health")
    assert b"frontend release 1" in wait_for(machine, PAGE)

    machine.kill()
    assert machine.run("true", check=False).returncode == 255
    machine.start()
    assert machine.boot_time() != rebooted
    assert b'"UP"' in wait_for(machine, "curl -fsS http://localhost:8080/health")
    assert b"frontend release 1" in wait_for(machine, PAGE)


def test_an_unplugged_host_does_not_answer(machine: Machine) -> None:
    machine.unplug()
    assert machine.run("true", check=False).returncode == 255
    machine.plug()
    assert wait_for(machine, "echo back") == b"back\n"


def test_two_hosts_are_apart(machine: Machine) -> None:
    with Machine() as other:
        assert other.address != machine.address
        other.run("touch /app/only-here && sudo systemctl stop nginx")
        assert machine.run("test -e /app/only-here", check=False).returncode == 1
        assert machine.run("systemctl is-active nginx").stdout == b"active\n"
        assert b"unreachable" in other.run(f"curl -sS -v http://{machine.address}", check=False).stderr
        folder, name = other.folder, other.name
        other.kill()
        assert machine.run("systemctl is-active nginx").stdout == b"active\n"
    assert not folder.exists()
    assert name not in slot.ip("netns", "list")
    assert name not in Path("/proc/mounts").read_text()


def test_a_sweep_clears_what_a_dead_run_left_and_nothing_else(machine: Machine) -> None:
    lost = Machine().up()
    folder, name = lost.folder, lost.name
    lost.slot.abandon()
    slot.sweep()
    assert not folder.exists()
    assert name not in slot.ip("netns", "list")
    assert not lost.slot.group.unified.exists()
    assert machine.run("true").returncode == 0


def test_a_host_that_does_not_boot_is_told_and_leaves_nothing() -> None:
    def break_boot(root: Path) -> None:
        (root / "etc/systemd/system/broken.service").write_text("[Service]\nType=oneshot\nExecStart=/bin/false\n")
        (root / "etc/systemd/system/multi-user.target.wants/broken.service").symlink_to("../broken.service")

    host = Machine(prepare=break_boot)
    with pytest.raises(HostNotReady, match=r"broken\.service"):
        host.up()
    with pytest.raises(RuntimeError, match="the host is down"):
        _ = host.address
