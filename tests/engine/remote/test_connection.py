"""Only the machine with the pinned key is spoken to; every failure says what to do."""

import dataclasses
import os
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest
from paramiko.common import cMSG_CHANNEL_DATA

from releases.remote.connection import SILENT_DROP, Target, open_transport, scan_host_key
from releases.remote.errors import (
    AuthenticationFailed,
    ConnectionLost,
    HostKeyChanged,
    HostKeyNotPinned,
    HostUnreachable,
    KeyUnreadable,
    RemoteError,
)
from releases.remote.steps import StepClient
from tests.engine.sshd import Sshd, free_port, make_key, wait_for


def changed(target: Target, **values: object) -> Target:
    return dataclasses.replace(target, **values)


def assert_tells_the_mend(error: RemoteError, code: str) -> None:
    assert error.code == code
    assert error.message and error.mend and str(error) == error.message


def test_it_runs_commands_and_keeps_both_outputs_apart(transport) -> None:
    done = transport.execute("cat; echo err >&2; exit 3", b"in")
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"in", b"err\n")


def test_it_takes_the_quick_cipher_where_there_is_one(transport, tmp_path: Path) -> None:
    assert transport._connection.transport.remote_cipher == "aes128-gcm@openssh.com"
    older = Sshd(tmp_path / "older", "Ciphers aes256-ctr")
    older.start()
    try:
        opened = open_transport(older.target)
        assert opened._connection.transport.remote_cipher == "aes256-ctr"
        opened.close()
    finally:
        older.stop()


def test_it_sends_a_big_stdin_while_output_comes_back(transport) -> None:
    data = os.urandom(8_000_000)
    assert transport.execute("cat", data).stdout == data


def test_a_command_that_leaves_its_input_unread_does_not_break_the_connection(transport, monkeypatch) -> None:
    """Paramiko alone may send data after its answer to a close; OpenSSH then drops everybody's connection."""
    ssh = transport._connection.transport
    send = ssh._send_user_message

    def slowly(message: paramiko.Message) -> None:
        if message.asbytes()[:1] == cMSG_CHANNEL_DATA:
            time.sleep(0.1)  # the race made wide: the command has ended before its input leaves
        send(message)

    monkeypatch.setattr(ssh, "_send_user_message", slowly)
    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(lambda code: transport.execute(f"exit {code}", b"x" * 99).exit_code, range(5))) == [
            *range(5)
        ]
    monkeypatch.undo()
    assert transport.execute("echo still").stdout == b"still\n"


def test_output_does_not_wait_for_input_that_nobody_reads(transport) -> None:
    began = time.monotonic()
    done = transport.execute("head -c 100000000 /dev/zero", os.urandom(8_000_000))
    assert len(done.stdout) == 100_000_000
    assert time.monotonic() - began < 10  # under a second; 19 when each piece waited for its turn


def test_a_stop_while_input_is_sent_does_not_break_the_connection(transport) -> None:
    for _ in range(5):
        assert transport.execute("sleep 60", os.urandom(5_000_000), stop=lambda: True).exit_code is None
    assert transport.execute("echo still").stdout == b"still\n"


def test_a_command_ended_by_a_signal_has_no_exit_code(transport) -> None:
    assert transport.execute("kill -KILL $$").exit_code is None


def test_stop_ends_the_wait(transport) -> None:
    assert transport.execute("sleep 60", stop=lambda: True).exit_code is None


def test_it_sends_at_once_and_notices_dead_peers(transport) -> None:
    sock = transport._connection.transport.sock
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SILENT_DROP * 1000


def test_no_other_key_agent_or_setting_is_used(transport) -> None:
    connection = transport._connection
    assert isinstance(connection.client._policy, paramiko.RejectPolicy)
    assert connection.connect_kwargs["allow_agent"] is False
    assert connection.connect_kwargs["look_for_keys"] is False
    assert len(connection.ssh_config) == 0 or dict(connection.ssh_config) == {"hostname": "127.0.0.1"}


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_changed_host_key_is_refused_and_nothing_is_sent(sshd: Sshd, kind: str) -> None:
    pinned = sshd.target
    sshd.stop()
    sshd.new_host_key(kind)
    sshd.start()
    with pytest.raises(HostKeyChanged) as error:
        open_transport(pinned)
    assert_tells_the_mend(error.value, "host_key_changed")
    wait_for(lambda: "[preauth]" in sshd.log.read_text())
    assert "Accepted" not in sshd.log.read_text() and "Failed" not in sshd.log.read_text()
    assert list(sshd.home.iterdir()) == []


def test_an_impostor_gets_no_byte_of_the_script(sshd: Sshd, tmp_path: Path, make_step) -> None:
    """It accepts every login, and would be sent the script, were it not for the pin."""
    seen: list[str] = []

    class Impostor(paramiko.ServerInterface):
        def check_auth_publickey(self, username, key):
            seen.append("login")
            return paramiko.AUTH_SUCCESSFUL

        def check_channel_request(self, kind, chanid):
            seen.append("channel")
            return paramiko.OPEN_SUCCEEDED

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            server = paramiko.Transport(listener.accept()[0])
            server.add_server_key(paramiko.RSAKey.generate(2048))
            try:
                server.start_server(server=Impostor())
            except (paramiko.SSHException, EOFError):
                seen.append("went away")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(HostKeyChanged):
            open_transport(changed(sshd.target, port=listener.getsockname()[1]))
        thread.join(10)
    assert "login" not in seen and "channel" not in seen


@pytest.mark.parametrize("host_key", ["", "   ", "ssh-ed25519", "ssh-ed25519 AAAA", "nonsense here", "ssh-ed25519 !!!"])
def test_without_a_readable_pinned_key_it_does_not_connect(sshd: Sshd, host_key: str) -> None:
    connections = sshd.log.read_text().count("Connection from")
    with pytest.raises(HostKeyNotPinned) as error:
        open_transport(changed(sshd.target, host_key=host_key))
    assert_tells_the_mend(error.value, "host_key_not_pinned")
    assert sshd.log.read_text().count("Connection from") == connections


def test_the_scanned_key_is_the_one_to_pin(sshd: Sshd) -> None:
    key = scan_host_key("127.0.0.1", sshd.port)
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", sshd.folder / "host_key.pub"], capture_output=True, text=True, check=True
    ).stdout
    assert key.type == "ssh-ed25519" and key.fingerprint in shown
    transport = open_transport(changed(sshd.target, host_key=key.public))
    assert transport.execute("echo hi").stdout == b"hi\n"
    transport.close()


def test_a_key_the_machine_does_not_know_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    with pytest.raises(AuthenticationFailed) as error:
        open_transport(changed(sshd.target, private_key=tmp_path / "other"))
    assert_tells_the_mend(error.value, "authentication_failed")


def test_an_unreadable_private_key_is_named(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("not a key")
    for path in (tmp_path / "absent", tmp_path / "broken"):
        with pytest.raises(KeyUnreadable) as error:
            open_transport(changed(sshd.target, private_key=path))
        assert_tells_the_mend(error.value, "key_unreadable")


def test_a_host_that_is_down_is_unreachable(sshd: Sshd) -> None:
    sshd.stop()
    for call in (lambda: open_transport(sshd.target), lambda: scan_host_key("127.0.0.1", sshd.port)):
        with pytest.raises(HostUnreachable) as error:
            call()
        assert_tells_the_mend(error.value, "host_unreachable")


def test_a_name_that_does_not_resolve_is_unreachable(sshd: Sshd) -> None:
    with pytest.raises(HostUnreachable):
        open_transport(changed(sshd.target, address="no-such-host.invalid"))


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_something_that_is_no_ssh_server_is_unreachable(sshd: Sshd, greeting: bytes) -> None:
    """The empty greeting is a machine that takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted = []

        def serve() -> None:
            accepted.append(listener.accept()[0])
            accepted[0].sendall(greeting)

        threading.Thread(target=serve, daemon=True).start()
        target = changed(sshd.target, port=listener.getsockname()[1], connect_timeout=1.0)
        with pytest.raises(HostUnreachable) as error:
            open_transport(target)
        assert_tells_the_mend(error.value, "host_unreachable")
        accepted[0].close()


def test_a_broken_connection_says_so_each_time(sshd: Sshd, state: Path) -> None:
    transport = open_transport(sshd.target)
    sshd.stop()
    for _ in range(2):
        with pytest.raises(ConnectionLost) as error:
            StepClient(transport, str(state)).status("attempt")
        assert_tells_the_mend(error.value, "connection_lost")
    transport.close()


def test_a_free_port_is_no_ssh_server() -> None:
    with pytest.raises(HostUnreachable):
        scan_host_key("127.0.0.1", free_port(), timeout=2)
