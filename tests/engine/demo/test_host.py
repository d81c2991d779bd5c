"""The demo host: real connections, real services, the written procedure's own commands."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlopen

import pytest
from paramiko.common import cMSG_CHANNEL_WINDOW_ADJUST

from cloudwiki.keys import ensure_ssh_key
from releases.models import Variable
from releases.remote.errors import RemoteError
from tests.engine.demo.conftest import log_in, running_host, until
from tests.engine.probes.service import answers

needs_sshd = pytest.mark.skipif(shutil.which("sshd", path="/usr/sbin:/usr/bin") is None, reason="no sshd installed")


def run(transport, command):
    done = transport.execute(command)
    return done.exit_code, done.stdout.decode() + done.stderr.decode()


def health(machine, name):
    with urlopen(f"http://{machine.address}:{machine.services[name]}/health", timeout=5) as answer:
        return json.load(answer)


def url(machine, name):
    return f"http://{machine.address}:{machine.services[name]}/health"


@needs_sshd
def test_the_procedures_own_commands_work(demo_data):
    with running_host(demo_data) as (machine, said):
        assert "OpenSSH" in said[-1]
        assert health(machine, "backend") == {"status": "UP", "service": "backend", "version": "v1.0.0"}
        transport = log_in(demo_data)
        assert run(transport, "pwd") == (0, f"{machine.home}\n")
        assert run(transport, "sudo systemctl stop spring-boot") == (0, "stopped backend\n")
        assert not answers(url(machine, "backend"))
        assert run(transport, "systemctl is-active --quiet spring-boot") == (3, "")
        assert run(transport, "sudo systemctl start spring-boot")[0] == 0
        assert answers(url(machine, "backend"))
        assert run(transport, "pm2 stop nextjs") == (0, "stopped frontend\n")
        assert not answers(url(machine, "frontend"))
        assert run(transport, "pm2 start nextjs")[0] == 0
        assert answers(url(machine, "frontend"))
        assert run(transport, "sudo nginx -t")[0] == 0
        name = Variable.objects.get(name="db_name", environment__key="production").value
        assert run(transport, f"pg_dump -U postgres -d {name} > backup_20261125.sql") == (0, "")
        assert "김치찌개" in (demo_data / "demo-host" / "backup_20261125.sql").read_text()
        assert run(transport, f"psql -At -U postgres -d {name} -c 'SELECT count(*) FROM meals'") == (0, "3\n")
        assert "Started backend" in run(transport, "cat app/backend/logs/app.log")[1]
        transport.close()
    assert not answers(url(machine, "backend"))


NO_OPENSSH = """
def find():
    raise host.openssh.Unusable("no sshd is installed")
host.openssh.find = find
"""


def test_it_serves_without_openssh_too(demo_data):
    with running_host(demo_data, NO_OPENSSH) as (machine, said):
        assert "asyncssh: no sshd is installed" in said[-1]
        transport = log_in(demo_data)
        assert run(transport, "pwd; command -v service; exit 7") == (7, f"{machine.home}\n{machine.bin}/service\n")
        done = transport.execute("cat; printf bad >&2", b"x" * 3_000_000)
        assert (done.exit_code, len(done.stdout), done.stderr) == (0, 3_000_000, b"bad")
        assert run(transport, "kill -9 $$")[0] is None
        transport.close()


def test_it_serves_big_outputs_side_by_side_without_openssh(demo_data):
    """Each waits for room again and again; a server that does not take turns loses the whole connection."""
    with running_host(demo_data, NO_OPENSSH), ThreadPoolExecutor(6) as people:
        for transport in [log_in(demo_data) for _round in range(4)]:
            done = people.map(transport.execute, ["head -c 9000000 /dev/zero; printf bad >&2"] * 6)
            assert {(one.exit_code, len(one.stdout), one.stderr) for one in done} == {(0, 9_000_000, b"bad")}
            transport.close()


def test_a_word_about_room_after_the_end_does_not_break_the_connection_without_openssh(demo_data, monkeypatch):
    """Paramiko alone may tell of room after its answer to a close; asyncssh then drops everybody's connection."""
    with running_host(demo_data, NO_OPENSSH):
        transport = log_in(demo_data)
        ssh = transport._connection.transport
        send = ssh._send_user_message

        def slowly(message):
            if message.asbytes()[:1] == cMSG_CHANNEL_WINDOW_ADJUST:
                time.sleep(0.3)  # the race made wide: the command has ended before that leaves
            send(message)

        monkeypatch.setattr(ssh, "_send_user_message", slowly)
        assert len(transport.execute("head -c 1000000 /dev/zero").stdout) == 1_000_000
        monkeypatch.undo()
        assert transport.execute("echo still").stdout == b"still\n"
        transport.close()


def test_a_command_that_prints_to_nobody_ends_without_openssh(demo_data):
    with running_host(demo_data, NO_OPENSSH):
        transport = log_in(demo_data)
        transport.execute("yes; echo ended >ended", stop=lambda: True)
        transport.close()
        until(lambda: (demo_data / "demo-host" / "ended").exists())


def test_a_stopped_service_stays_stopped_until_it_is_started(demo_data):
    with running_host(demo_data) as (machine, _said):
        transport = log_in(demo_data)
        run(transport, "service stop backend")
        transport.close()
    with running_host(demo_data) as (machine, _said):
        assert not answers(url(machine, "backend"))
        assert answers(url(machine, "frontend"))


def test_only_the_controllers_key_opens_the_door(demo_data):
    with running_host(demo_data):
        (demo_data / "ssh" / "id_ed25519").unlink()
        (demo_data / "ssh" / "id_ed25519.pub").unlink()
        ensure_ssh_key(demo_data / "ssh" / "id_ed25519")
        with pytest.raises(RemoteError):
            log_in(demo_data)


def test_a_service_without_its_files_says_so(demo_data):
    with running_host(demo_data):
        transport = log_in(demo_data)
        run(transport, "service stop backend; rm app/backend/app.jar")
        code, text = run(transport, "service start backend")
        transport.close()
    assert code == 1
    assert "missing or damaged" in text


def test_an_unknown_command_fails(demo_data):
    with running_host(demo_data):
        transport = log_in(demo_data)
        for command in ("service", "service stop other", "service dance backend", "systemctl stop sshd", "pm2 stop x"):
            code, text = run(transport, command)
            assert code, command
            assert text
        transport.close()
