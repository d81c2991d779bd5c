"""Logs are watched for a set time, and the first bad line ends it."""

import re
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from releases.actions.base import ActionError
from releases.actions.patterns import to_extended
from tests.engine.sshd import wait_for
from tests.engine.stage import Stage


def carrying(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if mark in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_it_ends_well_when_nothing_bad_was_said(stage: Stage) -> None:
    log = stage.home / "app.log"
    log.write_text("Fatal: yesterday\n")
    began = time.monotonic()
    done = stage.perform("watch_logs", {"files": [str(log)], "commands": ["echo started; sleep 30"], "seconds": 2})
    assert done.problem == ""
    assert 2 <= time.monotonic() - began < 25
    assert "started" in done.log
    assert "yesterday" not in done.log
    assert done.context.evidence["watched_seconds"] == 2
    wait_for(lambda: not carrying(str(log)), what="the end of tail")


def test_the_first_bad_line_fails_it_at_once_and_names_pattern_and_line(stage: Stage) -> None:
    mark = str(stage.home / "mark")
    command = f"echo ok; printf 'a\\0b \\377 Criti''cal: no {{heap}}\\n'; exec tail -f /dev/null {mark}"
    stage.variable("heap", "memory $(x)")
    (stage.home / "mark").touch()
    began = time.monotonic()
    done = stage.perform(
        "watch_logs",
        {"commands": [command], "seconds": 50, "fail_on": ["Fatal", r"Cri\w+cal"]},
        variables=[{"name": "heap"}],
    )
    assert time.monotonic() - began < 40
    assert done.exit_code == 1
    assert r"Cri\w+cal" in done.problem
    assert "Critical: no memory $(x)" in done.problem.replace("'", "")
    wait_for(lambda: not carrying(mark), what="the end of the watched command")


def test_a_file_may_appear_later(stage: Stage) -> None:
    log = stage.home / "later.log"
    command = f"sleep 1; echo one >{log}; sleep 2; echo Fatal two >>{log}; sleep 60"
    done = stage.perform("watch_logs", {"files": [str(log)], "commands": [command], "seconds": 50})
    assert f"waiting for {log}" in done.log
    assert "Fatal two" in done.problem


def test_a_command_that_stops_watching_fails_it(stage: Stage) -> None:
    done = stage.perform("watch_logs", {"commands": ["pm3 logs nextjs"], "seconds": 50})
    assert done.exit_code == 1
    assert "pm3 logs nextjs" in done.problem
    assert "127" in done.problem


def test_without_patterns_it_only_shows(stage: Stage) -> None:
    done = stage.perform("watch_logs", {"commands": ["echo Fatal; sleep 9"], "seconds": 1, "fail_on": []})
    assert done.problem == ""
    assert "Fatal" in done.log


def test_a_pattern_that_hosts_would_read_otherwise_is_refused(stage: Stage) -> None:
    done = stage.perform("watch_logs", {"commands": ["true"], "seconds": 1, "fail_on": [r"(?<!not )Fatal"]})
    assert r"(?<!not )Fatal" in done.problem


LINES = [
    "Fatal error", "fatal", "FATAL: x", "not critical", "Critical", "a.b", "axb", "12:30", "1234567", "", " ", "\t",
    "[error]", "error]", "a^b", "a-b", "a\\b", "a{2}", "aa", "aaa", "ab|c", "$5", "심각한 오류", "오류오류", "x_1", "]",
    "^", "-", "ERROR 500", "(paren)", "OutOfMemoryError: Java heap space", "end.", "K", "ſ",
]  # fmt: skip
PATTERNS = [
    "Fatal", "(?i)fatal", "^fatal$", "a.b", r"a\.b", r"\d+:\d\d", r"\d{7}", "^$", r"^\s+$", r"\[error\]",
    "[]]", "[^]a]", "[a^]", r"[\^]", "[a-c]-[a-c]", r"a[-.]b", r"a\\b", r"a\{2\}", "^a{2}$", "^a{2,}$",
    "a|b", "(?:Fa|Cri)t", "(ab)?c$", r"\$\d", "오류", "(오류){2}", "오+", r"\w+_\d", r"[\[]", r"\S",
    r"[\d\s]", "ERR(OR)? 5", "(?i)[a-c]xb", "x*?y?Err", r"OutOfMemory\w*:", r"\.$", r"[^\d]$", "[-^]",
    "(?i:CRIT)ical", r"\(p.*n\)", "심각|치명", r"^\]$", r"^\^$",
]  # fmt: skip


@pytest.mark.parametrize("grep", [["grep", "-a"], ["busybox", "grep"]])
def test_patterns_mean_the_same_on_a_host(grep: list[str], tmp_path: Path) -> None:
    lines = [line for line in LINES if line != "ſ"]
    file = tmp_path / "lines"
    file.write_text("".join(f"{line}\n" for line in lines))
    for pattern in PATTERNS:
        expected = [line for line in lines if re.search(pattern, line)]
        command = [*grep, "-E", "-e", to_extended(pattern), str(file)]
        found = subprocess.run(command, capture_output=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
        assert found.stderr == b"", pattern
        assert found.stdout.decode().splitlines() == expected, (pattern, to_extended(pattern))


@pytest.mark.parametrize(
    "pattern", [r"\bFatal\b", r"(a)\1", "(?=a)b", "(?!a)b", "a{300}", "[가-힣]", "a|", "()", "(?i)é", "[^가]", "("]
)
def test_it_refuses_what_hosts_can_not_be_asked_for(pattern: str) -> None:
    with pytest.raises(ActionError, match=re.escape(pattern)):
        to_extended(pattern)
