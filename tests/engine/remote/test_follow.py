"""The log arrives byte for byte, whatever breaks on the way."""

import hashlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from releases.remote.connection import open_transport
from releases.remote.errors import ConnectionLost
from releases.remote.steps import StepClient, StepStatus
from tests.engine.sshd import Sshd, wait_for

CHILD = """
import sys
from pathlib import Path
from releases.remote.connection import Target, open_transport
from releases.remote.steps import StepClient, StepScript
port, user, host_key, key, state, attempt, text, out = sys.argv[1:]
transport = open_transport(Target("box", "127.0.0.1", int(port), user, host_key, Path(key)))
step = StepScript(attempt, text.encode(), {}, {}, "environment-1", 1, 60, None)
log = Path(out)
offset = log.stat().st_size if log.exists() else 0
with log.open("ab", buffering=0) as file:
    status = StepClient(transport, state).launch_and_follow(step, offset, file.write, lambda: False)
print(status.state, status.exit_code)
"""


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """3 MB of random bytes."""
    path = tmp_path / "noise"
    path.write_bytes(random.Random(7).randbytes(3_000_000))
    return path


def slowly(path: Path, pieces: int = 60) -> str:
    size = path.stat().st_size // pieces
    piece = f"dd if={path} bs={size} skip=$i count=1 2>/dev/null; sleep 0.03; i=$((i+1))"
    return f"i=0; while [ $i -lt {pieces} ]; do {piece}; done"


def test_kills_of_the_client_lose_and_repeat_nothing(sshd: Sshd, state: Path, noise: Path, tmp_path: Path) -> None:
    target, out, tally = sshd.target, tmp_path / "out", tmp_path / "tally"
    text = f"echo ran >>{tally}; {slowly(noise)}; exit 3"
    words = (target.port, target.user, target.host_key, target.private_key, state, "attempt-1", text, out)
    command = [sys.executable, "-c", CHILD, *map(str, words)]

    for cut in range(7):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        enough = (cut + 1) * 300_000
        wait_for(lambda enough=enough: out.exists() and out.stat().st_size > enough)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == "finished 3\n"
    assert tally.read_text() == "ran\n"
    assert hashlib.sha256(out.read_bytes()).digest() == hashlib.sha256(noise.read_bytes()).digest()


def test_a_stopped_sshd_means_attach_again_and_nothing_is_lost(sshd: Sshd, state: Path, make_step, noise: Path) -> None:
    step, log = make_step(slowly(noise, 30)), bytearray()
    transport = open_transport(sshd.target)

    def cut(data: bytes) -> None:
        log.extend(data)
        if len(log) > 500_000 and sshd.processes():
            sshd.stop()

    with pytest.raises(ConnectionLost) as lost:
        StepClient(transport, str(state)).launch_and_follow(step, 0, cut, lambda: False)
    assert lost.value.code == "connection_lost" and lost.value.mend
    assert not transport.is_open
    sshd.start()
    again = StepClient(open_transport(sshd.target), str(state))
    status = again.launch_and_follow(step, len(log), log.extend, lambda: False)
    assert status.state == "finished" and bytes(log) == noise.read_bytes()


def test_a_connection_that_swallows_everything_is_noticed(sshd: Sshd, state: Path, make_step) -> None:
    step, log = make_step("echo begun; sleep 20"), bytearray()
    client = StepClient(open_transport(sshd.target), str(state), quiet_limit=4)

    def freeze(data: bytes) -> None:
        log.extend(data)
        sshd.pause()

    with pytest.raises(ConnectionLost, match="nothing for 4 s"):
        client.launch_and_follow(step, 0, freeze, lambda: False)
    sshd.resume()
    again = StepClient(open_transport(sshd.target), str(state))
    assert again.status(step.attempt).state == "running"
    again.cancel(step.attempt, 1, "environment-1", 1)


def test_a_quiet_step_is_no_lost_connection(transport, state: Path, make_step) -> None:
    client, log = StepClient(transport, str(state), quiet_limit=4), bytearray()
    status = client.launch_and_follow(make_step("echo a; sleep 5; echo b"), 0, log.extend, lambda: False)
    assert (status.state, log) == ("finished", b"a\nb\n")


HOSTILE_OUTPUT = {
    "every byte": bytes(range(256)) * 5,
    "invalid UTF-8": b"\xff\xfe\xc3( \xed\xa0\x80 \xf0\x9f",
    "NULs": b"\0" * 1000,
    "a begin line": b"0123456789abcdef begin\n0123456789abcdef state=finished rc=0 why=- log=0 beat=-\n",
    "no newline at the end": b"abc",
    "one long line": b"x" * 5_000_000,
    "colours and returns": b"\x1b[31mred\x1b[0m\r50%\r100%\r\n",
    "half a character": "한".encode()[:2],
}


@pytest.mark.parametrize("kind", HOSTILE_OUTPUT)
def test_output_arrives_byte_for_byte(transport, state, shell, run, tmp_path: Path, kind: str) -> None:
    (tmp_path / "output").write_bytes(HOSTILE_OUTPUT[kind])
    status, log = run(f"cat {tmp_path}/output; exit 2", StepClient(transport, str(state), shell=shell))
    assert (status.exit_code, status.log_size) == (2, len(log))
    assert log == HOSTILE_OUTPUT[kind]


def test_output_comes_while_the_step_runs(client: StepClient, make_step, tmp_path: Path) -> None:
    go, log = tmp_path / "go", bytearray()

    def write(data: bytes) -> None:
        log.extend(data)
        go.touch()  # the step goes on only when its first line has arrived

    status = client.launch_and_follow(
        make_step(f"echo one; while [ ! -e {go} ]; do sleep 0.02; done; echo two"), 0, write, lambda: False
    )
    assert (status.state, log) == ("finished", b"one\ntwo\n")


def test_what_the_log_store_raises_comes_through_and_the_step_goes_on(client: StepClient, make_step) -> None:
    step = make_step("echo text; exit 4")

    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        client.launch_and_follow(step, 0, full, lambda: False)
    log = bytearray()
    status = client.follow(step.attempt, 0, log.extend, lambda: False)
    assert (status.exit_code, log) == (4, b"text\n")


def test_following_an_unknown_attempt_says_absent(client: StepClient) -> None:
    assert client.follow("nothing", 0, print, lambda: False) == StepStatus("absent", None, "", 0, None)


def test_a_big_log_does_not_sit_in_memory(client: StepClient, make_step) -> None:
    received, before = 0, _resident()
    peak = before

    def write(data: bytes) -> None:
        nonlocal received, peak
        received += len(data)
        peak = max(peak, _resident())

    step = make_step("yes 0123456789012345678901234567890123456789 | head -c 150000000")
    status = client.launch_and_follow(step, 0, write, lambda: False)
    assert (status.state, received) == ("finished", 150_000_000)
    assert peak - before < 10_000_000


def _resident() -> int:
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
