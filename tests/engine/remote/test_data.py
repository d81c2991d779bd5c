"""Parameters and secrets are data: never shell text, never seen by others, never left behind."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from releases.remote.bundle import RESERVED
from releases.remote.errors import InvalidStep
from releases.remote.steps import StepClient
from tests.engine.sshd import wait_for

CORE = [
    "; touch {pwn}",
    "$(touch {pwn})",
    "`touch {pwn}`",
    "${{IFS}}touch${{IFS}}{pwn}",
    "' ; touch {pwn} ; '",
    '" ; touch {pwn} ; "',
    "| touch {pwn}",
    "|| touch {pwn}",
    "& touch {pwn} &",
    "&& touch {pwn}",
    "\n touch {pwn}\n",
    "\r\ntouch {pwn}\r\n",
    "> {pwn}",
    ">> {pwn}",
    "<({pwn})",
    "v1; touch {pwn} #",
    "$((a[$(touch {pwn})]))",
    "a[$(touch {pwn})]",
    "() {{ :; }}; touch {pwn}",
    "!(touch {pwn})",
    "\\'; touch {pwn}; \\'",
    '\\"; touch {pwn}; \\"',
    "'\"'\"'; touch {pwn}; '\"'\"'",
    "{{x}}; touch {pwn}",
    "EOF\ntouch {pwn}\nEOF",
    "*; touch {pwn}",
    "-x; touch {pwn}",
    "--help; touch {pwn}",
    "\x1b]0;touch {pwn}\x07",
    "한글; touch {pwn}",
]
PLAIN = [
    "",
    " ",
    "  two  spaces  ",
    "\n",
    "\n\n\n",
    "a\n",
    "\na",
    "a\nb\n\n",
    "\t",
    "\r",
    "\\",
    "\\\\",
    "\\n",
    "\\0",
    "\\c",
    "%s%n%d",
    "'",
    '"',
    "''",
    "`",
    "$",
    "$$",
    "$?",
    "$HOME",
    "${HOME}",
    "~",
    "~root",
    "*",
    "?",
    "[a-z]*",
    "-n",
    "-e",
    "--",
    "-",
    "#",
    "!",
    "!!",
    "{a,b}",
    ".",
    "..",
    "=",
    "a=b",
    "한글 이름",
    "e\u0301 \u00e9",
    "\U0001f680",
    "\u202e",
    "\u2028",
    "\u0081\u0088\u00ff",
    "\ufeff",
    "\x01\x02\x1b\x7f",
    "x" * 100_000,
]
VALUES = [text.format(pwn="PWNED") for text in CORE] + PLAIN


def test_hostile_values_arrive_equal_and_are_never_run(transport, state, shell, run, tmp_path: Path) -> None:
    assert len(VALUES) >= 60
    (tmp_path / "work").mkdir()
    values = {f"p{i}": value.replace("PWNED", str(tmp_path / "pwned")) for i, value in enumerate(VALUES)}
    prints = "".join(f'printf %s "${name}" >{tmp_path}/work/{name}\n' for name in values)
    status, log = run(
        f"cd {tmp_path}/work\n{prints}", StepClient(transport, str(state), shell=shell), parameters=values
    )
    assert (status.exit_code, log) == (0, b"")
    for name, value in values.items():
        assert (tmp_path / "work" / name).read_bytes() == value.encode(), name
    assert not (tmp_path / "pwned").exists()
    assert len(list((tmp_path / "work").iterdir())) == len(values)


def test_parameters_are_not_in_the_environment(run) -> None:
    status, log = run('env; echo "[$SECRETLESS]"', parameters={"SECRETLESS": "value-of-it"})
    assert status.exit_code == 0 and b"[value-of-it]" in log
    assert b"SECRETLESS=" not in log


@pytest.mark.parametrize("value", ["\0", "a\0b", "\ud800"])
def test_it_refuses_what_no_shell_can_hold(client, make_step, value: str) -> None:
    for field in ("parameters", "secrets"):
        with pytest.raises(InvalidStep) as error:
            client.launch_and_follow(make_step(**{field: {"NAME": value}}), 0, print, lambda: False)
        assert "NAME" in error.value.message and error.value.mend


BAD_NAMES = ["", "a b", "a-b", "1a", "a;b", "../a", "가", "a\n", *sorted(RESERVED), "LD_PRELOAD", "BASH_FUNC_x"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_it_refuses_names_that_are_no_variables_or_change_the_shell(client, make_step, name: str) -> None:
    with pytest.raises(InvalidStep):
        client.launch_and_follow(make_step(parameters={name: "x"}), 0, print, lambda: False)


SECRET = "S3cr3t-value-한글\nsecond line"


def test_a_secret_is_a_private_file_and_nowhere_else(transport, state, shell, make_step, tmp_path) -> None:
    client, log = StepClient(transport, str(state), shell=shell), bytearray()
    go = tmp_path / "go"
    text = f'cat "$CLOUDWIKI_SECRETS/TOKEN" >{tmp_path}/copy; echo begun; while [ ! -e {go} ]; do sleep 0.02; done'
    step = make_step(text, secrets={"TOKEN": SECRET})
    client.launch_and_follow(step, 0, log.extend, lambda: bool(log))
    folder = state / "attempts" / step.attempt / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "TOKEN").stat().st_mode) == 0o600
    assert (tmp_path / "copy").read_bytes() == SECRET.encode()
    (tmp_path / "copy").unlink()
    assert not list(_processes_that_show(b"S3cr3t-value"))
    go.touch()
    client.follow(step.attempt, 0, print, lambda: False)
    assert not folder.exists()
    assert _files_with(state, b"S3cr3t-value") == []


def _processes_that_show(text: bytes) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        for name in ("cmdline", "environ"):
            try:
                if text in (process / name).read_bytes():
                    found.append(f"{process}/{name}")
            except OSError:
                continue
    return found


def _files_with(folder: Path, text: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


def test_a_cancel_removes_the_secrets(client, make_step, state) -> None:
    step, log = make_step("echo begun; sleep 100", secrets={"TOKEN": SECRET}), bytearray()
    client.launch_and_follow(step, 0, log.extend, lambda: bool(log))
    assert _files_with(state, b"S3cr3t-value")
    client.cancel(step.attempt, 1, step.lock, step.token)
    assert _files_with(state, b"S3cr3t-value") == []


def test_a_launch_killed_while_receiving_leaves_no_secret_behind(transport, state, make_step, run) -> None:
    from releases.remote.errors import ConnectionLost
    from releases.remote.steps import WRAPPER

    killed = WRAPPER.replace(b": point before_claim", b"kill -9 $$")
    step = make_step(secrets={"TOKEN": SECRET})
    with pytest.raises(ConnectionLost):
        StepClient(transport, str(state), wrapper=killed).launch_and_follow(step, 0, print, lambda: False)
    assert _files_with(state, b"S3cr3t-value")  # what only the next launch can tidy up
    wait_for(lambda: run("true")[0].state == "finished")
    assert _files_with(state, b"S3cr3t-value") == []


def test_a_step_cannot_change_its_own_record_by_a_parameter(client, make_step, state) -> None:
    step = make_step('printf %s "$slot"', parameters={"slot": "done 0 0"})
    log = bytearray()
    assert client.launch_and_follow(step, 0, log.extend, lambda: False).exit_code == 0
    digest = hashlib.sha256(log).hexdigest()
    assert log == b"done 0 0" and client.remove(step.attempt, digest)
