"""An attempt starts at most once, whoever asks and however often."""

import hashlib
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from releases.remote.connection import SshTransport, open_transport
from releases.remote.errors import InvalidStep
from releases.remote.local import LocalTransport
from releases.remote.steps import WRAPPER, StepClient
from tests.engine.sshd import Sshd

from .conftest import MakeStep, Run


def never() -> bool:
    return False


def test_it_runs_a_step_and_tells_its_exit_code(transport, state, shell, run: Run) -> None:
    status, log = run("echo out; echo err >&2; exit 7", StepClient(transport, str(state), shell=shell))
    assert (status.state, status.exit_code, status.reason, log) == ("finished", 7, "", b"out\nerr\n")


def test_it_runs_on_the_controller_too(state: Path, run: Run) -> None:
    status, log = run("echo here", StepClient(LocalTransport(), str(state)))
    assert (status.state, status.exit_code, log) == ("finished", 0, b"here\n")


def test_the_controllers_own_environment_is_not_given_to_steps(state, run: Run, monkeypatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://user:password@db/x")
    _, log = run("env", StepClient(LocalTransport(), str(state)))
    assert b"PATH=" in log and b"DATABASE_URL" not in log


def test_twenty_launches_at_once_start_it_once(
    transport: SshTransport, state: Path, shell: str, make_step: MakeStep, tmp_path: Path
) -> None:
    tally = tmp_path / "tally"
    step = make_step(f"echo ran >>{tally}; sleep 0.3; echo done")
    together = threading.Barrier(20)

    def launch(_: int) -> tuple[str, bytes]:
        client, log = StepClient(transport, str(state), shell=shell), bytearray()
        together.wait()
        status = client.launch_and_follow(step, 0, log.extend, never)
        return status.state, bytes(log)

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(launch, range(20)))
    assert tally.read_text() == "ran\n"
    assert results == [("finished", b"done\n")] * 20


def test_it_launches_again_by_attaching_only(client: StepClient, make_step: MakeStep, tmp_path: Path) -> None:
    step, log = make_step(f"echo ran >>{tmp_path}/tally; echo text"), bytearray()
    client.launch_and_follow(step, 0, log.extend, never)
    again = client.launch_and_follow(step, 2, log.extend, never)
    assert (again.state, log) == ("finished", b"text\nxt\n")
    assert (tmp_path / "tally").read_text() == "ran\n"


def test_a_launch_that_died_after_its_claim_is_taken_up(transport, state, make_step, tmp_path: Path) -> None:
    killed = WRAPPER.replace(b": point after_claim", b"kill -9 $$")
    assert killed != WRAPPER
    step = make_step(f"echo ran >>{tmp_path}/tally")
    with pytest.raises(Exception, match="gave no answer"):
        StepClient(transport, str(state), wrapper=killed).launch_and_follow(step, 0, print, never)
    client = StepClient(transport, str(state))
    assert client.status(step.attempt).state == "claimed"
    assert client.launch_and_follow(step, 0, print, never).state == "finished"
    assert (tmp_path / "tally").read_text() == "ran\n"


def test_a_start_that_died_before_the_step_is_unknown_and_never_runs(
    transport: SshTransport, state: Path, make_step: MakeStep, tmp_path: Path
) -> None:
    killed = WRAPPER.replace(b": point after_start", b"kill -9 $$")
    step = make_step(f"echo ran >>{tmp_path}/tally")
    client = StepClient(transport, str(state), wrapper=killed)
    status = client.launch_and_follow(step, 0, print, never)
    assert (status.state, status.reason, status.exit_code) == ("unknown", "vanished", None)
    assert client.launch_and_follow(step, 0, print, never).state == "unknown"
    assert not (tmp_path / "tally").exists()


def test_an_older_driver_is_fenced_off(client: StepClient, run: Run, tmp_path: Path) -> None:
    assert run("true", token=7)[0].state == "finished"
    status, _ = run(f"touch {tmp_path}/ran", token=6)
    assert (status.state, status.reason) == ("fenced", "7")
    assert not (tmp_path / "ran").exists()
    assert client.cancel("other", 1, "environment-1", 6).state == "fenced"
    assert run("true", token=6, lock="environment-2")[0].state == "finished"


def test_a_cut_upload_never_runs(transport: SshTransport, state: Path, run: Run, tmp_path: Path) -> None:
    class Cutting:
        name = "box"
        close = transport.close

        def execute(self, command, stdin=None, **options):
            cut = stdin[:2500] if isinstance(stdin, bytes) and " launch " in command else stdin
            return transport.execute(command, cut, **options)

    status, _ = run(f"touch {tmp_path}/ran", StepClient(Cutting(), str(state)), secrets={"S": "secret"})
    assert (status.state, status.reason) == ("refused", "corrupt")
    assert not (tmp_path / "ran").exists()
    assert list((state / "incoming").iterdir()) == []


@pytest.mark.parametrize("tool", ["flock", "setsid", "tar", "stat", "sha256sum"])
def test_a_missing_tool_is_named_before_anything_is_made(
    transport, state, run: Run, busybox_path: Path, tmp_path: Path, tool: str
) -> None:
    fewer = tmp_path / "bin"
    fewer.mkdir()
    for command in busybox_path.iterdir():
        if command.name != tool:
            (fewer / command.name).symlink_to(command.readlink())
    status, _ = run("true", StepClient(transport, str(state), shell=f"env PATH={fewer} sh"))
    assert (status.state, status.reason) == ("refused", f"missing:{tool}")
    assert not (state / "attempts").exists()


def test_what_a_login_script_prints_stays_out_of_the_log(transport: SshTransport, state: Path, run: Run) -> None:
    class Noisy:
        name = "box"
        close = transport.close

        def execute(self, command, stdin=None, **options):
            return transport.execute(f"echo welcome; echo hello >&2; {command}", stdin, **options)

    status, log = run("echo text", StepClient(Noisy(), str(state)))
    assert (status.state, log) == ("finished", b"text\n")


def test_a_damaged_wrapper_is_replaced_at_the_next_connection(sshd: Sshd, state: Path, run: Run) -> None:
    run("true")
    (wrapper,) = (state / "bin").iterdir()
    wrapper.write_text("echo replaced")
    transport = open_transport(sshd.target)
    assert run("echo text", StepClient(transport, str(state)))[1] == b"text\n"
    assert wrapper.read_bytes() == WRAPPER


def test_a_wrapper_that_was_deleted_is_installed_again(sshd: Sshd, state: Path, run: Run, shell: str) -> None:
    client = StepClient(open_transport(sshd.target), str(state), shell=shell)
    for _ in range(2):
        assert run("echo text", client)[1] == b"text\n"
        shutil.rmtree(state / "bin")


def test_the_folder_in_the_home_is_found_each_time(sshd: Sshd, transport: SshTransport, run: Run) -> None:
    client = StepClient(transport)
    for _ in range(3):
        assert run("echo text", client)[1] == b"text\n"
    assert len(list((sshd.home / ".cloudwiki" / "attempts").iterdir())) == 3


def test_a_step_has_the_signals_and_the_mask_of_a_login(client: StepClient, run: Run, transport) -> None:
    _, log = run("umask; grep -h '^SigIgn' /proc/self/status")
    plain = transport.execute("umask; grep -h '^SigIgn' /proc/self/status").stdout
    assert log == plain
    assert run('[ "$PWD" = "$HOME" ] && ! [ -t 0 ]')[0].exit_code == 0


@pytest.mark.parametrize("attempt", ["", "../x", "a b", "a;b", "-\n"])
def test_it_refuses_a_hostile_attempt_name(client: StepClient, make_step: MakeStep, attempt: str) -> None:
    with pytest.raises(InvalidStep):
        client.launch_and_follow(make_step(attempt=attempt), 0, print, never)
    with pytest.raises(InvalidStep):
        client.status(attempt)


def test_an_ended_attempt_is_removed_only_with_its_logs_digest(client, state, make_step) -> None:
    step, log = make_step("echo text"), bytearray()
    client.launch_and_follow(step, 0, log.extend, never)
    assert not client.remove(step.attempt, hashlib.sha256(b"other").hexdigest())
    assert client.status(step.attempt).state == "finished"
    assert client.remove(step.attempt, hashlib.sha256(log).hexdigest())
    assert list((state / "attempts").iterdir()) == [] and list((state / "incoming").iterdir()) == []
    assert client.remove(step.attempt, hashlib.sha256(log).hexdigest())
    status = client.launch_and_follow(step, 0, print, never)
    assert (status.state, status.reason) == ("refused", "removed")


def test_a_running_attempt_is_not_removed(client, make_step) -> None:
    step = make_step("echo a; sleep 60")
    log = bytearray()
    status = client.launch_and_follow(step, 0, log.extend, lambda: bool(log))
    assert (status.state, log) == ("running", b"a\n")
    assert not client.remove(step.attempt, hashlib.sha256(log).hexdigest())
    assert client.cancel(step.attempt, 1, "environment-1", 1).reason == "cancelled"
