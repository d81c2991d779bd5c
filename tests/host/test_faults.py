"""What goes wrong on a real server: each ends with a reason, and no state is lost or half-made."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.cache import cache

from releases import enrolment, lifecycle
from releases.audit import Actor, verify
from releases.engine import decide
from releases.engine.errors import Blocked
from releases.models import AuditEvent, Backup, Deployment
from tests.host.machine import Machine
from tests.host.site import Site, drive, driving, explained, log_of, make_site, newest, page, process, statuses, until

pytestmark = pytest.mark.django_db(transaction=True)


def step(key: str, command: str = "", **fields: object) -> dict[str, object]:
    common = {"title": {"ko": key}, "role": "DevOps", "phase": "replace", "runs_on": "app", "estimate": 10}
    return {
        "key": key,
        **common,
        "action": "shell",
        **({"parameters": {"command": command}} if command else {}),
        **fields,
    }


Start = Callable[..., Deployment]


@pytest.fixture
def site(machine: Machine, data_dir: Path, settings: LazySettings, redis_url: str) -> Site:
    settings.SSH_KEY_FILE = machine.private_key
    (data_dir / "project").mkdir()
    return make_site(machine, data_dir / "project", "")


@pytest.fixture
def begin(site: Site) -> Start:
    """Start a deployment of a runbook with these steps."""

    def started(*steps: dict[str, object], start: bool = True) -> Deployment:
        text = {"kind": "deploy", "title": {"ko": "시험"}, "steps": list(steps)}
        site.save_runbook(json.dumps(text))
        release = site.release(f"v{site.project.releases.count() + 1}", "a41f9c2")
        return site.ready(release) if start else site.draft(release)

    return started


def there(machine: Machine, path: str) -> bool:
    return machine.run(f"test -s {path}", check=False).returncode == 0


def check(site: Site) -> enrolment.HostCheck:
    cache.clear()  # else a second check within seconds is refused
    found = enrolment.check(site.host)
    site.environment.refresh_from_db()
    return found


def codes(refused: pytest.ExceptionInfo[Blocked]) -> list[str]:
    return [blocker.code for blocker in refused.value.blockers]


def test_a_host_that_is_down_blocks_the_start(site: Site, begin: Start, machine: Machine) -> None:
    deployment = begin(step("one", "true"), start=False)
    machine.unplug()
    try:
        found = check(site)
        assert not found.ok
        assert machine.address in found.detail
        with pytest.raises(Blocked) as refused:
            site.start(deployment)
        assert codes(refused) == ["host_unreachable"]
    finally:
        machine.plug()
    until(lambda: check(site).ok)
    site.start(deployment)
    assert drive(deployment) == lifecycle.SUCCEEDED, explained(deployment)


def test_a_host_that_goes_down_in_the_middle_is_lost_then_found(site: Site, begin: Start, machine: Machine) -> None:
    deployment = begin(step("count", "for n in $(seq 1 25); do echo line $n; sleep 1; done; touch /app/counted"))
    thread = driving(deployment)
    until(lambda: "line 2\n" in log_of(deployment, "count") if deployment.steps.get().attempts.exists() else False)
    machine.unplug()
    try:
        until(lambda: newest(deployment, "count").status == lifecycle.LOST)
        assert "prod-1" in newest(deployment, "count").reason
        assert deployment.steps.get().status == lifecycle.LOST
    finally:
        machine.plug()
    thread.join(120)
    deployment.refresh_from_db()
    assert deployment.status == lifecycle.SUCCEEDED, explained(deployment)
    lines = [line for line in log_of(deployment, "count").splitlines() if line.startswith("line ")]
    assert lines == [f"line {n}" for n in range(1, 26)]
    assert deployment.steps.get().attempts.count() == 1
    assert "step.lost" in AuditEvent.objects.filter(deployment=deployment).values_list("action", flat=True)


def by_root(machine: Machine, command: str) -> None:
    """Over SSH without a look at the host key."""
    login = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    words = ["ssh", "-F", "none", "-i", str(machine.private_key), *login, f"{machine.user}@{machine.address}"]
    subprocess.run([*words, command], timeout=60, capture_output=True)


@contextmanager
def another_key(machine: Machine) -> Iterator[None]:
    """The host shows another key, as one that answers in its place does; connections made before are cut."""
    key = "/etc/ssh/ssh_host_ed25519_key"
    cut = "sudo systemctl restart ssh; sudo pkill -f '^sshd(-session)?: deploy'"
    by_root(machine, f"sudo cp -a {key} {key}.own; yes | sudo ssh-keygen -qt ed25519 -N '' -f {key}; {cut}")
    try:
        yield
    finally:
        by_root(machine, f"sudo mv {key}.own {key}; sudo ssh-keygen -yf {key} | sudo tee {key}.pub; {cut}")
        until(lambda: machine.run("true", check=False).returncode == 0)


def test_another_host_key_is_a_hard_stop(site: Site, begin: Start, machine: Machine) -> None:
    deployment = begin(step("one", "touch /app/never"))
    with another_key(machine):
        began = time.monotonic()
        assert drive(deployment) == lifecycle.ERRORED
        assert time.monotonic() - began < 10
        found = check(site)
    assert site.host.fingerprint in deployment.error
    assert not found.ok
    assert not there(machine, "/app/never")
    events = AuditEvent.objects.filter(action="host.key_changed", target_id=str(site.host.pk))
    assert events.count() == 2  # at the step and at the check


def test_another_host_key_in_the_middle_asks_a_person(site: Site, begin: Start, machine: Machine) -> None:
    deployment = begin(step("one", "echo begun > /app/begun-key; sleep 600"), step("two", "true"))
    thread = driving(deployment)
    until(lambda: there(machine, "/app/begun-key"))
    with another_key(machine):
        thread.join(60)
        assert not thread.is_alive()
    deployment.refresh_from_db()
    assert deployment.status == lifecycle.UNKNOWN, explained(deployment)
    assert site.host.fingerprint in newest(deployment, "one").reason
    assert AuditEvent.objects.filter(action="host.key_changed", target_id=str(site.host.pk)).count() == 1
    decide.resolve(deployment.steps.get(key="one"), Actor(site.requester), "failed", "somebody was in between")
    assert drive(deployment) == lifecycle.FAILED


def test_a_full_disk_leaves_the_old_backup_alone(site: Site, begin: Start, machine: Machine) -> None:
    machine.run("sudo mkdir -p /mnt/small && sudo mount -t tmpfs -o size=5m,uid=1000,mode=755 small /mnt/small")
    machine.run("head -c 3000000 /dev/urandom > /app/big")
    files = {"files": [{"path": "/app/big", "link": "big.bak"}], "destination": "/mnt/small"}
    dump = {"database": "cloudwiki", "user": "postgres", "destination": "/mnt/small/dump.sql"}
    try:
        first = begin(step("files", action="backup_files", parameters=files))
        assert drive(first) == lifecycle.SUCCEEDED, explained(first)
        kept = Backup.objects.get(deployment=first)
        second = begin(step("files", action="backup_files", parameters=files))
        assert drive(second) == lifecycle.FAILED
        assert "room" in log_of(second, "files")
        assert newest(second, "files").reason
        assert machine.run("sha256sum /mnt/small/big.bak").stdout.split()[0].decode() == kept.sha256
        assert machine.run("find /mnt/small -type f -size +1k | wc -l").stdout == b"1\n"
        machine.run("cat /dev/zero > /mnt/small/filler", check=False)
        third = begin(step("dump", action="backup_database", parameters=dump))
        assert drive(third) == lifecycle.FAILED
        assert newest(third, "dump").reason
        assert not there(machine, "/mnt/small/dump.sql")
        assert Backup.objects.filter(environment=site.environment).count() == 1
    finally:
        machine.run("sudo umount -l /mnt/small; rm -f /app/big")


def test_no_sudo_fails_at_once_and_says_so(begin: Start, machine: Machine) -> None:
    rule = machine.root / "etc/sudoers.d/deploy"
    kept = machine.folder / "sudoers"
    shutil.move(rule, kept)
    try:
        deployment = begin(step("stop", "sudo systemctl stop spring-boot"))
        began = time.monotonic()
        assert drive(deployment) == lifecycle.FAILED, explained(deployment)
        took = time.monotonic() - began
    finally:
        shutil.copy(kept, rule)
        rule.chmod(0o440)
        os.chown(rule, 0, 0)
    assert took < 5
    assert "sudoers" in deployment.error
    assert deployment.error.removeprefix("1. ") in page(deployment)
    assert "password is required" in log_of(deployment, "stop")
    assert machine.run("systemctl is-active spring-boot").stdout == b"active\n"


@pytest.mark.parametrize("command", ["su root -c id", "ssh-keygen -y -f /home/deploy/locked", "read answer"])
def test_a_command_that_asks_gets_no_answer_and_fails(begin: Start, machine: Machine, command: str) -> None:
    machine.run("test -e locked || ssh-keygen -qt ed25519 -N secret-words -f locked")
    deployment = begin(step("ask", command))
    began = time.monotonic()
    assert drive(deployment) == lifecycle.FAILED, explained(deployment)
    assert time.monotonic() - began < 5
    assert newest(deployment, "ask").exit_code
    assert deployment.error.startswith("1. ")


def test_a_command_that_never_ends_is_ended_with_all_its_processes(begin: Start, machine: Machine) -> None:
    deployment = begin(step("endless", "sleep 98765 & setsid sleep 98765 & sleep 98765", timeout=2, estimate=1))
    assert drive(deployment) == lifecycle.FAILED, explained(deployment)
    assert statuses(deployment) == {"endless": lifecycle.TIMED_OUT}
    assert "2" in deployment.error.removeprefix("1. ")
    until(lambda: machine.run("pgrep -x -f 'sleep 98765'", check=False).returncode == 1)


def test_a_power_cut_in_the_middle_is_unknown_and_a_person_resolves_it(
    site: Site, begin: Start, machine: Machine
) -> None:
    deployment = begin(step("one", "echo begun > /app/begun-cut; sleep 600"), step("two", "true"))
    thread = driving(deployment)
    until(lambda: there(machine, "/app/begun-cut"))
    machine.kill()
    machine.start()
    thread.join(120)
    deployment.refresh_from_db()
    assert deployment.status == lifecycle.UNKNOWN, explained(deployment)
    assert newest(deployment, "one").reason == "reboot"
    assert statuses(deployment) == {"one": lifecycle.UNKNOWN, "two": lifecycle.PENDING}
    decide.resolve(deployment.steps.get(key="one"), Actor(site.requester), "worked", "the file is there")
    assert drive(deployment) == lifecycle.SUCCEEDED, explained(deployment)
    assert list(verify()) == []


def test_a_reboot_in_the_middle_is_unknown_whatever_the_step_makes_of_it(
    site: Site, begin: Start, machine: Machine
) -> None:
    """Shutting down, systemd ends the step with TERM, and the step may call that a success."""
    deployment = begin(step("one", "trap 'exit 0' TERM; echo begun > /app/begun-boot; sleep 600"), step("two", "true"))
    thread = driving(deployment)
    until(lambda: there(machine, "/app/begun-boot"))
    machine.reboot()
    thread.join(120)
    deployment.refresh_from_db()
    attempt = newest(deployment, "one")
    found = (deployment.status, attempt.exit_code, attempt.reason)
    assert found == (lifecycle.UNKNOWN, None, "reboot"), explained(deployment)
    assert deployment.steps.get(key="two").status == lifecycle.PENDING


@contextmanager
def worker(machine: Machine, data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real Celery worker and Celery's clock, as `make up` starts them; killed with -9 at the end."""
    with process("beat", machine, data_dir), process("worker", machine, data_dir) as started:
        yield started


def test_a_worker_killed_in_the_middle_of_a_step_loses_nothing(
    site: Site, begin: Start, machine: Machine, data_dir: Path
) -> None:
    command = "echo ran >> /app/ran; for n in $(seq 1 30); do echo line $n; sleep 1; done"
    deployment = begin(step("count", command), step("after", "test $(wc -l < /app/ran) = 1"))
    with worker(machine, data_dir) as first:
        until(lambda: there(machine, "/app/ran"))
        until(lambda: "line 5\n" in log_of(deployment, "count"))
        os.killpg(first.pid, signal.SIGKILL)
    assert newest(deployment, "count").finished_at is None
    with worker(machine, data_dir):
        until(lambda: Deployment.objects.get(pk=deployment.pk).status not in lifecycle.ACTIVE, 120)
    deployment.refresh_from_db()
    assert deployment.status == lifecycle.SUCCEEDED, explained(deployment) + (data_dir / "worker.log").read_text()
    assert machine.run("cat /app/ran").stdout == b"ran\n"
    lines = [line for line in log_of(deployment, "count").splitlines() if line.startswith("line ")]
    assert lines == [f"line {n}" for n in range(1, 31)]
    assert deployment.steps.get(key="count").attempts.count() == 1
