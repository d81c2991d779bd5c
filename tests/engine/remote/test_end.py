"""How steps end: by themselves, by a limit, by a cancel, and what belongs to them with them."""

import os
import subprocess
import threading
import uuid
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from releases.remote.connection import open_transport
from releases.remote.steps import StepClient
from tests.engine.sshd import wait_for


@pytest.fixture
def machine(transport, state, shell) -> StepClient:
    """The client, once for each shell."""
    return StepClient(transport, str(state), shell=shell)


@pytest.fixture
def mark():
    """A unique argument by which a test's processes are found; none may be left."""
    mark = f"mark{uuid.uuid4().hex}"
    yield mark
    for process in marked(mark):
        with suppress(psutil.Error):
            process.kill()


def marked(mark: str) -> list[psutil.Process]:
    """The living processes with this argument, without the shells of the wrapper (they only name a folder)."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if mark in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


IGNORING = "sh -c 'trap \"\" TERM INT HUP; while :; do sleep 0.1; done' {mark}"
HOSTILE = {
    "plain": "sh -c 'sleep 100; :' {mark}",
    "ignores TERM": IGNORING,
    "own session": "setsid " + IGNORING + " & wait",
    "daemon left behind": "setsid " + IGNORING + " >/dev/null 2>&1 & sleep 0.2; exec sleep 100",
    "cleared environment": 'env -i PATH="$PATH" setsid ' + IGNORING + " & wait",
    "respawning": "while :; do " + IGNORING + "; done",
    "known by its log alone": '( env -i PATH="$PATH" setsid ' + IGNORING + " & ) ; exec sleep 100",
    "always another": "sh -c 'trap \"\" TERM; hop() {{ hop & }}; hop; while :; do sleep 1; done' {mark}",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_timeout_ends_every_process_of_the_step(machine, run, mark, kind) -> None:
    text = "echo begun\n" + HOSTILE[kind].format(mark=mark)
    status, log = run(text, machine, timeout=1, grace=1)
    assert (status.state, status.reason) == ("finished", "timeout")
    assert log.startswith(b"begun\n")
    wait_for(lambda: not marked(mark), 3)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_cancel_ends_every_process_of_the_step_and_no_other(machine, make_step, mark, kind) -> None:
    bystander = subprocess.Popen(["sleep", "100"])
    step, log = make_step("echo begun\n" + HOSTILE[kind].format(mark=mark)), bytearray()
    machine.launch_and_follow(step, 0, log.extend, lambda: bool(log and marked(mark)))
    status = machine.cancel(step.attempt, 1, "environment-1", 1)
    assert (status.state, status.reason) == ("finished", "cancelled")
    wait_for(lambda: not marked(mark), 3)
    assert bystander.poll() is None
    bystander.kill()
    assert machine.cancel(step.attempt, 1, "environment-1", 1) == status


def test_a_look_at_the_processes_that_breaks_off_is_done_again(transport, state, make_step, mark, tmp_path) -> None:
    """As awk did where a process ended while its state was read: then nothing got TERM, and other sessions lived on."""
    tools, times = tmp_path / "tools", tmp_path / "times"
    tools.mkdir()
    awk = tools / "awk"
    awk.write_text(
        f'#!/bin/sh\necho x >>{times}\n[ $(($(wc -l <{times}) % 3)) = 0 ] || exit 2\nexec /usr/bin/awk "$@"\n'
    )
    awk.chmod(0o755)
    machine = StepClient(transport, str(state), shell=f"env PATH={tools}:/usr/bin:/bin sh")
    text = (
        f"trap 'echo told; exit 3' TERM\nsetsid {IGNORING.format(mark=mark)} & echo begun; while :; do sleep 0.05; done"
    )
    step, log = make_step(text), bytearray()
    machine.launch_and_follow(step, 0, log.extend, lambda: bool(log and marked(mark)))
    status = machine.cancel(step.attempt, 1, "environment-1", 1)
    assert (status.state, status.reason) == ("finished", "cancelled")
    assert times.exists()
    wait_for(lambda: not marked(mark), 3)
    machine.follow(step.attempt, len(log), log.extend, lambda: False)
    assert b"told" in log


def test_a_step_that_heeds_term_may_tidy_up(machine, make_step) -> None:
    step, log = make_step("trap 'echo tidied; exit 3' TERM; echo begun; while :; do sleep 0.05; done"), bytearray()
    machine.launch_and_follow(step, 0, log.extend, lambda: bool(log))
    status = machine.cancel(step.attempt, 10, "environment-1", 1)
    assert (status.exit_code, status.reason) == (3, "cancelled")
    machine.follow(step.attempt, len(log), log.extend, lambda: False)
    # A shell whose `sleep` gets the TERM first says "Terminated" in between.
    assert log.replace(b"Terminated\n", b"") == b"begun\ntidied\n"


def test_silence_ends_a_step_but_output_keeps_it_alive(machine, run) -> None:
    status, log = run("for i in 1 2 3; do echo $i; sleep 1; done; sleep 60", machine, silence_timeout=2)
    assert (status.state, status.reason) == ("finished", "silence")
    assert log.startswith(b"1\n2\n3\n")  # BusyBox's shell adds "Terminated"


def test_a_daemon_does_not_hold_the_step_and_lives_on(machine, run, mark) -> None:
    text = f"sh -c 'echo $$; sleep 30; :' {mark} & echo started"
    status, log = run(text, machine, timeout=20)
    assert (status.state, status.exit_code, status.reason) == ("finished", 0, "")
    assert b"started\n" in log
    assert marked(mark)


def test_what_a_daemon_prints_later_is_not_in_the_steps_log(machine, make_step, mark, tmp_path) -> None:
    go, printed = tmp_path / "go", tmp_path / "printed"
    daemon = f"while [ ! -e {go} ]; do sleep 0.05; done; echo later; touch {printed}"
    step, log = make_step(f"echo started; sh -c '{daemon}' {mark} &"), bytearray()
    status = machine.launch_and_follow(step, 0, log.extend, lambda: False)
    go.touch()
    wait_for(printed.exists)
    assert machine.status(step.attempt) == status
    machine.follow(step.attempt, 0, log.extend, lambda: False)
    assert log == b"started\n" * 2


@pytest.mark.parametrize(
    "question", ["read answer && echo got", "cat", "read answer </dev/tty", "sudo -k -p pass: true </dev/tty"]
)
def test_a_question_gets_no_answer_and_does_not_hang(machine, run, question) -> None:
    status, log = run(f"{question}\necho code $?", machine, timeout=10)
    assert (status.state, status.reason) == ("finished", "")
    assert b"got" not in log


def test_the_exit_code_of_a_killed_step_is_that_of_its_signal(machine, run) -> None:
    status, _ = run("kill -KILL $$", machine)
    assert (status.state, status.exit_code, status.reason) == ("finished", 137, "")


def test_the_log_is_cut_at_its_limit_and_says_so(machine, run, state) -> None:
    text = "head -c 30000 /dev/zero | tr '\\0' x; sleep 2.5; head -c 30000 /dev/zero | tr '\\0' y; sleep 2.5; exit 4"
    status, log = run(text, machine, log_cap=10000, silence_timeout=10)
    note = b"\n[log cut here: this step printed more than the limit of 10000 bytes]\n"
    assert (status.exit_code, log) == (4, b"x" * 10000 + note)
    (on_disk,) = state.glob("attempts/*/log")
    assert on_disk.stat().st_size == len(log) == status.log_size


def test_a_quick_step_beyond_the_limit_is_cut_too(machine, run) -> None:
    status, log = run("head -c 30000 /dev/zero | tr '\\0' x", machine, log_cap=10000)
    assert log.startswith(b"x" * 10000 + b"\n[log cut here")
    assert (status.exit_code, status.log_size) == (0, len(log))


def test_a_cancel_before_the_launch_forbids_it(machine, make_step, tmp_path: Path) -> None:
    step = make_step(f"touch {tmp_path}/ran")
    assert machine.cancel(step.attempt, 1, step.lock, step.token).state == "absent"
    status = machine.launch_and_follow(step, 0, print, lambda: False)
    assert (status.state, status.reason) == ("refused", "cancelled")
    assert not (tmp_path / "ran").exists()


def test_a_cancel_that_meets_the_end_leaves_one_outcome(machine, make_step, sshd) -> None:
    for pause in ("0", "0.02", "0.05", "0.1"):
        step, results = make_step(f"echo begun; sleep {pause}"), []
        other = StepClient(open_transport(sshd.target), machine._script._folder)
        canceller = threading.Thread(
            target=lambda step=step, other=other, results=results: results.append(
                other.cancel(step.attempt, 1, step.lock, step.token)
            )
        )
        log = bytearray()
        seen = machine.launch_and_follow(step, 0, log.extend, lambda log=log: bool(log))
        canceller.start()
        seen = machine.follow(step.attempt, 0, print, lambda: False)
        canceller.join()
        assert seen == results[0] == machine.status(step.attempt)
        assert seen.state == "finished" and (seen.reason, seen.exit_code) != ("", 143)


def supervisor(state: Path, name: str) -> psutil.Process:
    (file,) = state.glob(f"attempts/*/{name}")
    return psutil.Process(int(file.read_text().split()[0]))


def test_a_lost_supervisor_and_step_are_unknown_and_not_run_again(machine, make_step, state, tmp_path) -> None:
    step = make_step(f"echo ran >>{tmp_path}/tally; echo begun; sleep 100", secrets={"S": "secret"})
    log = bytearray()
    machine.launch_and_follow(step, 0, log.extend, lambda: bool(log))
    for name in ("super", "watch", "child"):
        supervisor(state, name).kill()
    status = machine.launch_and_follow(step, 0, print, lambda: False)
    assert (status.state, status.reason, status.exit_code) == ("unknown", "vanished", None)
    assert (tmp_path / "tally").read_text() == "ran\n"
    assert not list(state.glob("attempts/*/secrets"))


def test_a_lost_supervisor_alone_leaves_the_step_running_and_cancellable(machine, make_step, state) -> None:
    step, log = make_step("echo begun; sleep 100"), bytearray()
    machine.launch_and_follow(step, 0, log.extend, lambda: bool(log))
    for name in ("super", "watch"):
        supervisor(state, name).kill()
    wait_for(lambda: machine.status(step.attempt).reason == "supervisor-lost")
    status = machine.cancel(step.attempt, 1, "environment-1", 1)
    assert (status.state, status.exit_code, status.reason) == ("finished", 137, "cancelled")


def test_a_watcher_without_supervisor_ends_the_step_and_keeps_why(machine, make_step, state) -> None:
    step, log = make_step("echo begun; sleep 100", timeout=3), bytearray()
    machine.launch_and_follow(step, 0, log.extend, lambda: bool(log))
    supervisor(state, "super").kill()
    heard: list[str] = []
    status = machine.follow(step.attempt, len(log), log.extend, lambda: False, heard.append)
    assert (status.state, status.exit_code, status.reason) == ("finished", 137, "timeout")
    assert set(heard) == {"supervisor-lost"}


def test_a_cancel_without_supervisor_is_a_cancel(machine, make_step, state) -> None:
    step, log = make_step("echo begun; sleep 100"), bytearray()
    machine.launch_and_follow(step, 0, log.extend, lambda: bool(log))
    supervisor(state, "super").kill()
    status = machine.cancel(step.attempt, 1, "environment-1", 1)
    assert (status.state, status.exit_code, status.reason) == ("finished", 137, "cancelled")


def test_a_watcher_goes_when_nobody_is_left_to_be_watched(machine, make_step, state, mark, tmp_path) -> None:
    go = tmp_path / "go"
    text = f"sh -c 'sleep 30; :' {mark} & echo begun; until [ -e {go} ]; do sleep 0.05; done"
    step, log = make_step(text, timeout=600), bytearray()
    machine.launch_and_follow(step, 0, log.extend, lambda: bool(log))
    supervisor(state, "super").kill()
    watcher = supervisor(state, "watch")
    go.touch()
    status = machine.follow(step.attempt, len(log), log.extend, lambda: False)
    assert (status.state, status.reason) == ("unknown", "vanished")
    wait_for(lambda: not watcher.is_running() or watcher.status() == psutil.STATUS_ZOMBIE)
    assert marked(mark), "a daemon that the step left lives on"


def test_after_a_reboot_the_outcome_is_unknown(machine, make_step, state) -> None:
    step, log = make_step("echo begun; sleep 100"), bytearray()
    machine.launch_and_follow(step, 0, log.extend, lambda: bool(log))
    (boot,) = state.glob("attempts/*/boot")
    boot.write_text(f"{uuid.uuid4()}\n")
    status = machine.status(step.attempt)
    assert (status.state, status.reason, status.exit_code) == ("unknown", "reboot", None)
    assert machine.launch_and_follow(step, 6, print, lambda: False) == status
    machine.cancel(step.attempt, 0, "environment-1", 1)


@pytest.mark.parametrize("habit", ["", "trap 'exit 0' TERM; "])
def test_what_a_step_makes_of_the_end_of_everything_is_not_its_outcome(machine, make_step, state, habit) -> None:
    """A machine that shuts down sends TERM to all: until it is down it is not over, afterwards it is unknown."""
    step, log = make_step(f"{habit}echo begun; sleep 100"), bytearray()
    machine.launch_and_follow(step, 0, log.extend, lambda: bool(log))
    leader = supervisor(state, "super")
    for process in (leader, *leader.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    attempt = state / "attempts" / step.attempt
    wait_for(lambda: (attempt / "slot").read_text().startswith("told"))
    assert (machine.status(step.attempt).state, machine.status(step.attempt).exit_code) == ("running", None)
    boot = (attempt / "boot").read_text()
    (attempt / "boot").write_text(f"{uuid.uuid4()}\n")
    status = machine.status(step.attempt)
    assert (status.state, status.reason, status.exit_code) == ("unknown", "reboot", None)
    (attempt / "boot").write_text(boot)
    (attempt / "beat").write_text("-1000\n")
    status = machine.status(step.attempt)
    assert (status.state, status.reason, status.exit_code) == ("unknown", "vanished", None)


def test_an_outcome_recorded_before_a_reboot_is_kept(machine, run, make_step, state) -> None:
    step = make_step("exit 5")
    machine.launch_and_follow(step, 0, print, lambda: False)
    (state / "attempts" / step.attempt / "boot").write_text(f"{uuid.uuid4()}\n")
    assert machine.status(step.attempt).exit_code == 5


def test_a_pid_used_again_is_not_taken_for_the_step(machine, make_step, state) -> None:
    step, log = make_step("echo begun; sleep 100"), bytearray()
    machine.launch_and_follow(step, 0, log.extend, lambda: bool(log))
    for name in ("super", "watch", "child"):
        supervisor(state, name).kill()
    stranger = subprocess.Popen(["sleep", "100"], start_new_session=True)
    for name in ("super", "watch", "child"):
        (state / "attempts" / step.attempt / name).write_text(f"{stranger.pid} 12345\n")
    assert machine.status(step.attempt).state == "unknown"
    machine.cancel(step.attempt, 0, "environment-1", 1)
    assert stranger.poll() is None
    stranger.kill()


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_fills_up_keeps_the_exit_code(transport, shell, run, small_disk) -> None:
    client = StepClient(transport, str(small_disk / "state"), shell=shell)
    status, _ = run(f"head -c 4000000 /dev/zero >{small_disk}/big; echo after; exit 9", client)
    assert (status.state, status.exit_code, status.disk_was_full) == ("finished", 9, True)
    status, _ = run("echo never", client)
    assert (status.state, status.reason) == ("refused", "diskfull")
    (small_disk / "big").unlink()
    status, log = run("echo again", client)
    assert (log, status.disk_was_full) == (b"again\n", False)


def test_the_room_that_our_own_look_at_the_disk_gives_back_is_none(transport, shell, run, small_disk) -> None:
    """The disk may fill up just while the look holds its page; the step's output was lost all the same."""
    client = StepClient(transport, str(small_disk / "state"), shell=shell)
    full = f"head -c 4000000 /dev/zero >{small_disk}/big 2>/dev/null"
    status, _ = run(f"{full}; truncate -s -4096 {small_disk}/big; exit 9", client)
    assert (status.exit_code, status.disk_was_full) == (9, True)


def test_a_disk_that_was_full_for_a_while_is_told(transport, shell, run, small_disk) -> None:
    client = StepClient(transport, str(small_disk / "state"), shell=shell)
    full = f"head -c 4000000 /dev/zero >{small_disk}/big 2>/dev/null"
    noticed = f"until grep -q yes {small_disk}/state/attempts/*/full; do sleep 0.1; done"
    status, log = run(f"{full}; {noticed}; rm {small_disk}/big; echo after", client)
    assert (status.exit_code, log, status.disk_was_full) == (0, b"after\n", True)
