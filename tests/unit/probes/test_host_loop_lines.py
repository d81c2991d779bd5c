"""The shell loop that a host runs, and its lines."""

import os
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from releases.probes.answers import Check
from releases.probes.ssh import Asked, loop_script, read_line

NOW = datetime(2026, 11, 25, 2, tzinfo=UTC)
CHECK = Check(probe=3, url="http://localhost/", timeout=2)


@pytest.mark.parametrize(
    ("line", "ok", "detail"),
    [
        ("3 0 200 0.010 1", True, ""),
        ("3 23 200 0.010 1", True, ""),
        ("3 0 503 0.010 1", False, "status:503"),
        ("3 0 200 0.010 0", False, "text"),
        ("3 7 000 0.000 1", False, "refused"),
        ("3 28 000 2.000 1", False, "timeout:2"),
        ("3 56 000 0.100 1", False, "connect:curl 56"),
        ("3 127 000 0 1", None, "curl"),
    ],
)
def test_a_line_becomes_an_answer(line, ok, detail):
    probe, answer = read_line(line, {3: CHECK}, NOW)
    assert (probe, answer.ok, answer.detail) == (3, ok, detail)


def test_the_answer_was_asked_before_its_line_came():
    _probe, answer = read_line("3 0 200 0.250 1", {3: CHECK}, NOW)
    assert (NOW - answer.at).total_seconds() == 0.25
    assert answer.milliseconds == 250


@pytest.mark.parametrize("line", ["", "motd", "4 0 200 0.1 1", "3 x 200 0.1 1", "3 0 200"])
def test_other_lines_are_passed_over(line):
    assert read_line(line, {3: CHECK}, NOW) is None


class Page(BaseHTTPRequestHandler):
    body = b"ready"

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(self.body)

    def log_message(self, *_arguments):
        pass


@contextmanager
def serve(body: bytes):
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Page", (Page,), {"body": body}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


@contextmanager
def looping(check: Check, shell: list[str]):
    script = loop_script([Asked(check, 0.05, 0.05)])
    process = subprocess.Popen([*shell, "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        process.stdout.close()
        with_deadline(lambda: process.poll() is not None)


def with_deadline(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("shell", [["sh"], ["bash"], ["busybox", "sh"]], ids=["sh", "bash", "busybox"])
@pytest.mark.parametrize(
    ("body", "text", "expected"),
    [(b"ready", "", True), (b"ready", "rea", True), (b"ready", "it's $(date)", False), (b"x" * 3_000_000, "xx", True)],
    ids=["plain", "text", "hostile", "huge"],
)
def test_the_loop_asks_and_prints(shell, body, text, expected):
    with serve(body) as url:
        check = Check(probe=3, url=url, expected_text=text, timeout=2)
        with looping(check, shell) as process:
            for _line in range(2):
                line = process.stdout.readline().decode()
                assert read_line(line, {3: check}, NOW)[1].ok is expected, line


def test_the_loop_ends_when_nobody_reads():
    with serve(b"ready") as url, looping(Check(probe=3, url=url), ["sh"]) as process:
        process.stdout.readline()
        process.stdout.close()
        with_deadline(lambda: process.poll() is not None)


def test_a_closed_port_is_a_failure():
    with serve(b"") as url:
        pass
    check = Check(probe=3, url=url)
    with looping(check, ["sh"]) as process:
        assert read_line(process.stdout.readline().decode(), {3: check}, NOW)[1].detail == "refused"


def test_a_host_without_curl_is_not_measured(tmp_path):
    for name in ("mktemp", "sleep", "rm", "grep"):
        (tmp_path / name).symlink_to(shutil.which(name))
    script = loop_script([Asked(CHECK, 0.05, 0.05)])
    process = subprocess.Popen(
        ["/bin/sh", "-c", script], stdout=subprocess.PIPE, env={"PATH": str(tmp_path)}, start_new_session=True
    )
    line = process.stdout.readline().decode()
    os.killpg(process.pid, signal.SIGTERM)
    process.stdout.close()
    process.wait(10)
    assert read_line(line, {3: CHECK}, NOW)[1].detail == "curl"
